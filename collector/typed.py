"""Native bodies by columns: those that are perfectly ordinary, several times as fast.

Anything else is left to ``native`` and ``check``, which name what is wrong. Both must give the same
rows, so whatever could be read in two ways is left alone.
"""

import re
from collections.abc import Sequence
from itertools import compress, repeat
from operator import is_not, not_
from typing import Annotated, Any, Final, Literal

import msgspec

from collector.identity import CONTENT_COLUMNS, derived_id
from collector.limits import Limits
from collector.records import Flaw
from collector.values import CONTROL, CONTROL_IN_TEXT, EARLIEST, FREE_TEXT, WORKFLOW, microseconds
from lifecycle.events import FIELD_BY_ATTRIBUTE, FIELDS, EventKind, Field, FieldType
from store.blocks import Block, block_of_columns

_Column = Sequence[Any]
_Columns = dict[str, _Column]

_TYPES: Final[dict[FieldType, Any]] = {FieldType.INTEGER: int, FieldType.TIME: int | str}


def _type(field: Field) -> Any:
    if field.choices:
        return Literal[("", *field.choices)]
    if field.type is FieldType.STRING:
        return Annotated[str, msgspec.Meta(max_length=field.max_length)]
    return _TYPES[field.type]


# ``None`` is what was not sent, or sent as null
_Event: Final = msgspec.defstruct(
    "_Event",
    [
        ("event", Literal[tuple(kind.value for kind in EventKind)]),
        *((field.column, _type(field) | None, None) for field in FIELDS),
        ("occurred_at", int | str | None, None),
        ("trace_id", str | None, None),
        ("span_id", str | None, None),
        ("attributes", dict[str, str | int | float | bool] | None, None),
    ],
    rename={field.column: field.name for field in FIELDS},
    forbid_unknown_fields=True,
    gc=False,
)
_NAMES: Final = _Event.__struct_fields__
_LINE: Final = msgspec.json.Decoder(_Event)
_ARRAY: Final = msgspec.json.Decoder(list[_Event])  # type: ignore[valid-type]
_ENCODER: Final = msgspec.json.Encoder(order="sorted")

_TEXTS: Final = tuple(field.column for field in FIELDS if field.type is FieldType.STRING)
_SPECIFIC: Final = {field.column: frozenset(field.kinds) for field in FIELDS if field.kinds}
_EVERYWHERE: Final = ("workflow_type", "instance_id")  # a heartbeat may name them as well
_REQUIRED: Final = {field.column: frozenset(field.kinds) for field in FIELDS if field.required}
_HEXADECIMAL: Final = re.compile(r"[0-9a-f]*")


class _Odd(Exception):
    """Something that is better looked at record by record."""


def ordinary_block(body: bytes, limits: Limits, *, tenant: str, received_at: int) -> Block | None:
    """All events of a body, ``None`` if not every one is perfectly ordinary."""
    try:
        columns, rows = _decoded(body, limits)
        if not rows:
            return None
        return _block(columns, rows, body, limits, tenant, received_at)
    except (_Odd, Flaw, msgspec.MsgspecError, ValueError, OverflowError, RecursionError):
        return None


def _decoded(body: bytes, limits: Limits) -> tuple[_Columns, int]:
    """The columns that anything was sent for."""
    head = body[:64].lstrip()[:1]
    if head == b"[":
        events = _ARRAY.decode(body)
    elif head == b"{":
        decode = _LINE.decode
        # each by itself: an event does not go on in the next line
        events = [decode(line) for line in body.split(b"\n") if line and not line.isspace()]
    else:
        raise _Odd
    if len(events) > limits.records:
        raise _Odd
    values = zip(*map(msgspec.structs.astuple, events), strict=True)
    rows = len(events)
    columns: _Columns = {
        name: each for name, each in zip(_NAMES, values, strict=False) if each.count(None) != rows
    }
    return columns, rows


def _block(
    columns: _Columns, rows: int, body: bytes, limits: Limits, tenant: str, received_at: int
) -> Block:
    _check_kinds(columns, rows)
    for name in _TEXTS:
        if name in columns:
            columns[name] = _without_none(columns[name])
    if not body.isascii() or b"\\" in body or b"\x7f" in body:
        _check_characters(columns)
    if not all(map(WORKFLOW.fullmatch, filter(None, set(columns.get("workflow_type", ()))))):
        raise _Odd
    for name, digits in (("trace_id", 32), ("span_id", 16)):
        if name in columns:
            columns[name] = _hexadecimal(_without_none(columns[name]), digits)
    for name in ("entered_at", "scheduled_at", "occurred_at"):
        if name in columns:
            columns[name] = _moments(columns[name])
    if "attributes" in columns:
        columns["attributes"] = _further(columns["attributes"], limits)
    else:
        columns["attributes"] = ["{}"] * rows
    moves = [kind == EventKind.TRANSITION for kind in columns["event"]]
    for name, default in (("outcome", "committed"), ("class_", "normal")):
        sent = columns.get(name, repeat(None))
        columns[name] = [
            value or (default if move else "") for value, move in zip(sent, moves, strict=False)
        ]
    columns["event_id"] = _ids(columns, rows)
    said = columns.get("occurred_at", repeat(None, rows))
    columns["occurred_at"] = [received_at if each is None else each for each in said]
    columns["received_at"] = [received_at] * rows
    columns["tenant"] = [tenant] * rows
    return block_of_columns(columns, rows)


def _without_none(column: _Column) -> _Column:
    return [each or "" for each in column] if None in column else column


def _check_kinds(columns: _Columns, rows: int) -> None:
    """Each field belongs to its event, and none is missing."""
    kinds = columns["event"]
    present = set(kinds)
    for name, allowed in _SPECIFIC.items():
        if name not in columns or name in _EVERYWHERE or allowed >= present:
            continue
        if not allowed.issuperset(compress(kinds, map(is_not, columns[name], repeat(None)))):
            raise _Odd
    for name, needing in _REQUIRED.items():
        values = columns.get(name) or (None,) * rows
        if needing.isdisjoint(present) or (needing >= present and all(values)):
            continue
        if not needing.isdisjoint(compress(kinds, map(not_, values))):
            raise _Odd


def _check_characters(columns: _Columns) -> None:
    for name in _TEXTS:
        control = CONTROL_IN_TEXT if name in FREE_TEXT else CONTROL
        if control.search("".join(columns.get(name, ()))):
            raise _Odd


def _hexadecimal(column: _Column, digits: int) -> _Column:
    text = "".join(column).lower()
    if not {len(each) for each in column} <= {0, digits} or not _HEXADECIMAL.fullmatch(text):
        raise _Odd
    none = "0" * digits
    return [each.lower() if each != none else "" for each in column]


def _moments(column: _Column) -> _Column:
    """In microseconds; ``None`` where there is none."""
    if set(map(type, column)) == {int}:
        if min(column) < EARLIEST or max(column) >= 2**63:
            raise _Odd
        return [each // 1000 for each in column]
    return [None if each is None or each == "" else microseconds(each) for each in column]


def _further(column: _Column, limits: Limits) -> _Column:
    """As JSON texts."""
    names: set[str] = set().union(*filter(None, column))
    longest = max(len(each) for each in column if each is not None)
    if longest > limits.attributes or not FIELD_BY_ATTRIBUTE.keys().isdisjoint(names):
        raise _Odd
    lines = _ENCODER.encode_lines([each or {} for each in column])
    most = limits.attributes_bytes
    if len(lines) > most and max(map(len, lines.split(b"\n"))) > most:
        raise _Odd
    texts = lines.decode().split("\n")
    texts.pop()
    return texts


def _ids(columns: _Columns, rows: int) -> _Column:
    ids = list(columns.get("event_id") or repeat("", rows))
    for row, given in enumerate(ids):
        if not given:
            content = {name: columns[name][row] for name in CONTENT_COLUMNS if name in columns}
            ids[row] = derived_id(content)
    return ids
