"""Writing what was received: events, and what was refused."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lifecycle.events import EVENT_COLUMNS, Event
from store.connection import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedEvent:
    """What was refused, where and why. ``raw`` is what came, shortened; times in microseconds."""

    tenant: str
    received_at: int
    collector: str
    door: str
    position: int
    field: str
    reason: str
    detail: str
    raw: str


_REJECTED_COLUMNS: Final = (
    "tenant",
    "received_at",
    "collector",
    "door",
    "position",
    "field",
    "reason",
    "detail",
    "raw",
)


def insert_events(connection: Connection, events: Sequence[Event], token: str) -> None:
    """Insert one batch; the same ``token`` again adds nothing.

    :raises StoreUnavailable: it may or may not have happened: try again with the same token.
    :raises StoreRefused: nothing was inserted, and would not be if tried again.
    """
    columns = [[getattr(event, name) for event in events] for name in EVENT_COLUMNS]
    connection.insert("events", EVENT_COLUMNS, columns, token)


def insert_rejected(connection: Connection, rejected: Sequence[RejectedEvent]) -> None:
    """Keep what was refused."""
    columns = [[getattr(each, name) for each in rejected] for name in _REJECTED_COLUMNS]
    connection.insert("rejected_events", _REJECTED_COLUMNS, columns)
