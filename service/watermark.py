"""The flushed watermark, read from the marks that collectors publish."""

from dataclasses import dataclass
from datetime import datetime

from store import Database
from store.watermark import read_watermark


@dataclass(frozen=True, slots=True)
class Watermark:
    """All received before ``flushed`` is stored; ``collector`` is the furthest behind."""

    flushed: datetime | None
    collector: str = ""
    reason: str = ""


class WatermarkReader:
    """Reads it on a connection of its own, so that no long query of somebody else delays it."""

    def __init__(self, database: Database) -> None:
        self._connection = database.connect()

    def __call__(self) -> Watermark:
        """Read it now.

        :raises StoreError: the store does not answer.
        """
        flushed, collector = read_watermark(self._connection)
        if flushed is None:
            return Watermark(None, reason="no collector has registered yet")
        return Watermark(
            flushed,
            collector,
            "the collector has not reported since; if it will not come back: "
            f"donewatch retire {collector}",
        )
