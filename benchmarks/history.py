"""Long histories, made by the engine itself: orders that have been, and orders that are open.

A longer one is a shorter one with more before it: what is open and what happened last are the same.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from benchmarks.served import WORKFLOWS
from lifecycle.definition_files import read_definition
from lifecycle.definitions import Definitions
from store.connection import Connection, to_microseconds
from store.definitions import save_definitions
from store.settling import Settlement, Settler
from store.watermark import Mark, publish_mark

RATE: Final = 1_000  # events a second: how dense a history is
GRACE: Final = timedelta(minutes=10)  # what ended so long ago is no longer expected to change
_SEGMENT: Final = 50_000  # rows
_AT_ONCE: Final = 90_000  # orders of one statement, a million rows
_EVENTS_OF_FINISHED: Final = 11.1
_EVENTS_OF_OPEN: Final = 2.8
_HERE: Final = Path(__file__).parent
_COLLECTOR: Final = "bulk"


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """``events`` in all, about, the last of them before ``until``; ``open_`` orders are open."""

    events: int
    open_: int
    until: datetime


def build(connection: Connection, history: History) -> int:
    """Store it with its definition, not settled; returns how many events there are."""
    definition = WORKFLOWS / "order.yaml"
    read = read_definition(definition.read_text(encoding="utf-8"), definition.name)
    save_definitions(connection, "default", Definitions((read,)), history.until)
    segment = 0
    gap = round(1e6 / RATE * _EVENTS_OF_FINISHED)
    finished = max(
        0, round((history.events - history.open_ * _EVENTS_OF_OPEN) / _EVENTS_OF_FINISHED)
    )
    first_gap = round(3600e6 / max(1, history.open_))  # they came within an hour
    for life, orders, apart in (("finished", finished, gap), ("open", history.open_, first_gap)):
        text = (_HERE / "history.sql").read_text(encoding="utf-8").replace("{prefix}", life[0])
        text = text.replace("{life}", (_HERE / f"history_{life}.sql").read_text(encoding="utf-8"))
        for end in range(orders, 0, -_AT_ONCE):
            number = min(end, _AT_ONCE)
            connection.command(
                text,
                {
                    "first": end - number,
                    "orders": number,
                    "until": to_microseconds(history.until - timedelta(seconds=20)),
                    "gap": apart,
                    "segment": segment + 1,
                    "rows": _SEGMENT,
                },
            )
            found = connection.query("SELECT max(segment) AS last FROM events", {})
            segment = int(found[0]["last"])
    publish_mark(
        connection,
        Mark(
            collector=_COLLECTOR,
            marked_at=history.until,
            flushed_at=history.until,
            segment=segment,
            retired=True,  # nobody waits for more of it
        ),
    )
    return int(connection.query("SELECT count() AS n FROM events", {})[0]["n"])


def settle_all(connection: Connection, now: datetime) -> list[Settlement]:
    """Settle until nothing is left to be done at ``now``; what has ended departs."""
    settler = Settler(connection)
    found = [settler.settle(now)]
    while found[-1].behind or _ended(connection):
        now += timedelta(minutes=1)  # departures have a rhythm of their own
        found.append(settler.settle(now))
    return found


def _ended(connection: Connection) -> int:
    found = connection.query("SELECT count() AS n FROM open_instances FINAL WHERE done", {})
    return int(found[0]["n"])
