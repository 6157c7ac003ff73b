"""Writing what was received: events, and what was refused."""

from collections.abc import Mapping, Sequence
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

# Blocks of one insert are gathered until they are this large, which none is; else each becomes a
# part of its own, and a bad last one leaves those before it in the table.
_ONE_BLOCK: Final[Mapping[str, int]] = {
    "min_insert_block_size_rows": 2**40,
    "min_insert_block_size_bytes": 2**40,
    "max_insert_threads": 1,
}


def insert_events(connection: Connection, events: Sequence[Event], token: str) -> None:
    """Insert one batch; the same ``token`` again adds nothing.

    :raises StoreUnavailable: it may or may not have happened: try again with the same token.
    :raises StoreRefused: nothing was inserted, and would not be if tried again.
    """
    columns = [[getattr(event, name) for event in events] for name in EVENT_COLUMNS]
    connection.insert("events", EVENT_COLUMNS, columns, token)


def insert_block(connection: Connection, data: bytes, token: str) -> None:
    """Insert one segment as ``store.blocks.stamped`` made it; the same ``token`` adds nothing.

    All of it or nothing: it becomes one block, and so one part of each day received.

    :raises StoreUnavailable: it may or may not have happened: try again with the same token.
    :raises StoreRefused: nothing was inserted, and would not be if tried again.
    """
    connection.insert_native("events", data, token, _ONE_BLOCK)


def insert_rejected(
    connection: Connection, rejected: Sequence[RejectedEvent], token: str = ""
) -> None:
    """Keep what was refused; the same ``token`` again adds nothing."""
    columns = [[getattr(each, name) for each in rejected] for name in _REJECTED_COLUMNS]
    connection.insert("rejected_events", _REJECTED_COLUMNS, columns, token)
