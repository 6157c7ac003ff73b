"""OpenTelemetry's own SDKs, unmodified, sending the same events."""

import json
import logging
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from opentelemetry import trace
from opentelemetry._logs import LogRecord
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import (
    BatchLogRecordProcessor,
    LogRecordExporter,
    SimpleLogRecordProcessor,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags

RESOURCE = {
    "service.name": "shop",
    "service.version": "7",
    "deployment.environment.name": "production",
}
JAVASCRIPT = Path(__file__).parent / "javascript"
PATIENCE = 20  # seconds that a client tries for


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One log record; ``at`` in RFC 3339."""

    name: str
    at: str
    attributes: Mapping[str, Any]
    trace_id: str = ""
    span_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A span that begins and ends at once; ``kind`` in capitals."""

    name: str
    kind: str
    attributes: Mapping[str, Any]


class Sender(Protocol):
    """One SDK, set up in one way."""

    def send(self, url: str, token: str, events: Sequence[Event]) -> list[str]:
        """Send events and wait until the SDK has done with them; what it logged as problems."""
        ...

    def send_spans(self, url: str, token: str, spans: Sequence[Span]) -> list[str]:
        """The same with spans."""
        ...


@dataclass(frozen=True, slots=True)
class JavaScript:
    """The SDK for Node."""

    encoding: str
    compression: str

    def send(self, url: str, token: str, events: Sequence[Event]) -> list[str]:
        return self._run(
            "logs",
            f"{url}/v1/logs",
            token,
            [
                {
                    "name": event.name,
                    "time": event.at,
                    "attributes": dict(event.attributes),
                    "traceId": event.trace_id,
                    "spanId": event.span_id,
                }
                for event in events
            ],
        )

    def send_spans(self, url: str, token: str, spans: Sequence[Span]) -> list[str]:
        return self._run("traces", f"{url}/v1/traces", token, [asdict(span) for span in spans])

    def _run(self, signal: str, url: str, token: str, events: list[dict[str, Any]]) -> list[str]:
        plan = {
            "signal": signal,
            "encoding": self.encoding,
            "compression": self.compression,
            "url": url,
            "headers": {"Authorization": f"Bearer {token}"},
            "timeout": PATIENCE * 1000,
            "resource": RESOURCE,
            "events": events,
        }
        done = subprocess.run(
            ["node", "send.js"],
            cwd=JAVASCRIPT,
            input=json.dumps(plan),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        told: list[str] = json.loads(done.stdout)["told"]
        return told


@dataclass(frozen=True, slots=True)
class Python:
    """The SDK for Python, without ours; ``batched`` or one request for each event."""

    compression: Compression
    batched: bool = True

    def send(self, url: str, token: str, events: Sequence[Event]) -> list[str]:
        exporter = OTLPLogExporter(
            endpoint=f"{url}/v1/logs",
            headers={"Authorization": f"Bearer {token}"},
            compression=self.compression,
            timeout=PATIENCE,
        )
        provider = LoggerProvider(resource=Resource.create(RESOURCE), shutdown_on_exit=False)
        provider.add_log_record_processor(self._processor(exporter))
        logger = provider.get_logger("shop")
        with _told() as told:
            for event in events:
                logger.emit(_record(event))
            provider.force_flush()
            provider.shutdown()
        return told

    def send_spans(self, url: str, token: str, spans: Sequence[Span]) -> list[str]:
        exporter = OTLPSpanExporter(
            endpoint=f"{url}/v1/traces",
            headers={"Authorization": f"Bearer {token}"},
            compression=self.compression,
            timeout=PATIENCE,
        )
        provider = TracerProvider(resource=Resource.create(RESOURCE), shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(exporter))
        tracer = provider.get_tracer("shop")
        with _told() as told:
            for span in spans:
                attributes = dict(span.attributes)
                tracer.start_span(span.name, kind=SpanKind[span.kind], attributes=attributes).end()
            provider.force_flush()
            provider.shutdown()
        return told

    def _processor(
        self, exporter: LogRecordExporter
    ) -> BatchLogRecordProcessor | SimpleLogRecordProcessor:
        if self.batched:
            return BatchLogRecordProcessor(exporter)
        return SimpleLogRecordProcessor(exporter)


def _record(event: Event) -> LogRecord:
    context = None
    if event.trace_id:
        span = SpanContext(
            int(event.trace_id, 16), int(event.span_id, 16), False, TraceFlags(TraceFlags.SAMPLED)
        )
        context = trace.set_span_in_context(NonRecordingSpan(span))
    return LogRecord(
        timestamp=int(datetime.fromisoformat(event.at).timestamp() * 1e6) * 1000,
        event_name=event.name,
        attributes=dict(event.attributes),
        context=context,
    )


@contextmanager
def _told() -> Iterator[list[str]]:
    """What OpenTelemetry logs as a problem meanwhile."""
    told: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(record.getMessage())

    handler = Handler(logging.WARNING)
    logger = logging.getLogger("opentelemetry")
    logger.addHandler(handler)
    try:
        yield told
    finally:
        logger.removeHandler(handler)
