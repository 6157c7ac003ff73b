"""Hostile and broken bodies: each a clear error in the caller's encoding, nothing harmed."""

import asyncio
import gzip
import json
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from collector.limits import Limits
from tests.collector.running import Service, collecting
from tests.collector.senders import SENDERS, TRANSITION, Body, native, otlp_json, otlp_protobuf

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
LINES = "application/x-ndjson"
GZIP = {"Content-Encoding": "gzip"}
SMALL = Limits(body=10_000, drained=30_000, inflated=20_000, records=10)


def told(answer: Any) -> str:
    """The error's text, of an answer in the encoding it was asked in."""
    kind = answer.headers["content-type"]
    if kind == PROTOBUF:
        status = Status.FromString(answer.content)
        assert status.code > 0
        return str(status.message)
    document = answer.json()
    if kind == JSON:
        assert document["code"] > 0
        return str(document["message"])
    assert kind == "application/problem+json"
    assert document["status"] == answer.status_code
    assert document["type"].startswith("urn:donewatch:problem:")
    return str(document["detail"])


def bomb(size: int) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    return b"".join(packer.compress(bytes(2**20)) for _ in range(size // 2**20)) + packer.flush()


DEEP_JSON = b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"attributes":[{"key":"a","value":'
_one = otlp_protobuf([TRANSITION]).content


def deep_protobuf() -> bytes:
    value = b""
    for _ in range(200):
        for tag in (b"\x0a", b"\x2a"):  # values of an array value
            value = tag + _length(len(value)) + value
    for tag in (b"\x12", b"\x32", b"\x12", b"\x12", b"\x0a"):
        value = tag + _length(len(value)) + value
    return value


def _length(number: int) -> bytes:
    found = b""
    while number > 127:
        found += bytes([number & 127 | 128])
        number >>= 7
    return found + bytes([number])


HOSTILE = [
    pytest.param("/v1/logs", _one[:-3], PROTOBUF, {}, 400, "in protobuf", id="pb cut short"),
    pytest.param("/v1/logs", b"hello world", PROTOBUF, {}, 400, "in protobuf", id="pb garbage"),
    pytest.param(
        "/v1/logs",
        _one.replace(b"order-7", b"order\xff\xfe"),
        PROTOBUF,
        {},
        400,
        "in protobuf",
        id="pb text that is not UTF-8",
    ),
    pytest.param("/v1/logs", deep_protobuf(), PROTOBUF, {}, 400, "in protobuf", id="pb too deep"),
    pytest.param("/v1/logs", b"{}", PROTOBUF, {}, 400, "Content-Type wrong?", id="json as pb"),
    pytest.param("/v1/logs", _one, JSON, {}, 400, "in JSON", id="pb as json"),
    pytest.param("/v1/logs", b"[]", JSON, {}, 400, "got `array`", id="an array"),
    pytest.param("/v1/logs", b"null", JSON, {}, 400, "got `null`", id="null"),
    pytest.param("/v1/logs", b'{"resourceLogs"', JSON, {}, 400, "truncated", id="json cut short"),
    pytest.param("/v1/logs", b'{"resourceLogs": 5}', JSON, {}, 400, "$.resourceLogs", id="path"),
    pytest.param(
        "/v1/logs",
        b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{},{"attributes":[{"key":7}]}]}]}]}',
        JSON,
        {},
        400,
        "$.resourceLogs[0].scopeLogs[0].logRecords[1].attributes[0].key",
        id="a long path",
    ),
    pytest.param(
        "/v1/logs",
        b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":NaN}]}]}]}',
        JSON,
        {},
        400,
        "in JSON",
        id="NaN",
    ),
    pytest.param(
        "/v1/logs",
        b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":'
        + b"9" * 5000
        + b"}]}]}]}",
        JSON,
        {},
        400,
        "out of range",
        id="a huge integer",
    ),
    pytest.param(
        "/v1/logs",
        b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"eventName":"\\ud800"}]}]}]}',
        JSON,
        {},
        400,
        "in JSON",
        id="a lone surrogate",
    ),
    pytest.param(
        "/v1/logs", b'{"resourceLogs":"\xff"}', JSON, {}, 400, "in JSON", id="json not UTF-8"
    ),
    pytest.param("/v1/logs", b'{"a":' * 1500, JSON, {}, 400, "deep", id="json without a bottom"),
    pytest.param(
        "/v1/logs",
        DEEP_JSON + b'{"arrayValue":{"values":[' * 300,
        JSON,
        {},
        400,
        "in JSON",
        id="deep values, cut short",
    ),
    pytest.param("/v1/logs", b"", "text/plain", {}, 415, "send application/x-", id="plain text"),
    pytest.param("/v1/logs", b"", "", {}, 415, "there is no Content-Type", id="no type"),
    pytest.param("/v1/logs", b"", LINES, {}, 415, "application/json", id="lines as OTLP"),
    pytest.param(
        "/v1/logs", _one, PROTOBUF, {"Content-Encoding": "br"}, 415, "send gzip", id="brotli"
    ),
    pytest.param("/v1/logs", b"\x1f\x8bxx", PROTOBUF, GZIP, 400, "not gzip", id="pb broken gzip"),
    pytest.param("/v1/logs", b"{}", JSON, GZIP, 400, "not gzip", id="json not gzip"),
    pytest.param(
        "/v1/logs", gzip.compress(_one)[:-9], PROTOBUF, GZIP, 400, "cut short", id="gzip cut short"
    ),
    pytest.param("/v1/logs", bomb(4 * 2**20), PROTOBUF, GZIP, 413, "decompress", id="gzip bomb"),
    pytest.param("/v1/logs", bytes(10_001), PROTOBUF, {}, 413, "10000 bytes", id="pb too large"),
    pytest.param("/v1/logs", b" " * 10_001, JSON, {}, 413, "10000 bytes", id="json too large"),
    pytest.param(
        "/v1/logs", b"\x0a\x1a\x12\x18" + b"\x12\x00" * 12, PROTOBUF, {}, 413, "12 rec", id="12 pb"
    ),
    pytest.param(
        "/v1/logs",
        b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[' + b"{}," * 11 + b"{}]}]}]}",
        JSON,
        {},
        413,
        "12 records",
        id="12 records of json",
    ),
    pytest.param("/api/v1/events", b"[", JSON, {}, 400, "JSON array of events", id="half an array"),
    pytest.param("/api/v1/events", b"[1,]", JSON, {}, 400, "trailing comma", id="a comma"),
    pytest.param("/api/v1/events", b"[" * 9000, JSON, {}, 400, "deep", id="array in array"),
    pytest.param("/api/v1/events", b'[1, "\xff]', JSON, {}, 400, "truncated", id="array not UTF-8"),
    pytest.param("/api/v1/events", b"[" + b"1," * 11 + b"1]", JSON, {}, 413, "12 rec", id="12"),
    pytest.param("/api/v1/events", b"1\n" * 12, LINES, {}, 413, "12 records", id="12 lines"),
    pytest.param(
        "/api/v1/events", b"1" + b"\n" * 9_998, LINES, {}, 413, "records", id="empty lines"
    ),
    pytest.param("/api/v1/events", bomb(2**20), LINES, GZIP, 413, "decompress", id="lines bomb"),
    pytest.param("/api/v1/events", b" " * 10_001, LINES, {}, 413, "10000", id="lines too large"),
    pytest.param("/api/v1/events", b"{}", "text/plain", {}, 415, "one event a line", id="text"),
    pytest.param("/api/v1/events", b"{}", "", {}, 415, "no Content-Type", id="untyped lines"),
    pytest.param(
        "/api/v1/events",
        b"{}",
        "application/x-www-form-urlencoded",
        {},
        415,
        "one event a line",
        id="a form",
    ),
    pytest.param("/api/v1/events", _one, PROTOBUF, {}, 415, "one event a line", id="pb as lines"),
]


@pytest.fixture
async def small() -> AsyncIterator[Service]:
    async with collecting(limits=SMALL) as running:
        yield running


@pytest.mark.parametrize(("path", "content", "kind", "headers", "status", "error"), HOSTILE)
async def test_a_hostile_body_is_answered_clearly_and_harms_nothing(
    small: Service,
    path: str,
    content: bytes,
    kind: str,
    headers: dict[str, str],
    status: int,
    error: str,
) -> None:
    headers = {**headers, **({"Content-Type": kind} if kind else {})}
    answer = await small.client.post(path, content=content, headers=headers)
    assert answer.status_code == status, answer.text
    assert error in told(answer)
    if path == "/v1/logs" and kind == PROTOBUF:
        assert answer.headers["content-type"] == PROTOBUF
    assert small.sink.events == []
    assert (await small.send(otlp_protobuf([TRANSITION]))).status_code == 200
    assert len(small.sink.events) == 1


@pytest.mark.parametrize(
    ("path", "content", "kind"),
    [
        pytest.param("/v1/logs", b"", PROTOBUF, id="protobuf"),
        pytest.param("/v1/logs", b"", JSON, id="json without a body"),
        pytest.param("/v1/logs", b"{}", JSON, id="json"),
        pytest.param("/v1/logs", b'{"resourceLogs":null}', JSON, id="null"),
        pytest.param("/v1/logs", b'{"resourceLogs":[{}]}', JSON, id="an empty resource"),
    ],
)
async def test_an_empty_otlp_request_is_fine(
    service: Service, path: str, content: bytes, kind: str
) -> None:
    answer = await service.client.post(path, content=content, headers={"Content-Type": kind})
    assert answer.status_code == 200
    assert answer.content == (b"" if kind == PROTOBUF else b"{}")
    assert answer.headers["content-type"] == kind


@pytest.mark.parametrize("content", [b"", b"\n\n", b"[]", b" \r\n"])
async def test_an_empty_native_request_is_fine(service: Service, content: bytes) -> None:
    answer = await service.send(Body("/api/v1/events", content, LINES))
    assert answer.json() == {"accepted": 0, "rejected": []}


@pytest.mark.parametrize("build", SENDERS.values(), ids=SENDERS.keys())
async def test_gzip_and_chunks_without_a_length(service: Service, build: Any) -> None:
    body = build([TRANSITION])
    packed = gzip.compress(body.content)

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(packed), 7):
            yield packed[start : start + 7]

    headers = {**body.all_headers, **GZIP}
    answer = await service.client.post(body.path, content=chunks(), headers=headers)
    assert answer.status_code == 200, answer.text
    assert "content-length" not in answer.request.headers
    await service.stored()
    assert len(service.sink.events) == 1


async def test_gzip_of_several_members(service: Service) -> None:
    line = native([TRANSITION]).content + b"\n"
    content = gzip.compress(line) + gzip.compress(line)
    answer = await service.send(Body("/api/v1/events", content, LINES, GZIP))
    assert answer.json()["accepted"] == 2


async def test_chunks_over_the_limit_are_not_read_to_their_end(small: Service) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1000
            yield bytes(1000)

    answer = await small.client.post(
        "/v1/logs", content=endless(), headers={"Content-Type": PROTOBUF}
    )
    assert answer.status_code == 413
    assert answer.headers["connection"] == "close"
    assert sent <= 45_000


async def test_a_bomb_is_never_inflated() -> None:
    content = bomb(300 * 2**20)
    async with collecting(limits=Limits(inflated=2**20)) as service:
        tracemalloc.start()
        try:
            answer = await service.client.post(
                "/v1/logs", content=content, headers={"Content-Type": PROTOBUF, **GZIP}
            )
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert answer.status_code == 413
    assert peak < 8 * 2**20


async def test_a_declared_length_over_the_limit_is_refused_before_reading(small: Service) -> None:
    async def unread() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    answer = await small.client.post(
        "/v1/logs",
        content=unread(),
        headers={"Content-Type": PROTOBUF, "Content-Length": "9" * 30},
    )
    assert answer.status_code == 413


async def test_a_body_that_does_not_arrive_in_time() -> None:
    async def stalled() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    async with collecting(limits=Limits(body_seconds=0.05)) as service:
        answer = await service.client.post(
            "/v1/logs", content=stalled(), headers={"Content-Type": JSON}
        )
        assert answer.status_code == 408
        assert "0.05 s" in told(answer)


async def test_large_requests_share_a_budget() -> None:
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield b" " * 800
        arrived.set()
        await go_on.wait()
        yield b"{}"

    async with collecting(limits=Limits(buffered=1000)) as service:
        headers = {"Content-Type": JSON}
        first = asyncio.create_task(
            service.client.post("/v1/logs", content=slow(), headers=headers)
        )
        await arrived.wait()
        other = await service.client.post("/v1/logs", content=b" " * 300 + b"{}", headers=headers)
        assert other.status_code == 429
        assert other.headers["retry-after"] == "2"
        go_on.set()
        assert (await first).status_code == 200
        again = await service.client.post("/v1/logs", content=b" " * 300 + b"{}", headers=headers)
        assert again.status_code == 200


@pytest.mark.parametrize("build", SENDERS.values(), ids=SENDERS.keys())
async def test_a_hundred_thousand_records_are_too_many_and_ten_thousand_are_not(
    service: Service, build: Any
) -> None:
    heartbeat = {"event": "heartbeat"}
    many = await service.send(build([heartbeat] * 100_000))
    assert many.status_code == 413
    assert "smaller parts" in told(many)
    assert service.sink.events == []
    some = await service.send(build([heartbeat] * 10_000))
    assert some.status_code == 200, some.text
    assert len(service.sink.events) == 10_000


async def test_fifty_thousand_bad_lines_are_answered_one_by_one() -> None:
    line = json.dumps({"event": "transition", "instnce_id": "x"}).encode()
    async with collecting(limits=Limits()) as service:
        answer = await service.send(Body("/api/v1/events", b"\n".join([line] * 50_000), LINES))
        rejected = answer.json()["rejected"]
        assert [each["index"] for each in rejected] == list(range(50_000))
        assert "did you mean 'instance_id'?" in rejected[0]["error"]
        await service.stored()
        assert len(service.sink.rejected) == 100


async def test_protobuf_of_a_newer_protocol_is_read(service: Service) -> None:
    request = ExportLogsServiceRequest.FromString(_one)
    newer = request.SerializeToString() + b"\xfa\x3e\x03new"  # field 1007, unknown to us
    answer = await service.send(Body("/v1/logs", newer, PROTOBUF))
    assert answer.status_code == 200
    assert len(service.sink.events) == 1


async def test_null_characters_in_further_attributes_are_kept_escaped(service: Service) -> None:
    for build in (native, otlp_json, otlp_protobuf):
        await service.send(build([TRANSITION | {"attributes": {"a": "x\0y"}}]))
    assert {event.attributes for event in service.sink.events} == {'{"a":"x\\u0000y"}'}
    assert len(service.sink.events) == 3
