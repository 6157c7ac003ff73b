"""From a record to an event, or to the one sentence that says why not."""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from collector.identity import derived_id
from collector.limits import Limits
from collector.native import fields_of
from collector.records import Door, Flaw, Reason, Record, Refusal
from collector.values import Reader, microseconds, reader_of, type_name
from lifecycle.events import FIELD_BY_ATTRIBUTE, FIELDS, Event, EventKind, Field


@dataclass(frozen=True, slots=True)
class _Rule:
    """How one attribute is read; made once for each, so that an event costs lookups only."""

    column: str
    read: Reader


@dataclass(frozen=True, slots=True)
class _Kind:
    """What an event of one kind may and must have, and what holds where nothing was sent."""

    name: str
    rules: Mapping[str, _Rule]  # by attribute
    required: tuple[Field, ...]
    defaults: Mapping[str, str]


def _kind(kind: EventKind) -> _Kind:
    allowed = {field.attribute: field for field in fields_of(kind).values()}
    return _Kind(
        name=kind.value,
        rules={name: _Rule(field.column, reader_of(field)) for name, field in allowed.items()},
        required=tuple(field for field in FIELDS if field.required and kind in field.kinds),
        defaults=(
            {"outcome": "committed", "class_": "normal"} if kind is EventKind.TRANSITION else {}
        ),
    )


_KINDS: Final = {f"donewatch.{kind.value}": _kind(kind) for kind in EventKind}
_RESOURCE: Final = {
    field.attribute: _Rule(field.column, reader_of(field)) for field in FIELDS if field.resource
}
# what OpenTelemetry called it until 2024, still sent by many
_OLD_ENVIRONMENT: Final = "deployment.environment"
_ENVIRONMENT: Final = "deployment.environment.name"
_TRACE_ID: Final = re.compile(r"[0-9a-f]{32}")
_SPAN_ID: Final = re.compile(r"[0-9a-f]{16}")
_ENCODER: Final = msgspec.json.Encoder(order="sorted")


class Checker:
    """Checks the records of one request.

    ``received_at`` in microseconds. Of a resource only service, version and environment are kept.
    """

    def __init__(self, *, tenant: str, collector: str, received_at: int, limits: Limits) -> None:
        self._tenant = tenant
        self._collector = collector
        self._received_at = received_at
        self._limits = limits
        self._resource: Mapping[str, Any] | None = None
        self._resource_columns: Mapping[str, Any] = {}

    def __call__(self, record: Record) -> Event | Refusal:
        """The event, or why the record is not one."""
        try:
            return self._event(record)
        except Flaw as flaw:
            kept = record.index < self._limits.refusals_kept
            return Refusal(
                index=record.index,
                reason=flaw.reason,
                field=flaw.field,
                error=f"{flaw.field or 'the record'} {flaw.error}",
                raw=record.raw(self._limits.raw) if kept else "",
            )

    def _event(self, record: Record) -> Event:
        if record.flaw is not None:
            raise record.flaw
        kind = _KINDS.get(record.event_name)
        if kind is None:
            raise _unknown_event(record)
        if record.resource is not self._resource:
            self._resource_columns = _read_resource(record.resource)
            self._resource = record.resource
        content = {"event": kind.name, **kind.defaults, **self._resource_columns}
        further: dict[str, Any] = {}
        rules = kind.rules
        for name, value in record.attributes.items():
            if value is None:
                continue
            rule = rules.get(name)
            if rule is None:
                further[name] = value
            elif value != "":
                try:
                    content[rule.column] = rule.read(value)
                except Flaw as flaw:
                    raise Flaw(flaw.reason, _field_name(name, record.door), flaw.error) from None
        for field in kind.required:
            if field.column not in content:
                raise Flaw(
                    Reason.MISSING,
                    _field_name(field.attribute, record.door),
                    f"is missing; every {kind.name} event needs it",
                )
        if record.trace_id:
            content["trace_id"] = _hex_id("trace_id", record.trace_id, _TRACE_ID, 32)
        if record.span_id:
            content["span_id"] = _hex_id("span_id", record.span_id, _SPAN_ID, 16)
        if further:
            content["attributes"] = self._further(further)
        occurred_at = self._occurred_at(record)
        if occurred_at is not None:
            content["occurred_at"] = occurred_at
        if "event_id" not in content:
            content["event_id"] = derived_id({"attributes": "{}", **content})
        if occurred_at is None:
            content["occurred_at"] = self._received_at
        return Event(
            tenant=self._tenant,
            received_at=self._received_at,
            collector=self._collector,
            **content,
        )

    def _occurred_at(self, record: Record) -> int | None:
        otlp = record.door is Door.OTLP
        value, field = record.occurred_at, "timeUnixNano" if otlp else "occurred_at"
        if value is None or value == "":
            value, field = record.observed_at, "observedTimeUnixNano"
            if value is None:
                return None
        try:
            return microseconds(value)
        except Flaw as flaw:
            raise Flaw(flaw.reason, field, flaw.error) from None

    def _further(self, attributes: Mapping[str, Any]) -> str:
        limits = self._limits
        if len(attributes) > limits.attributes:
            raise Flaw(
                Reason.TOO_LARGE,
                "attributes",
                f"are {len(attributes)} beside those of donewatch;"
                f" at most {limits.attributes} are kept",
            )
        text = _ENCODER.encode(attributes)
        if len(text) > limits.attributes_bytes:
            raise Flaw(
                Reason.TOO_LARGE,
                "attributes",
                f"have {len(text)} bytes as JSON; at most {limits.attributes_bytes} are kept",
            )
        return text.decode()


def _field_name(attribute: str, door: Door) -> str:
    return attribute if door is Door.OTLP else FIELD_BY_ATTRIBUTE[attribute].name


def _read_resource(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    columns: dict[str, Any] = {}
    for attribute, rule in _RESOURCE.items():
        value = resource.get(attribute)
        if value is None and attribute == _ENVIRONMENT:
            value = resource.get(_OLD_ENVIRONMENT)
        if value is None or value == "":
            continue
        try:
            columns[rule.column] = rule.read(value)
        except Flaw as flaw:
            raise Flaw(flaw.reason, attribute, flaw.error) from None
    return columns


def _hex_id(field: str, value: object, pattern: re.Pattern[str], digits: int) -> str:
    if not isinstance(value, str):
        raise Flaw(Reason.TYPE, field, f"is {type_name(value)}; it must be a string")
    text = value.lower()
    if not pattern.fullmatch(text):
        raise Flaw(
            Reason.CHARACTERS, field, f"is {value[:40]!r}; it must be {digits} hexadecimal digits"
        )
    return text if text.strip("0") else ""  # all zeros: OpenTelemetry's "none"


def _unknown_event(record: Record) -> Flaw:
    field = "event" if record.door is Door.NATIVE else "event_name"
    prefix = "" if record.door is Door.NATIVE else "donewatch."
    names = [f"{prefix}{kind}" for kind in EventKind]
    given = record.event_name.removeprefix("donewatch.")
    if not given:
        return Flaw(
            Reason.UNKNOWN_EVENT,
            field,
            f"is missing, so this is no event of donewatch; it must be one of {', '.join(names)}",
        )
    near = difflib.get_close_matches(given[:40], list(EventKind), 1)
    guess = (
        f"did you mean '{prefix}{near[0]}'?" if near else f"it must be one of {', '.join(names)}"
    )
    return Flaw(
        Reason.UNKNOWN_EVENT, field, f"is {record.event_name[:80]!r}, which is not known; {guess}"
    )
