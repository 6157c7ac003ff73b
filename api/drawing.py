"""Numbers for the little pictures on the pages: where a bar begins and how long it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from api.period import Period

WIDTH: Final = 1000.0
_LEAST: Final = 4.0  # of a bar, so that a short visit is still seen


class Stay(Protocol):
    """What is drawn: one visit."""

    @property
    def entered_at(self) -> datetime: ...
    @property
    def exited_at(self) -> datetime | None: ...
    @property
    def limit_seconds(self) -> float | None: ...


@dataclass(frozen=True, slots=True)
class Bar:
    """A visit on the axis: ``within`` its limit, then ``over``; ``limit``: where that lies."""

    x: float
    within: float
    over: float
    limit: float | None


def visit_axis(visits: Sequence[Stay], present: datetime | None) -> Period | None:
    """From the first entry to the last exit, or to the ``present`` of an open instance."""
    if not visits:
        return None
    ends = [visit.exited_at or visit.entered_at for visit in visits]
    end = max([*ends, present] if present else ends)
    start = min(visit.entered_at for visit in visits)
    return Period(start, max(end, start + timedelta(milliseconds=1)))


def visit_bars(visits: Sequence[Stay], axis: Period) -> list[Bar]:
    """One bar for each visit, to scale."""
    found = []
    for visit in visits:
        start = _place(visit.entered_at, axis)
        # A terminal state without an exit goes on for ever; the axis ends it.
        end = max(_place(visit.exited_at or axis.to, axis), start + _LEAST)
        if end > WIDTH:
            start, end = start - (end - WIDTH), WIDTH
        limit = None
        if visit.limit_seconds is not None:
            due = (visit.entered_at - axis.from_).total_seconds() + visit.limit_seconds
            limit = due / axis.seconds * WIDTH
        turn = min(end, max(start, limit)) if limit is not None else end
        found.append(
            Bar(
                x=round(start, 2),
                within=round(turn - start, 2),
                over=round(end - turn, 2),
                limit=round(limit, 2) if limit is not None and limit <= WIDTH else None,
            )
        )
    return found


def shares(parts: Sequence[tuple[str, int]]) -> list[tuple[str, float, float]]:
    """Name, start and length of each part of a stacked bar; empty parts left out."""
    total = sum(number for _, number in parts)
    found, start = [], 0.0
    for name, number in parts:
        if number > 0:
            length = number / total * WIDTH
            found.append((name, round(start, 2), round(length, 2)))
            start += length
    return found


def part(value: float | None, most: float) -> float:
    """The length of a bar that is as long as the axis for ``most``."""
    if not value or most <= 0:
        return 0.0
    return round(max(_LEAST, min(1.0, value / most) * WIDTH), 2)


def _place(at: datetime, axis: Period) -> float:
    return min(1.0, max(0.0, (at - axis.from_) / (axis.to - axis.from_))) * WIDTH
