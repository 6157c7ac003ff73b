"""The native door: events as lines of JSON or one JSON array, as records.

Field names are the attributes without ``donewatch.``, dots as underscores, with the short forms of
``lifecycle.events.FIELDS``: ``event``, ``instance_id``, ``from``, ``to``…
"""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from collector.limits import Limits
from collector.records import BodyError, BodyTooLarge, Door, Flaw, Reason, Record
from collector.values import type_name
from lifecycle import events
from lifecycle.events import EventKind, Field

_ANY: Final = msgspec.json.Decoder()
_ARRAY: Final = msgspec.json.Decoder(list[msgspec.Raw])
# of a record itself, not attributes
_OWN: Final = frozenset({"event", "occurred_at", "trace_id", "span_id", "attributes"})
_TOO_DEEP: Final = "is nested too deep; send flatter values"


def fields_of(kind: EventKind) -> Mapping[str, Field]:
    """The fields an event of this kind may have, by native name and by alias."""
    allowed = events.fields_of(kind)
    return {**{field.alias: field for field in allowed.values()}, **allowed}


_FIELDS: Final = {kind.value: fields_of(kind) for kind in EventKind}
_ATTRIBUTES: Final = {
    kind: {name: field.attribute for name, field in fields.items()}
    for kind, fields in _FIELDS.items()
}
_KINDS_OF: Final = {
    name: [kind for kind, fields in _FIELDS.items() if name in fields]
    for fields in _FIELDS.values()
    for name in fields
}


def decode_native(body: bytes, limits: Limits, *, lines: bool) -> list[Record]:
    """The records of a body: a JSON array, or one event a line.

    A line that cannot be read is a record with a flaw; the others are taken.
    ``lines`` says that the body was declared as lines; otherwise it may also be one object over
    several lines.

    :raises BodyError: an array that is not JSON. :raises BodyTooLarge: too many records.
    """
    body = body.removeprefix(b"\xef\xbb\xbf")
    head = body.lstrip()[:1]
    if not head:
        return []
    if head == b"[":
        return _each(_array(body), limits)
    if not lines and head == b"{" and b"\n" in body.strip():
        try:
            _ANY.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            pass  # not one object, so lines
        else:
            return _each([body], limits)
    count = body.count(b"\n") + 1
    if count > 2 * limits.records:  # blank lines are no records, but cost as well
        raise _too_many(count, limits)
    return _each([line for line in body.split(b"\n") if line and not line.isspace()], limits)


def _array(body: bytes) -> list[msgspec.Raw]:
    try:
        return _ARRAY.decode(body)
    except RecursionError:
        raise BodyError(f"the body {_TOO_DEEP}") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BodyError(
            f"the body is not a JSON array of events: {error};"
            " send an array, or one event a line (application/x-ndjson)"
        ) from error


def _too_many(count: int, limits: Limits) -> BodyTooLarge:
    return BodyTooLarge(
        f"the body has {count} records; at most {limits.records} are taken in one request:"
        " send it in smaller parts"
    )


def _each(texts: Iterable[Any], limits: Limits) -> list[Record]:
    texts = list(texts)
    if len(texts) > limits.records:
        raise _too_many(len(texts), limits)
    return [_record(index, text, limits) for index, text in enumerate(texts)]


def _record(index: int, text: Any, limits: Limits) -> Record:
    record = Record(index=index, door=Door.NATIVE, attributes={}, resource={})
    try:
        try:
            value = _ANY.decode(text)
        except RecursionError:
            raise Flaw(Reason.MALFORMED, "", _TOO_DEEP) from None
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Flaw(Reason.MALFORMED, "", f"is not JSON: {error}") from None
        if type(value) is not dict:
            raise Flaw(Reason.MALFORMED, "", f"is {type_name(value)}; an event is a JSON object")
        _fill(record, value, limits)
    except Flaw as flaw:
        record.flaw = flaw
        record.source = bytes(memoryview(text)[: 4 * limits.raw]).decode("utf-8", "replace")
    return record


def _fill(record: Record, value: dict[str, Any], limits: Limits) -> None:
    event = value.get("event")
    if event is None or event == "":
        raise Flaw(Reason.MISSING, "event", f"is missing; it must be one of {', '.join(EventKind)}")
    if type(event) is not str:
        raise Flaw(Reason.TYPE, "event", f"is {type_name(event)}; it must be a string")
    kind = event.removeprefix("donewatch.")
    names = _ATTRIBUTES.get(kind)
    record.event_name = f"donewatch.{kind}"
    if names is None:
        return  # the check says so
    attributes = record.attributes
    for name, given in value.items():
        attribute = names.get(name)
        if attribute is None:
            if name not in _OWN and given is not None:
                raise _unknown(name, kind, guess=record.index < limits.refusals_kept)
        elif given is not None:
            if attribute in attributes:
                raise Flaw(Reason.REPEATED, name, "is given under two names; send it once")
            attributes[attribute] = given
    record.occurred_at = value.get("occurred_at")
    record.trace_id = value.get("trace_id") or ""
    record.span_id = value.get("span_id") or ""
    further = value.get("attributes")
    if further is None:
        return
    if type(further) is not dict:
        raise Flaw(
            Reason.TYPE,
            "attributes",
            f"is {type_name(further)}; it must be an object of attributes",
        )
    for name, given in further.items():
        if name in attributes:
            raise Flaw(
                Reason.REPEATED,
                f"attributes.{name}",
                "is given beside attributes as well; send it once",
            )
        _check_depth(name, given, limits.depth)
        attributes[name] = given


def _check_depth(name: str, value: Any, depth: int) -> None:
    if type(value) in (dict, list):
        if depth <= 0:
            raise Flaw(Reason.TOO_LARGE, f"attributes.{name}", _TOO_DEEP)
        for each in value.values() if type(value) is dict else value:
            _check_depth(name, each, depth - 1)


def _unknown(name: str, kind: str, *, guess: bool) -> Flaw:
    shown = name[:80]
    if name in _KINDS_OF:
        return Flaw(
            Reason.UNKNOWN_FIELD,
            shown,
            f"belongs to {', '.join(_KINDS_OF[name])} events, this is a {kind};"
            " leave it out, or put it into attributes",
        )
    # comparing costs 0.2 ms: not for each of fifty thousand hostile names
    near = difflib.get_close_matches(shown, [*_FIELDS[kind], *_OWN], 1) if guess else []
    hint = f"did you mean {near[0]!r}? If not, " if near else ""
    return Flaw(
        Reason.UNKNOWN_FIELD,
        shown,
        f"is not a field of a {kind} event; {hint}put fields of your own into attributes",
    )
