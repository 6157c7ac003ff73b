"""Spans of OpenTelemetry's JavaScript SDK, unmodified, through a shipped mapping."""

import asyncio
import json

import pytest

from collector.mapping import Mapper
from collector.mapping.shipped import SHIPPED
from lifecycle.access import Access, Token, hash_token
from lifecycle.mapping_files import read_mapping
from tests.clients.conftest import TOKEN
from tests.clients.senders import JavaScript, Span
from tests.collector.running import FakeSink
from tests.collector.test_opentelemetry_sdk import listening

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("javascript")]

MESSAGE = {
    "messaging.system": "kafka",
    "messaging.message.id": "m-1",
    "messaging.destination.name": "payments",
    "donewatch.workflow.type": "order",
    "donewatch.instance.id": "o-7",
}
SPANS = [
    Span(
        name="send payments",
        kind="PRODUCER",
        attributes={**MESSAGE, "messaging.operation.type": "send", "sizes": [1, 2.5]},
    ),
    Span(
        name="process payments",
        kind="CONSUMER",
        attributes={**MESSAGE, "messaging.operation.type": "process"},
    ),
    Span(name="GET /", kind="SERVER", attributes={"http.route": "/"}),
]


@pytest.mark.parametrize("encoding", ["json", "protobuf"])
@pytest.mark.parametrize("compression", ["none", "gzip"])
async def test_its_spans_become_events(encoding: str, compression: str) -> None:
    sink = FakeSink()
    access = Access([Token(hash_token(TOKEN), "shop", frozenset({"ingest"}))])
    mapper = Mapper([read_mapping(SHIPPED["messaging"], "messaging.yaml")])
    client = JavaScript(encoding, compression)
    async with listening(sink, access, lambda: mapper) as endpoint:
        told = await asyncio.to_thread(client.send_spans, endpoint, TOKEN, SPANS)
        async with asyncio.timeout(20):
            while len(sink.events) < 3:
                await asyncio.sleep(0.01)
    assert told == []
    assert sink.rejected == []
    assert [(each.event, each.job_state) for each in sink.events] == [
        ("job", "enqueued"),
        ("job", "started"),
        ("job", "succeeded"),
    ]
    assert {(each.instance_id, each.job_id, each.job_queue) for each in sink.events} == {
        ("o-7", "m-1", "payments")
    }
    assert {(each.service, each.environment) for each in sink.events} == {("shop", "production")}
    assert all(len(each.trace_id) == 32 and len(each.span_id) == 16 for each in sink.events)


async def test_it_is_told_when_no_mapping_is_in_force() -> None:
    sink = FakeSink()
    async with listening(sink, Access()) as endpoint:
        told = await asyncio.to_thread(
            JavaScript("json", "gzip").send_spans, endpoint, TOKEN, SPANS
        )
    assert "no mapping of spans is in force" in json.dumps(told)
    assert sink.events == []
