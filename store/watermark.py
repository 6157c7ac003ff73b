"""How far each collector has come, and up to where therefore everything is in the store."""

from dataclasses import dataclass
from datetime import datetime

from store.connection import Connection, to_microseconds
from store.queries import query_text

_COLUMNS = ("collector", "marked_at", "flushed_at", "segment", "retired")


@dataclass(frozen=True, slots=True)
class Mark:
    """Everything that ``collector`` received before ``flushed_at`` is in the store."""

    collector: str
    marked_at: datetime
    flushed_at: datetime
    segment: int
    retired: bool = False


def publish_mark(connection: Connection, mark: Mark) -> None:
    """Write a collector's mark; the latest written counts."""
    values = (
        mark.collector,
        to_microseconds(mark.marked_at),
        to_microseconds(mark.flushed_at),
        mark.segment,
        int(mark.retired),
    )
    connection.insert("collector_marks", _COLUMNS, [[value] for value in values])


def last_mark(connection: Connection, collector: str) -> Mark | None:
    """The latest mark of this collector; only one that is marked later can follow."""
    rows = connection.query(query_text("last_mark"), {"collector": collector})
    return Mark(collector, **{**rows[0], "retired": bool(rows[0]["retired"])}) if rows else None


def known_collectors(connection: Connection) -> list[str]:
    """The names of all collectors that have registered and are not retired."""
    return [row["collector"] for row in connection.query(query_text("collectors"), {})]


def last_segment(connection: Connection, collector: str) -> int:
    """The highest segment number this collector has ever used; 0 for none."""
    rows = connection.query(query_text("last_segment"), {"collector": collector})
    return int(rows[0]["segment"])


def read_watermark(connection: Connection) -> tuple[datetime | None, str]:
    """The flushed watermark and the collector that holds it; ``None`` without collectors."""
    row = connection.query(query_text("watermark"), {})[0]
    if row["collectors"] == 0:
        return None, ""
    return row["flushed"], row["collector"]
