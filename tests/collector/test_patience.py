"""A store that hangs: whoever sends is answered in time, and nothing is lost for it."""

import asyncio
import threading

import pytest

from collector.limits import Limits
from tests.collector.running import FakeSink, collecting
from tests.collector.senders import SENDERS, TRANSITION, Body, native

PATIENCE = Limits(store_seconds=0.05, retry_delays=(0.0,))


@pytest.mark.parametrize("door", SENDERS)
async def test_a_request_is_told_to_come_back_and_its_events_stay_in_line(door: str) -> None:
    gate = threading.Event()
    sink = FakeSink(gate=gate)
    async with collecting(sink=sink, limits=PATIENCE) as service:
        answer = await service.send(SENDERS[door]([TRANSITION]))
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "2"
        assert b"not stored within 0.05 s" in answer.content
        assert service.batcher.counts().oldest is not None, "the watermark waits for it"
        gate.set()
        await service.batcher.stop()
        assert [event.event_id for event in sink.events] == ["e-1"]


async def test_a_request_that_is_cut_off_at_the_end_is_no_fault_of_its_sender() -> None:
    """The server cancels what takes too long when it stops; 500 would make exporters give up."""
    gate = threading.Event()
    sink = FakeSink(gate=gate)
    async with collecting(sink=sink) as service:
        request = asyncio.ensure_future(service.send(native([TRANSITION])))
        await asyncio.to_thread(sink.entered.wait, 20)
        request.cancel()
        answer = await request
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "2"
        assert "stopping; send it again" in answer.json()["detail"]
        gate.set()


MANY = 3
GROUPS = [
    pytest.param(b"\x0a\x00" * (MANY + 1), "application/x-protobuf", id="resources"),
    pytest.param(
        b"\x0a\x08" + b"\x12\x00" * (MANY + 1), "application/x-protobuf", id="scopes of one"
    ),
    pytest.param(b"\x0a\x02\x12\x00" * (MANY + 1), "application/x-protobuf", id="scopes of each"),
    pytest.param(b'{"resourceLogs":[{},{},{},{}]}', "application/json", id="resources in JSON"),
    pytest.param(
        b'{"resourceLogs":[{"scopeLogs":[{},{}]},{"scopeLogs":[{},{}]}]}',
        "application/json",
        id="scopes in JSON",
    ),
]


@pytest.mark.parametrize(("content", "media"), GROUPS)
async def test_empty_groups_count(content: bytes, media: str) -> None:
    """Each costs two bytes to send and a thousand to keep."""
    async with collecting(limits=Limits(records=MANY)) as service:
        answer = await service.send(Body("/v1/logs", content, media))
        assert answer.status_code == 413
        assert b"groups its records 4 times; at most 3" in answer.content
