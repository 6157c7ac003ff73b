"""A disk that hangs: whoever sends is answered in time, and nothing is lost for it."""

import asyncio
from collections.abc import Iterator

import pytest

from collector.limits import Limits
from collector.spool import failpoint
from tests.collector.running import collecting
from tests.collector.senders import NOW, SENDERS, TRANSITION, Body, native

PATIENCE = Limits(store_seconds=0.05)


@pytest.fixture
def slow_disk() -> Iterator[None]:
    failpoint.arm("fsync:sleep=0.5")
    yield
    failpoint.arm("")


@pytest.mark.parametrize("door", SENDERS)
@pytest.mark.usefixtures("slow_disk")
async def test_a_request_is_told_to_come_back_and_its_events_stay_in_line(door: str) -> None:
    async with collecting(limits=PATIENCE) as service:
        answer = await service.post(SENDERS[door]([TRANSITION]))
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "2"
        assert b"not on disk within 0.05 s" in answer.content
        assert service.spool.counts().oldest is not None, "the watermark waits for it"
        await service.stored()
        assert [event.event_id for event in service.sink.events] == ["e-1"]
        # and for the copy that is to come
        assert service.spool.flushed_at(NOW + 1_000_000) < NOW + 1_000


@pytest.mark.usefixtures("slow_disk")
async def test_a_request_that_is_cut_off_at_the_end_is_no_fault_of_its_sender() -> None:
    """The server cancels what takes too long when it stops; 500 would make exporters give up."""
    async with collecting() as service:
        request = asyncio.ensure_future(service.post(native([TRANSITION])))
        while service.spool.counts().pending == 0:
            await asyncio.sleep(0.001)
        request.cancel()
        answer = await request
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "2"
        assert "stopping; send it again" in answer.json()["detail"]


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
