"""Whether the stored events reach far enough to tell what has not happened."""

from datetime import datetime
from typing import Final, Protocol

from lifecycle.durations import format_duration

WATERMARK_LIMIT: Final = 60.0  # seconds that the flushed watermark may lag behind the present
_INTERVALS: Final = 4  # of the group; a limit shorter than these would flap


class Watermark(Protocol):
    """How far everything that was received is in the store, and who holds it up."""

    @property
    def flushed(self) -> datetime | None:
        """``None``: no collector has said anything yet."""
        ...

    @property
    def collector(self) -> str:
        """The one that is furthest behind."""
        ...

    @property
    def reason(self) -> str:
        """Why it is behind, if anybody knows."""
        ...


def watermark_lag(flushed: datetime | None, now: datetime) -> float | None:
    """Seconds from the watermark to the present, ``None`` without one."""
    return None if flushed is None else max(0.0, (now - flushed).total_seconds())


def why_blind(watermark: Watermark, now: datetime, limit: float, interval: float) -> str:
    """Why nothing can be told of what has not happened; empty when it can.

    ``limit`` and the group's ``interval`` in seconds; never less than four intervals are allowed.
    """
    lag = watermark_lag(watermark.flushed, now)
    who = f" (collector {watermark.collector})" if watermark.collector else ""
    if lag is None:
        return (watermark.reason or "no collector has reported a watermark yet") + who
    if lag <= max(limit, _INTERVALS * interval):
        return ""
    why = f": {watermark.reason}" if watermark.reason else ""
    return f"the stored events end {format_duration(lag)} ago{why}{who}"
