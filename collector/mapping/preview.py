"""A dry run: what each record of a captured body would become, and why."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from collector.check import Checker
from collector.limits import Limits
from collector.mapping.logs import map_logs, observed_log
from collector.mapping.mapper import Mapped, Mapper
from collector.mapping.observed import Observed
from collector.native import decode_native
from collector.otlp import decode_protobuf
from collector.otlp_json import decode_json
from collector.otlp_traces import Spans, flawed, json_spans, protobuf_spans
from collector.records import BodyError, Flaw, Record
from lifecycle.events import Event
from lifecycle.mapping import Signal


@dataclass(slots=True)
class Became:
    """One record, known to a person by ``kind`` and ``name``, and what it became."""

    index: int
    kind: str  # span, log or line
    name: str
    mapping: str = ""  # that took it
    events: list[Event] = field(default_factory=list)
    unmapped: list[str] = field(default_factory=list)  # what an event lacked
    refused: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)  # why no mapping took it


def preview(data: bytes, mapper: Mapper, limits: Limits, received_at: int) -> Iterator[Became]:
    """Of OTLP traces or logs, in protobuf, JSON or lines of JSON, or native events.

    ``received_at`` in microseconds.

    :raises BodyError: it cannot be read.
    """
    check = Checker(tenant="", collector="", received_at=received_at, limits=limits)
    index = 0
    for kind, body in _bodies(data):
        for became in _each(kind, body, mapper, limits, check):
            became.index = index
            index += 1
            yield became


def _bodies(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Requests in JSON: one, or one a line as OpenTelemetry's collector writes them to files."""
    text = data.removeprefix(b"\xef\xbb\xbf").lstrip()
    protobuf = _protobuf(data)
    if protobuf or text[:1] not in (b"{", b"["):
        yield protobuf or "logs-protobuf", data
        return
    whole = _kind(text)
    lines = [line for line in text.splitlines() if line.strip()]
    if whole:
        yield whole, text
    elif any(kind in ("traces", "logs") for kind in map(_kind, lines[:1])):
        for line in lines:
            yield _kind(line) or "native", line
    else:
        yield "native", text


def _kind(text: bytes) -> str:
    """``""`` if it is not one value of JSON."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
    if type(value) is not dict:
        return "native"
    if "resourceSpans" in value:
        return "traces"
    if "resourceMetrics" in value or "resource_spans" in value or "resource_logs" in value:
        raise BodyError(
            "the body is not OTLP's JSON of traces or logs, which begins with resourceSpans or"
            " resourceLogs"
        )
    return "logs" if "resourceLogs" in value else "native"


def _protobuf(data: bytes) -> str:
    """Which request it is, if any; both begin with a line feed, as JSON may.

    From outside they look alike, but a span begins with its trace id and a log record does not.
    """
    if not data.startswith(b"\n"):
        return ""
    try:
        request = ExportTraceServiceRequest.FromString(data)
    except DecodeError:  # a log's text that is no name of a span
        try:
            ExportLogsServiceRequest.FromString(data)
        except DecodeError:
            return ""
        return "logs-protobuf"
    spans = (
        span
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    )
    return "traces-protobuf" if any(len(each.trace_id) == 16 for each in spans) else "logs-protobuf"


def _each(
    kind: str, body: bytes, mapper: Mapper, limits: Limits, check: Checker
) -> Iterator[Became]:
    if kind.startswith("traces"):
        read = json_spans if kind == "traces" else protobuf_spans
        yield from _of_spans(read(body, limits), mapper, limits, check)
    elif kind.startswith("logs"):
        decode = decode_json if kind == "logs" else decode_protobuf
        yield from _of_logs(decode(body, limits), mapper, check)
    else:
        for record in decode_native(body, limits, lines=True):
            became = Became(0, "line", record.event_name.removeprefix("donewatch."))
            yield _checked(became, [record], check)


def _of_spans(spans: Spans, mapper: Mapper, limits: Limits, check: Checker) -> Iterator[Became]:
    for resource, scope, group in spans.groups:
        candidates = mapper.within(Signal.SPAN, resource, scope)
        for span in group:
            mapped = Mapped()
            became = Became(0, "span", span.name or "")
            try:
                observed = spans.observe(0, span, scope, resource, limits.depth)
            except Flaw as flaw:
                yield _checked(became, [flawed(0, flaw, span)], check)
                continue
            candidates.take(observed, mapped)
            became.mapping = mapped.mapping
            if mapped.ignored or not mapped.mapping:
                became.ignored = _why_ignored(mapper, observed, mapped)
            became.unmapped = [each.refusal.error for each in mapped.lacking]
            yield _checked(became, mapped.records, check)


def _of_logs(records: list[Record], mapper: Mapper, check: Checker) -> Iterator[Became]:
    for record in records:
        mapped = map_logs([record], mapper)
        name = record.event_name or record.body[:80]
        became = Became(0, "log", name, mapping=mapped.mapping)
        became.unmapped = [each.refusal.error for each in mapped.lacking]
        if mapped.ignored:
            became.ignored = _why_ignored(mapper, observed_log(record), mapped)
        yield _checked(became, mapped.records, check)


def _why_ignored(mapper: Mapper, observed: Observed, mapped: Mapped) -> list[str]:
    if mapped.mapping:
        return [f"{mapped.mapping}: `when` holds for none of its events"]
    return mapper.why_not(observed) or [f"no mapping of {observed.signal}s is in force"]


def _checked(became: Became, records: list[Record], check: Checker) -> Became:
    for record in records:
        result = check(record)
        if isinstance(result, Event):
            became.events.append(result)
        else:
            became.refused.append(result.error)
    return became
