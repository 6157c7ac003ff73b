"""Settling in tests that put events into a store themselves."""

from datetime import UTC, datetime

from store.connection import Connection
from store.settling import Settlement, Settler
from store.settling.settler import Pace
from store.watermark import Mark, publish_mark


def settle(
    connection: Connection, flushed: datetime | None = None, pace: Pace | None = None
) -> Settlement:
    """Settle all that is stored, whoever stored it, as if everything before ``flushed`` were."""
    present = datetime.now(UTC)
    connection.command("TRUNCATE TABLE collector_marks")
    rows = connection.query(
        "SELECT collector, max(segment) AS segment FROM events GROUP BY collector", {}
    )
    for row in rows:
        publish_mark(
            connection, Mark(row["collector"], present, flushed or present, row["segment"])
        )
    return Settler(connection, pace=pace).settle(present)
