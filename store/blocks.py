"""Events as ClickHouse's Native bytes: made once, when they are received, and inserted as they are.

A block does not say which collector received it, nor where it stands: that is stamped on when its
segment is inserted.
"""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final
from zlib import crc32

from lifecycle.events import EVENT_COLUMNS, Event
from store.native import (
    NativeReader,
    column_head,
    read_numbers_before,
    read_varint,
    varint,
    write_column,
)

_NAME: Final = "LowCardinality(String)"
_TIME: Final = "DateTime64(6, 'UTC')"
# in the order of ``stamped``
_STAMPS: Final = {"collector": _NAME, "segment": "UInt64", "position": "UInt32"}
_INTEGERS: Final = ("sequence", "attempt", "max_attempts", "basis_sequence", "emitted", "dropped")
_TEXTS: Final = (
    "event_id",
    "instance_id",
    "business_key",
    "actor_id",
    "reason",
    "key",
    "job_id",
    "effect_key",
    "cause_key",
    "outbox_id",
    "transition_key",
    "producer",
    "trace_id",
    "span_id",
    "attributes",
)
_TYPES: Final[Mapping[str, str]] = {
    "occurred_at": _TIME,
    "received_at": _TIME,
    "entered_at": f"Nullable({_TIME})",
    "scheduled_at": f"Nullable({_TIME})",
    **dict.fromkeys(_INTEGERS, "Nullable(Int64)"),
    **dict.fromkeys(_TEXTS, "String"),
}
BLOCK_COLUMNS: Final[tuple[str, ...]] = tuple(name for name in EVENT_COLUMNS if name not in _STAMPS)
# As the table ``events`` has them; a test compares
BLOCK_TYPES: Final[Mapping[str, str]] = {name: _TYPES.get(name, _NAME) for name in BLOCK_COLUMNS}
# Tells blocks of this version from those that another one left behind
BLOCK_FORMAT: Final = crc32(repr(list(BLOCK_TYPES.items())).encode())

_ROW: Final = attrgetter(*BLOCK_COLUMNS)
_WIDTH: Final = varint(len(BLOCK_COLUMNS))
_FIRST: Final = column_head(BLOCK_COLUMNS[0], BLOCK_TYPES[BLOCK_COLUMNS[0]])
_STAMPED_WIDTH: Final = varint(len(BLOCK_COLUMNS) + len(_STAMPS))


@dataclass(frozen=True, slots=True)
class Block:
    """``rows`` events as one Native block of ``BLOCK_COLUMNS``."""

    rows: int
    data: bytes


def block_of(events: Sequence[Event]) -> Block:
    """Checked events as a block."""
    values = zip(*map(_ROW, events), strict=True) if events else [()] * len(BLOCK_COLUMNS)
    return block_of_columns(dict(zip(BLOCK_COLUMNS, values, strict=True)), len(events))


def block_of_columns(columns: Mapping[str, Sequence[Any]], rows: int) -> Block:
    """A block of values by column; a column left out is empty, or NULL, in every row.

    Texts are strings, times microseconds since the Unix epoch.
    """
    data = bytearray(_WIDTH + varint(rows))
    for name, kind in BLOCK_TYPES.items():
        write_column(data, name, kind, columns.get(name), rows)
    return Block(rows, bytes(data))


def block_with_tail(data: bytes, tail: Mapping[str, str]) -> tuple[Block, dict[str, "array[int]"]]:
    """A block as the engine wrote it: ``BLOCK_COLUMNS`` and then ``tail``, numbers by their types.

    :raises ValueError: it is something else.
    """
    columns, start = read_varint(data, 0)
    rows, start = read_varint(data, start)
    if columns != len(BLOCK_COLUMNS) + len(tail) or not data.startswith(_FIRST, start):
        raise ValueError("a block of other columns than those of this version")
    values: dict[str, array[int]] = {}
    end = len(data)
    for name, kind in reversed(list(tail.items())):
        values[name], end = read_numbers_before(data, end, name, kind, rows)
    return Block(rows, b"".join((_WIDTH, varint(rows), data[start:end]))), values


def stamped(blocks: Sequence[Block], collector: str, segment: int, first: int = 0) -> bytes:
    """What ``insert_block`` takes: the blocks, with collector, segment and position in each row.

    Positions count from ``first`` on, 0 where the blocks are the whole segment. The blocks' own
    bytes are not looked at.
    """
    parts: list[bytes | bytearray] = []
    position = first
    for block in blocks:
        if not block.data.startswith(_WIDTH):
            raise ValueError("a block of other columns than those of this version")
        if not block.rows:
            continue
        stamps = bytearray()
        following = position + block.rows
        values: Sequence[Sequence[Any]] = (
            [collector] * block.rows,
            [segment] * block.rows,
            range(position, following),
        )
        for (name, kind), column in zip(_STAMPS.items(), values, strict=True):
            write_column(stamps, name, kind, column, block.rows)
        parts += (_STAMPED_WIDTH, block.data[len(_WIDTH) :], stamps)
        position = following
    return b"".join(parts)


def converted(block: Block) -> Block:
    """A block that another version wrote, with the columns of this one.

    Those it lacks are empty, or NULL; those it has beyond are left out.
    """
    ((rows, columns),) = NativeReader(block.data).blocks()
    known = {name: columns[name] for name in BLOCK_COLUMNS if name in columns}
    return block_of_columns(known, rows)


def events_of(block: Block) -> list[Event]:
    """The events again, without collector, segment and position."""
    columns = _columns(block)
    return [
        Event(**dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True)
    ]


def halves(block: Block) -> tuple[Block, Block]:
    """The first and the second half of a block of two rows or more."""
    columns, middle = _columns(block), block.rows // 2
    return (
        block_of_columns({name: each[:middle] for name, each in columns.items()}, middle),
        block_of_columns(
            {name: each[middle:] for name, each in columns.items()}, block.rows - middle
        ),
    )


def _columns(block: Block) -> dict[str, Sequence[Any]]:
    ((rows, columns),) = NativeReader(block.data).blocks()
    if rows != block.rows or tuple(columns) != BLOCK_COLUMNS:
        raise ValueError("a block of other columns or rows than it says")
    return columns
