"""How far each collector has come, and up to where therefore everything is in the store."""

from dataclasses import dataclass
from datetime import datetime

from store.connection import Connection, to_microseconds
from store.queries import query_text
from store.reports import Report
from store.settling import last_settlement

_COLUMNS = ("collector", "marked_at", "flushed_at", "segment", "retired")


@dataclass(frozen=True, slots=True)
class Mark:
    """Everything that ``collector`` received before ``flushed_at`` is in the store."""

    collector: str
    marked_at: datetime
    flushed_at: datetime
    segment: int
    retired: bool = False


def publish_mark(connection: Connection, mark: Mark, report: Report | None = None) -> None:
    """Write a collector's mark, and how it fares; the latest written counts."""
    values = (
        mark.collector,
        to_microseconds(mark.marked_at),
        to_microseconds(mark.flushed_at),
        mark.segment,
        int(mark.retired),
    )
    told = report.columns() if report is not None else {}
    connection.insert(
        "collector_marks",
        (*_COLUMNS, *told),
        [[value] for value in (*values, *told.values())],
    )


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


def read_settled_watermark(connection: Connection) -> tuple[datetime | None, str]:
    """The flushed watermark that the figures have reached, and the collector that held it."""
    settlement = last_settlement(connection)
    if settlement is None:
        return None, ""
    return settlement.flushed_at, settlement.flushed_by


def read_watermark(connection: Connection) -> tuple[datetime | None, str]:
    """The flushed watermark and the collector that holds it; ``None`` without collectors."""
    row = connection.query(query_text("watermark"), {})[0]
    if row["collectors"] == 0:
        return None, ""
    return row["flushed"], row["collector"]
