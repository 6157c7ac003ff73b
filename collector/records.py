"""What a producer sent as one event, whichever door it came through, before it is checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec


class Door(StrEnum):
    """How records come in; refusals name fields in the door's own words."""

    OTLP = "otlp"
    NATIVE = "native"


class Reason(StrEnum):
    """Why a record was refused: a closed set, used as a label of metrics."""

    MALFORMED = "malformed"  # cannot be read as a record at all
    UNKNOWN_EVENT = "unknown_event"
    UNKNOWN_FIELD = "unknown_field"
    MISSING = "missing"
    TYPE = "type"
    RANGE = "range"
    LENGTH = "length"
    CHARACTERS = "characters"
    CHOICE = "choice"
    TIME = "time"
    REPEATED = "repeated"
    TOO_LARGE = "too_large"
    UNMAPPED = "unmapped"  # a mapping took it, and lacked what the event needs; not told as refused


class Flaw(Exception):
    """What is wrong with a record: reason, field in the door's words, a phrase with the remedy."""

    def __init__(self, reason: Reason, field: str, error: str) -> None:
        self.reason = reason
        self.field = field
        self.error = error
        super().__init__(error)


@dataclass(slots=True, kw_only=True)
class Record:
    """One record as decoded; values of attributes are what JSON can say.

    ``occurred_at`` is RFC 3339 text or integer nanoseconds, as sent; 0 of OTLP, its "not known", is
    ``None`` here. ``observed_at`` in nanoseconds. ``flaw`` is what the decoder already found wrong;
    ``source`` the text of a record of which nothing else could be read. ``scope``, ``body`` (where
    it is text) and ``severity`` are of logs, for mappings alone.
    """

    index: int
    door: Door
    event_name: str = ""
    attributes: dict[str, Any]
    resource: Mapping[str, Any]
    occurred_at: object = None
    observed_at: int | None = None
    trace_id: object = ""
    span_id: object = ""
    scope: str = ""
    body: str = ""
    severity: str = ""
    flaw: Flaw | None = None
    source: str = ""

    def raw(self, limit: int) -> str:
        """The record as JSON text, at most ``limit`` bytes of UTF-8."""
        text = self.source
        if not text:
            text = msgspec.json.encode(
                {
                    "event_name": self.event_name,
                    "occurred_at": self.occurred_at,
                    "trace_id": self.trace_id,
                    "span_id": self.span_id,
                    "attributes": self.attributes,
                    "resource": self.resource,
                }
            ).decode()
        return text.encode("utf-8", "replace")[:limit].decode("utf-8", "ignore")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One record not taken: which one (from 0), which field, what is wrong and the remedy."""

    index: int
    reason: Reason
    field: str
    error: str
    raw: str = ""


class BodyError(Exception):
    """A whole body that cannot be read; nothing of it was taken. The message says where and why."""


class BodyTooLarge(BodyError):
    """A body over one of the limits; send it in smaller parts."""
