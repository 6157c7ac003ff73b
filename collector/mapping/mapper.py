"""Mappings in force, applied: spans and logs in, records of events out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final

import msgspec

from collector.mapping.compiled import FieldValue, Test, first_failure, test_of
from collector.mapping.observed import Observed
from collector.records import Door, Flaw, Reason, Record, Refusal
from lifecycle import mapping as said
from lifecycle.events import FIELD_BY_NAME
from lifecycle.mapping import Condition, Emit, Place, Signal

_KEPT: Final = 100  # of those of one body that lack something are kept with all they have
_UNKNOWN: Final = object()
_EVENT_ID: Final = FIELD_BY_NAME["event_id"].attribute


@dataclass(frozen=True, slots=True, kw_only=True)
class Lacking:
    """An event that a mapping could not make, and why not."""

    mapping: str
    place: int  # of the event in the mapping, from 1
    field: str  # by its native name
    refusal: Refusal  # told to nobody, kept to be looked at


@dataclass(slots=True)
class Mapped:
    """What became of the records of one body; ``total`` of them came."""

    total: int = 0
    ignored: int = 0  # no mapping matched, or none of its events was called for
    mapping: str = ""  # that took the last one
    records: list[Record] = field(default_factory=list)
    lacking: list[Lacking] = field(default_factory=list)


class Mapper:
    """Applies mappings; the first that a record matches takes it.

    Deterministic, and never raises whatever is observed: it reads no clock and keeps nothing.
    """

    def __init__(self, mappings: Iterable[said.Mapping] = (), *, raw: int = 4_096) -> None:
        """``raw``: bytes kept of each record that lacks something."""
        self._raw = raw
        self._compiled = {
            signal: tuple(_Compiled(each) for each in mappings if each.signal is signal)
            for mappings in [tuple(mappings)]
            for signal in Signal
        }
        self.ignores_other_logs = any(each.ignores for each in self._compiled[Signal.LOG])

    def maps(self, signal: Signal) -> bool:
        """Whether any mapping reads these."""
        return bool(self._compiled[signal])

    def why_not(self, observed: Observed) -> list[str]:
        """Of each mapping that does not match, by name, the condition that stands in the way."""
        return [
            f"{each.name}: {each.why_not(observed)}"
            for each in self._compiled[observed.signal]
            if not each.matches(observed)
        ]

    def within(self, signal: Signal, resource: Mapping[str, Any], scope: str) -> "Candidates":
        """The mappings that records of this resource and scope may still match."""
        group = Observed(-1, signal, {"scope": scope}, resource, dict)
        found = [each for each in self._compiled[signal] if each.may(group)]
        return Candidates(found, self._raw)


class Candidates:
    """Mappings for the records of one resource and scope; false where there are none."""

    __slots__ = ("_compiled", "_raw")

    def __init__(self, compiled: "Sequence[_Compiled]", raw: int) -> None:
        self._compiled = compiled
        self._raw = raw

    def __bool__(self) -> bool:
        return bool(self._compiled)

    def take(self, observed: Observed, into: Mapped) -> bool:
        """Add the events of one record; whether a mapping matched it."""
        for each in self._compiled:
            if each.matches(observed):
                into.mapping = each.name
                each.apply(observed, into, self._raw)
                return True
        return False


class _Compiled:
    """One mapping."""

    def __init__(self, mapping: said.Mapping) -> None:
        self.name = mapping.name
        self.ignores = mapping.ignores_others
        # what all records of a resource and scope answer alike is asked once for all of them
        shared = tuple(tuple(filter(_is_shared, case)) for case in mapping.match)
        self.may: Test = test_of(shared)
        self.matches: Test = test_of(mapping.match)
        shares: dict[tuple[str, int], FieldValue] = {}
        self._events = [_Event(mapping.name, each, shares) for each in mapping.emit]
        self._cases = mapping.match

    def why_not(self, observed: Observed) -> str:
        return first_failure(self._cases, observed)

    def apply(self, observed: Observed, into: Mapped, raw: int) -> None:
        called = [each for each in self._events if each.when(observed)]
        if not called:
            into.ignored += 1
        known: dict[FieldValue, Any] = {}
        for event in called:
            try:
                into.records.append(event.record(observed, known))
            except _Missing as missing:
                last = into.lacking[-1] if into.lacking else None
                if last and (last.refusal.index, last.field) == (observed.index, missing.field):
                    continue  # the same of each event of this record
                kept = len(into.lacking) < _KEPT
                refusal = Refusal(
                    index=observed.index,
                    reason=Reason.UNMAPPED,
                    field=missing.field,
                    error=f"mapping {self.name!r}, event {event.place}: {missing.error}",
                    raw=_shown(observed, raw) if kept else "",
                )
                lacking = Lacking(
                    mapping=self.name, place=event.place, field=missing.field, refusal=refusal
                )
                into.lacking.append(lacking)


class _Missing(Exception):
    def __init__(self, field: str, error: str) -> None:
        self.field = field
        self.error = error
        super().__init__(error)


class _Event:
    """One event of a mapping."""

    def __init__(self, mapping: str, emit: Emit, shares: dict[tuple[str, int], FieldValue]) -> None:
        """``shares``: what the mapping's events have in common is looked up once a record."""
        self.place = emit.place
        self.when: Test = test_of(emit.when)
        self._name = f"donewatch.{emit.kind}"
        self._occurred_at = emit.occurred_at
        self._fields = [
            (
                each.field,
                shares.setdefault((each.field.name, id(each.sources)), FieldValue(each)),
                each.required,
            )
            for each in emit.fields
        ]
        self._keep = emit.keep
        self._salt = f"{mapping}\0{emit.place}".encode()

    def record(self, observed: Observed, known: dict[FieldValue, Any]) -> Record:
        """:raises _Missing: a field that is needed has no value."""
        attributes: dict[str, Any] = {}
        resource: dict[str, Any] = {}
        for into, source, required in self._fields:
            value = known.get(source, _UNKNOWN)
            if value is _UNKNOWN:
                value = known[source] = source(observed)
            if type(value) is Flaw or (value is None and required):
                if required:
                    raise _missing(source, value)
            elif value is not None:
                (resource if into.resource else attributes)[into.attribute] = value
        for name in self._keep:
            value = observed.attributes.get(name)
            if value is not None:
                attributes.setdefault(name, value)
        own = observed.own
        time = own.get(self._occurred_at)
        if time is None and observed.signal is Signal.SPAN:
            raise _Missing("occurred_at", f"the span has no {self._occurred_at}")
        trace_id, span_id = str(own.get("trace_id") or ""), str(own.get("span_id") or "")
        # zeros are OpenTelemetry's "none", which many spans may have; the check then makes an id
        identified = trace_id.strip("0") and span_id.strip("0")
        if observed.signal is Signal.SPAN and identified and _EVENT_ID not in attributes:
            attributes[_EVENT_ID] = self._id(trace_id, span_id)
        return Record(
            index=observed.index,
            door=Door.OTLP,
            event_name=self._name,
            attributes=attributes,
            resource={**observed.resource, **resource} if resource else observed.resource,
            occurred_at=time,
            trace_id=trace_id,
            span_id=span_id,
        )

    def _id(self, trace_id: str, span_id: str) -> str:
        """The same for the same span, however often it is sent."""
        text = f"{trace_id}\0{span_id}\0".lower().encode("utf-8", "replace")
        return blake2b(text + self._salt, digest_size=16).hexdigest()


def _missing(source: FieldValue, flaw: Flaw | None) -> _Missing:
    name = source.rule.field.name
    if flaw is not None:
        return _Missing(name, f"{name} {flaw.error}")
    places = " or ".join(filter(None, map(str, source.rule.sources))) or "its sources"
    return _Missing(name, f"{name} has no value in {places}")


def _is_shared(condition: Condition) -> bool:
    key = condition.key
    return key.place is Place.RESOURCE or (key.place is Place.OWN and key.name == "scope")


def _shown(observed: Observed, limit: int) -> str:
    document = {
        **{name: value for name, value in observed.own.items() if value not in (None, "")},
        "attributes": observed.attributes,
        "resource": observed.resource,
    }
    text = msgspec.json.encode(document)[:limit]
    return text.decode("utf-8", "ignore")
