"""What a mapping says: which spans or log records become which events, with which fields.

Only the meaning is here; ``lifecycle.mapping_files`` reads it, the collector applies it.
"""

from collections.abc import Mapping as Table
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from lifecycle.events import EventKind, Field
from lifecycle.patterns import Pattern


class Signal(StrEnum):
    """What a mapping reads."""

    SPAN = "span"
    LOG = "log"


class Place(StrEnum):
    """Where a value stands. ``OWN``: a part of the span or log record itself, as its name."""

    OWN = "own"
    RESOURCE = "resource"
    ATTRIBUTE = "attribute"


KINDS: Final = ("unspecified", "internal", "server", "client", "producer", "consumer")
STATUSES: Final = ("unset", "ok", "error")

# The parts of each, by the names a mapping calls them. Times are nanoseconds since 1970, the
# duration seconds; an exception is the last one recorded in the span.
OWN: Final[Table[Signal, tuple[str, ...]]] = {
    Signal.SPAN: (
        "name",
        "kind",
        "status",
        "status_message",
        "scope",
        "start",
        "end",
        "duration",
        "trace_id",
        "span_id",
        "parent_span_id",
        "exception_type",
        "exception_message",
    ),
    Signal.LOG: ("event_name", "body", "severity", "scope", "time", "trace_id", "span_id"),
}
TIMES: Final[Table[Signal, tuple[str, ...]]] = {
    Signal.SPAN: ("start", "end"),
    Signal.LOG: ("time",),
}


@dataclass(frozen=True, slots=True)
class Key:
    """One value of a span or log record."""

    place: Place
    name: str

    def __str__(self) -> str:
        return self.name if self.place is Place.OWN else f"{self.place} {self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What must hold of one value, as text; all of what is given must."""

    key: Key
    exists: bool | None = None
    one_of: frozenset[str] | None = None
    none_of: frozenset[str] = frozenset()
    prefix: str = ""
    matches: Pattern | None = None


# One of the cases must hold; of a case all conditions must.
Cases = tuple[tuple[Condition, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the value of a field comes from: a literal, one value, or a template of several.

    Then, in this order: what stands after and before a text, a table, a number added. What is
    missing or cannot be used is ``default``, if there is one.
    """

    literal: str | int | None = None
    key: Key | None = None
    template: tuple[str | Key, ...] = ()
    after: str = ""
    before: str = ""
    table: Table[str, str] | None = None
    plus: int = 0
    default: str | int | None = None

    def __str__(self) -> str:
        if self.key is not None:
            return str(self.key)
        return ", ".join(str(each) for each in self.template if isinstance(each, Key))


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRule:
    """One field of an event: the first source that has a value gives it."""

    field: Field
    sources: tuple[Source, ...]
    required: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Emit:
    """One event made of a span or log record. ``place`` counts from 1 in the mapping."""

    place: int
    kind: EventKind
    occurred_at: str
    when: Cases
    fields: tuple[FieldRule, ...]
    keep: tuple[str, ...]  # attributes kept as they are


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """One mapping. The first in force that a record matches takes it, and no other."""

    name: str
    signal: Signal
    match: Cases
    emit: tuple[Emit, ...]
    ignores_others: bool = False  # of logs: those that no mapping matches are not refused
    source: str = ""  # the file
