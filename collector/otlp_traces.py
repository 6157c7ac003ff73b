"""OTLP spans, in protobuf and JSON, as what mappings make of them.

A span is taken whatever it has; only one that cannot be read at all is refused. Specification:
https://opentelemetry.io/docs/specs/otlp/
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collector import otlp, otlp_json
from collector.limits import Limits
from collector.mapping import Mapped, Mapper, Observed
from collector.otlp_json import Pair, Resource, Shape, nanoseconds, text_in
from collector.records import BodyError, BodyTooLarge, Door, Flaw, Record
from lifecycle.mapping import KINDS, STATUSES, Signal

_EXCEPTION: Final = "exception"  # the name of the span event that records one


class _Event(Shape):
    name: str | None = None
    attributes: list[Pair] | None = None


class _Status(Shape):
    code: Any = None
    message: str | None = None


class _Span(Shape):
    name: str | None = None
    kind: Any = None
    trace_id: str | None = None
    span_id: str | None = None
    parent_span_id: str | None = None
    start_time_unix_nano: int | float | str | None = None
    end_time_unix_nano: int | float | str | None = None
    attributes: list[Pair] | None = None
    events: list[_Event] | None = None
    status: _Status | None = None


class _Scope(Shape):
    scope: Any = None
    spans: list[_Span] | None = None


class _Spans(Shape):
    resource: Resource | None = None
    scope_spans: list[_Scope] | None = None


class _Request(Shape):
    resource_spans: list[_Spans] | None = None


_DECODER: Final = msgspec.json.Decoder(_Request)


@dataclass(frozen=True, slots=True)
class Spans:
    """The spans of one body, as yet undecoded.

    Of each group the resource's attributes, the scope's name and the spans; ``observe`` takes the
    index of a span in the body, the span, its scope and resource, and how deep values may nest. It
    raises ``Flaw`` where the span cannot be read.
    """

    groups: Iterable[tuple[Mapping[str, Any], str, Sequence[Any]]]
    observe: Callable[[int, Any, str, Mapping[str, Any], int], Observed]


def map_spans(spans: Spans, limits: Limits, mapper: Mapper) -> Mapped:
    """What spans become.

    :raises BodyTooLarge: more events than a body may have.
    """
    mapped = Mapped()
    most = 2 * limits.records
    for resource, scope, group in spans.groups:
        candidates = mapper.within(Signal.SPAN, resource, scope)
        if not candidates:  # of a shared pipeline most are nobody's here, and need no look
            mapped.total += len(group)
            mapped.ignored += len(group)
            continue
        for span in group:
            index = mapped.total
            mapped.total += 1
            try:
                observed = spans.observe(index, span, scope, resource, limits.depth)
            except Flaw as flaw:
                mapped.records.append(flawed(index, flaw, span))
                continue
            if not candidates.take(observed, mapped):
                mapped.ignored += 1
            elif len(mapped.records) > most:
                raise BodyTooLarge(
                    f"mappings make more than {most} events of the spans of this body:"
                    " send it in smaller parts"
                )
    return mapped


def protobuf_spans(body: bytes, limits: Limits) -> Spans:
    """The spans of one ``ExportTraceServiceRequest``.

    :raises BodyError: not such a message. :raises BodyTooLarge: too many spans.
    """
    try:
        request = ExportTraceServiceRequest.FromString(body)
    except DecodeError as error:
        raise BodyError(
            f"the body is not an ExportTraceServiceRequest in protobuf: {error};"
            " was it cut short, or is its Content-Type wrong?"
        ) from error
    otlp.check_groups(len(request.resource_spans), limits)
    otlp.check_groups(sum(len(each.scope_spans) for each in request.resource_spans), limits)
    scopes = [(each, scope) for each in request.resource_spans for scope in each.scope_spans]
    otlp.check_count(sum(len(scope.spans) for _, scope in scopes), limits)
    resource_of = otlp.Resources(limits.depth)
    groups = ((resource_of(each), scope.scope.name, scope.spans) for each, scope in scopes)
    return Spans(groups, _from_protobuf)


def json_spans(body: bytes, limits: Limits) -> Spans:
    """The spans of one ``ExportTraceServiceRequest`` in OTLP's JSON.

    :raises BodyError: not JSON, or a value of the wrong type; the message has its path.
    :raises BodyTooLarge: too many spans.
    """
    if not body:
        return Spans((), _from_json)  # as in protobuf, where nothing is the empty request
    try:
        request = _DECODER.decode(body)
    except RecursionError:
        raise BodyError("the body is nested too deep to be read; send flatter values") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BodyError(f"the body is not an ExportTraceServiceRequest in JSON: {error}") from error
    resources = request.resource_spans or ()
    otlp.check_groups(len(resources), limits)
    otlp.check_groups(sum(len(each.scope_spans or ()) for each in resources), limits)
    scopes = [(each, scope) for each in resources for scope in each.scope_spans or ()]
    otlp.check_count(sum(len(scope.spans or ()) for _, scope in scopes), limits)
    return Spans(_json_groups(scopes, limits.depth), _from_json)


def _json_groups(
    scopes: Iterable[tuple[_Spans, _Scope]], depth: int
) -> Iterator[tuple[Mapping[str, Any], str, Sequence[Any]]]:
    last: _Spans | None = None
    resource: Mapping[str, Any] = {}
    for each, scope in scopes:
        if each is not last:
            last = each
            pairs = each.resource.attributes if each.resource else None
            resource = otlp_json.attributes_kept(pairs, depth)
        yield resource, text_in(scope.scope, "name"), scope.spans or ()


def _from_protobuf(
    index: int, span: Any, scope: str, resource: Mapping[str, Any], depth: int
) -> Observed:
    start, end = span.start_time_unix_nano or None, span.end_time_unix_nano or None
    return Observed(
        index=index,
        signal=Signal.SPAN,
        own={
            "name": span.name,
            "kind": _named(KINDS, span.kind),
            "status": _named(STATUSES, span.status.code),
            "status_message": span.status.message,
            "scope": scope,
            "start": start,
            "end": end,
            "duration": _seconds(start, end),
            "trace_id": span.trace_id.hex(),
            "span_id": span.span_id.hex(),
            "parent_span_id": span.parent_span_id.hex(),
        },
        resource=resource,
        read_attributes=lambda: otlp.attributes_kept(span.attributes, depth),
        read_exception=lambda: _exception(
            [
                otlp.attributes_kept(each.attributes, depth)
                for each in span.events
                if each.name == _EXCEPTION
            ]
        ),
    )


def _from_json(
    index: int, span: _Span, scope: str, resource: Mapping[str, Any], depth: int
) -> Observed:
    """:raises Flaw: a time that is none."""
    start = nanoseconds("startTimeUnixNano", span.start_time_unix_nano)
    end = nanoseconds("endTimeUnixNano", span.end_time_unix_nano)
    status = span.status or _Status()
    return Observed(
        index=index,
        signal=Signal.SPAN,
        own={
            "name": span.name or "",
            "kind": _named(KINDS, span.kind, "SPAN_KIND_"),
            "status": _named(STATUSES, status.code, "STATUS_CODE_"),
            "status_message": status.message or "",
            "scope": scope,
            "start": start,
            "end": end,
            "duration": _seconds(start, end),
            "trace_id": span.trace_id or "",
            "span_id": span.span_id or "",
            "parent_span_id": span.parent_span_id or "",
        },
        resource=resource,
        read_attributes=lambda: otlp_json.attributes_kept(span.attributes, depth),
        read_exception=lambda: _exception(
            [
                otlp_json.attributes_kept(each.attributes, depth)
                for each in span.events or ()
                if each.name == _EXCEPTION
            ]
        ),
    )


def flawed(index: int, flaw: Flaw, span: Any) -> Record:
    """The record of a span that cannot be read, for the check to refuse."""
    return Record(
        index=index,
        door=Door.OTLP,
        attributes={},
        resource={},
        flaw=flaw,
        source=msgspec.json.encode(span).decode(),
    )


def _named(names: Sequence[str], given: object, prefix: str = "") -> str:
    """The name of an enum's number; some encoders of JSON write their own names."""
    if type(given) is int and 0 <= given < len(names):
        return names[given]
    if type(given) is str and prefix:
        name = given.removeprefix(prefix).lower()
        return name if name in names else names[0]
    return names[0]


def _seconds(start: int | None, end: int | None) -> float | None:
    return (end - start) / 1e9 if start and end else None


def _exception(events: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Of the last one; earlier ones may have been handled."""
    last = events[-1] if events else {}
    kind, message = last.get("exception.type"), last.get("exception.message")
    return {
        "exception_type": kind if type(kind) is str else "",
        "exception_message": message if type(message) is str else "",
    }
