"""A settlement that counts: how far it reaches."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from store.connection import Connection, to_microseconds
from store.queries import query_text

_COLUMNS: Final = (
    "settlement",
    "settled_at",
    "flushed_at",
    "flushed_by",
    "collectors",
    "structure",
    "events",
    "instances",
    "seconds",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """One settlement. Everything received before ``flushed_at`` is in it.

    ``collectors``: the last segment of each that is in it. ``structure``: the fingerprint of what
    the definitions of each type (tenant, workflow type) decide about visits and runs.
    ``flushed_by`` is the collector furthest behind. ``events`` and ``instances`` were touched, in
    ``seconds``.
    """

    number: int
    settled_at: datetime
    flushed_at: datetime | None
    flushed_by: str = ""
    collectors: Mapping[str, int] = field(default_factory=dict)
    structure: Mapping[tuple[str, str], int] = field(default_factory=dict)
    events: int = 0
    instances: int = 0
    seconds: float = 0.0
    behind: bool = False  # there was more to settle than one takes


def last_settlement(connection: Connection) -> Settlement | None:
    """The settlement that readers go by; ``None`` before the first."""
    rows = connection.query(query_text("settling/last"), {})
    if not rows:
        return None
    row = rows[0]
    flushed_at: datetime = row["flushed_at"]
    return Settlement(
        number=row["settlement"],
        settled_at=row["settled_at"],
        flushed_at=flushed_at if flushed_at.timestamp() > 0 else None,
        flushed_by=row["flushed_by"],
        collectors={each["collector"]: each["segment"] for each in row["collectors"]},
        structure={
            (each["tenant"], each["workflow_type"]): each["fingerprint"]
            for each in row["structure"]
        },
        events=row["events"],
        instances=row["instances"],
        seconds=row["seconds"],
    )


def commit(connection: Connection, settlement: Settlement) -> None:
    """From here on it counts. A second one of the same number is dropped: the first holds."""
    values = (
        settlement.number,
        to_microseconds(settlement.settled_at),
        0 if settlement.flushed_at is None else to_microseconds(settlement.flushed_at),
        settlement.flushed_by,
        sorted(settlement.collectors.items()),
        [(*key, value) for key, value in sorted(settlement.structure.items())],
        settlement.events,
        settlement.instances,
        settlement.seconds,
    )
    connection.insert(
        "settlements", _COLUMNS, [[value] for value in values], f"settlement-{settlement.number}"
    )
