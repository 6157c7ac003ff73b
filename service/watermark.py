"""The flushed watermark, read from the marks that collectors publish."""

import threading
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from lifecycle.errors import StoreError
from store import Database
from store.connection import Bounds
from store.watermark import read_settled_watermark, read_watermark

_READING: Final = Bounds(seconds=2)  # it takes milliseconds
_SETTLING: Final = 20.0  # seconds that settling may take, its rests included
_PATIENCE: Final = 1.0  # seconds that who only looks waits for another who reads


@dataclass(frozen=True, slots=True)
class Watermark:
    """All received before ``flushed`` is stored; ``collector`` is the furthest behind."""

    flushed: datetime | None
    collector: str = ""
    reason: str = ""


class WatermarkReader:
    """Reads it on a connection of its own, so that no long query of somebody else delays it."""

    def __init__(self, database: Database) -> None:
        self._connection = database.connect(_READING)
        self._looking = threading.Lock()
        self._last = Watermark(None)

    def __call__(self) -> Watermark:
        """Read it now.

        :raises StoreError: the store does not answer.
        """
        stored, collector = read_watermark(self._connection)
        if stored is None:
            return Watermark(None, reason="no collector has registered yet")
        flushed, held_by = read_settled_watermark(self._connection)
        if flushed is None or (stored - flushed).total_seconds() > _SETTLING:
            why = "what is stored is not settled: does `donewatch rules` or `up` run, and keep up?"
            return Watermark(flushed, held_by, why)
        self._last = Watermark(
            flushed,
            collector,
            "the collector has not reported since, or waits for what producers send again; "
            f"if it will not come back: donewatch retire {collector}",
        )
        return self._last

    def shown(self, now: datetime, limit: float) -> Watermark:
        """For who only looks: without a reason until it lags ``limit`` seconds, and never an error.

        While the store is away it is the one read last: alerts and rules are in memory, and must
        be seen most of all then.
        """
        if not self._looking.acquire(timeout=_PATIENCE):
            return replace(self._last, reason="the store does not answer")
        try:
            found = self()
        except StoreError as error:
            return replace(self._last, reason=f"the store does not answer: {error}")
        finally:
            self._looking.release()
        if found.flushed is not None and (now - found.flushed).total_seconds() <= limit:
            return replace(found, reason="")
        return found
