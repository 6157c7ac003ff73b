"""Spans as clients send them, of a tracer of the real SDK or written out, in both encodings."""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from collector.limits import Limits
from collector.mapping import Mapped, Mapper
from collector.otlp_traces import json_spans, map_spans, protobuf_spans
from tests.collector.senders import NANOS, Body

SECOND = 1_000_000_000


@dataclass
class Tracing:
    """What an application with a tracer has ended so far."""

    provider: TracerProvider
    exporter: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)

    def __post_init__(self) -> None:
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    def span(
        self,
        name: str,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Mapping[str, Any] | None = None,
        *,
        error: Exception | None = None,
        scope: str = "app",
        start: int = NANOS,
        seconds: float = 1.0,
    ) -> Span:
        """One span, ended."""
        span = self.provider.get_tracer(scope).start_span(
            name, kind=kind, attributes=dict(attributes or {}), start_time=start
        )
        if error is not None:
            span.record_exception(error)
            span.set_status(Status(StatusCode.ERROR, str(error)))
        span.end(start + int(seconds * SECOND))
        return span

    @property
    def request(self) -> ExportTraceServiceRequest:
        return encode_spans(self.exporter.get_finished_spans())


@contextmanager
def tracing(**resource: Any) -> Iterator[Tracing]:
    attributes = {name.replace("__", "."): value for name, value in resource.items()}
    provider = TracerProvider(resource=Resource(attributes), shutdown_on_exit=False)
    try:
        yield Tracing(provider)
    finally:
        provider.shutdown()


def traces_protobuf(request: ExportTraceServiceRequest) -> Body:
    return Body("/v1/traces", request.SerializeToString(), "application/x-protobuf")


def traces_json(request: ExportTraceServiceRequest) -> Body:
    """As OTLP's JSON has it: ids in hex, enums as numbers."""
    document = MessageToDict(request, use_integers_for_enums=True)
    for span in spans_of(document):
        for name in ("traceId", "spanId", "parentSpanId"):
            if name in span:
                span[name] = base64.b64decode(span[name]).hex()
    return Body("/v1/traces", json.dumps(document).encode(), "application/json")


def map_protobuf(body: bytes, limits: Limits, mapper: Mapper) -> Mapped:
    return map_spans(protobuf_spans(body, limits), limits, mapper)


def map_json(body: bytes, limits: Limits, mapper: Mapper) -> Mapped:
    return map_spans(json_spans(body, limits), limits, mapper)


TRACE_SENDERS = {"protobuf": traces_protobuf, "json": traces_json}


def spans_of(document: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
    return [
        span
        for resource in document.get("resourceSpans", [])
        for scope in resource.get("scopeSpans", [])
        for span in scope.get("spans", [])
    ]
