"""An unmodified OpenTelemetry SDK against the collector on a real port."""

import asyncio
import socket
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn
from opentelemetry import trace
from opentelemetry._logs import LogRecord
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode

from collector.app import create_app
from collector.limits import Limits
from collector.mapping import Mapper
from collector.mapping.shipped import SHIPPED
from collector.spool import Spool
from lifecycle.access import Access, Token, hash_token
from lifecycle.errors import StoreUnavailable
from lifecycle.mapping_files import read_mapping
from tests.collector.running import FakeSink


def now() -> int:
    return time.time_ns() // 1000


@asynccontextmanager
async def listening(
    sink: FakeSink, access: Access, mapper: Callable[[], Mapper] = Mapper
) -> AsyncIterator[str]:
    folder = tempfile.TemporaryDirectory()
    limits = Limits(seal_seconds=0.0, retry_first=0.001, free_bytes=0)
    spool = Spool(Path(folder.name), collector="c1", sink=sink, clock=now, limits=limits)
    app = create_app(spool=spool, access=access, clock=now, mapper=mapper)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on"))
    spool.flush()
    with folder, socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving


def emit(endpoint: str, compression: Compression, token: str) -> int:
    """Emit 1,000 transitions in a span; gives the span's trace id."""
    resource = Resource.create(
        {"service.name": "shop", "service.version": "7", "deployment.environment.name": "prod"}
    )
    exporter = OTLPLogExporter(
        endpoint=f"{endpoint}/v1/logs",
        compression=compression,
        headers={"Authorization": f"Bearer {token}"},
    )
    provider = LoggerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter, max_export_batch_size=512))
    logger = provider.get_logger("orders")
    with TracerProvider().get_tracer("orders").start_as_current_span("pay") as span:
        for number in range(1_000):
            logger.emit(
                LogRecord(
                    timestamp=time.time_ns(),
                    event_name="donewatch.transition",
                    attributes={
                        "donewatch.workflow.type": "order",
                        "donewatch.instance.id": f"order-{number}",
                        "donewatch.transition.to": "paid",
                        "donewatch.sequence": number,
                        "tier": "gold",
                        "amount": 9.5,
                    },
                    context=trace.set_span_in_context(span),
                )
            )
    provider.force_flush()
    provider.shutdown()
    return span.get_span_context().trace_id


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
async def test_events_of_the_python_sdk_arrive(compression: Compression) -> None:
    sink = FakeSink()
    access = Access([Token(hash_token("t0ken"), "acme", frozenset({"ingest"}))])
    async with listening(sink, access) as endpoint:
        trace_id = await asyncio.to_thread(emit, endpoint, compression, "t0ken")
    assert [event.sequence for event in sink.events] == list(range(1_000))
    assert sink.rejected == []
    event = sink.events[-1]
    assert (event.tenant, event.instance_id, event.to_state) == ("acme", "order-999", "paid")
    assert (event.service, event.service_version, event.environment) == ("shop", "7", "prod")
    assert event.attributes == '{"amount":9.5,"tier":"gold"}'
    assert event.trace_id == f"{trace_id:032x}"
    assert event.occurred_at <= event.received_at
    assert len({each.event_id for each in sink.events}) == 1_000


async def test_a_store_that_is_away_is_no_concern_of_the_sdk() -> None:
    sink = FakeSink(errors=[StoreUnavailable("starting")] * 6)
    async with listening(sink, Access()) as endpoint:
        await asyncio.to_thread(emit, endpoint, Compression.Gzip, "any")
        async with asyncio.timeout(20):
            while len(sink.events) < 1_000:
                await asyncio.sleep(0.01)
    assert {event.sequence for event in sink.events} == set(range(1_000))


def trace_work(endpoint: str, compression: Compression, token: str) -> int:
    """Send and work on 1,000 messages, of which each tenth fails; gives the last trace id."""
    exporter = OTLPSpanExporter(
        endpoint=f"{endpoint}/v1/traces",
        compression=compression,
        headers={"Authorization": f"Bearer {token}"},
    )
    provider = TracerProvider(
        resource=Resource.create({"service.name": "shop", "donewatch.workflow.type": "order"}),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=10_000))
    tracer = provider.get_tracer("orders")
    for number in range(1_000):
        attributes = {
            "messaging.system": "rabbitmq",
            "messaging.message.id": f"m-{number}",
            "messaging.destination.name": "payments",
            "donewatch.instance.id": f"order-{number}",
        }
        with tracer.start_as_current_span("GET /", kind=SpanKind.SERVER):
            tracer.start_span("send", kind=SpanKind.PRODUCER, attributes=attributes).end()
        worked = {**attributes, "messaging.operation.type": "process"}
        span = tracer.start_span("process", kind=SpanKind.CONSUMER, attributes=worked)
        if number % 10 == 0:
            span.record_exception(ValueError("declined"))
            span.set_status(Status(StatusCode.ERROR))
        span.end()
    provider.force_flush()
    provider.shutdown()
    return span.get_span_context().trace_id


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
async def test_spans_of_the_python_sdk_become_events(compression: Compression) -> None:
    sink = FakeSink()
    access = Access([Token(hash_token("t0ken"), "acme", frozenset({"ingest"}))])
    mapper = Mapper([read_mapping(SHIPPED["messaging"], "messaging.yaml")])
    async with listening(sink, access, lambda: mapper) as endpoint:
        trace_id = await asyncio.to_thread(trace_work, endpoint, compression, "t0ken")
        async with asyncio.timeout(20):
            while len(sink.events) < 3_000:
                await asyncio.sleep(0.01)
    assert sink.rejected == []
    assert Counter(event.job_state for event in sink.events) == {
        "enqueued": 1_000,
        "started": 1_000,
        "succeeded": 900,
        "failed": 100,
    }
    last = [event for event in sink.events if event.job_id == "m-999"]
    assert {(each.tenant, each.instance_id, each.service) for each in last} == {
        ("acme", "order-999", "shop")
    }
    assert last[-1].trace_id == f"{trace_id:032x}"
    assert len({each.event_id for each in sink.events}) == 3_000


async def test_a_connection_survives_a_refused_request_and_a_too_large_one() -> None:
    async with (
        listening(FakeSink(), Access()) as endpoint,
        httpx.AsyncClient(base_url=endpoint) as client,
    ):
        json = {"Content-Type": "application/json"}
        large = await client.post("/v1/logs", content=bytes(9 * 2**20), headers=json)
        assert large.status_code == 413
        broken = await client.post("/v1/logs", content=b"{", headers=json)
        assert broken.status_code == 400
        fine = await client.post("/v1/logs", content=b"{}", headers=json)
        assert fine.status_code == 200
