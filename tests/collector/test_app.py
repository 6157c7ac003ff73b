"""Answers that are not about the events themselves: access, paths, back-pressure, metrics."""

import asyncio
import re
import threading
from typing import Any

import pytest
from google.rpc.status_pb2 import Status
from prometheus_client.parser import text_string_to_metric_families

from collector.limits import Limits
from collector.spool import failpoint
from lifecycle.access import Access, Token, hash_token
from lifecycle.errors import StoreUnavailable
from tests.collector.running import FakeSink, Service, collecting
from tests.collector.senders import SENDERS, TRANSITION, native, otlp_json, otlp_protobuf

ACCESS = Access(
    [
        Token(hash_token("sender"), "acme", frozenset({"ingest"})),
        Token(hash_token("reader"), "acme", frozenset({"read", "act"})),
        Token(hash_token("other"), "globex", frozenset({"ingest", "read"})),
    ]
)
BUILDERS = pytest.mark.parametrize("build", SENDERS.values(), ids=SENDERS.keys())


def message(answer: Any) -> str:
    if answer.headers["content-type"] == "application/x-protobuf":
        return str(Status.FromString(answer.content).message)
    document = answer.json()
    return str(document.get("message", document.get("detail")))


@BUILDERS
@pytest.mark.parametrize(
    ("header", "status", "error"),
    [
        pytest.param(None, 401, "Authorization: Bearer TOKEN", id="no credential"),
        pytest.param("Bearer wrong", 401, "not known", id="an unknown token"),
        pytest.param("Basic c2VuZGVy", 401, "must read: Bearer TOKEN", id="another scheme"),
        pytest.param("Bearer", 401, "must read: Bearer TOKEN", id="no token"),
        pytest.param("Bearer reader", 403, "lacks the scope ingest", id="another scope"),
    ],
)
async def test_without_the_right_token_nothing_is_taken(
    build: Any, header: str | None, status: int, error: str
) -> None:
    async with collecting(access=ACCESS) as service:
        headers = {"Authorization": header} if header else {}
        answer = await service.send(build([TRANSITION]), **headers)
        assert answer.status_code == status
        assert error in message(answer)
        assert answer.headers["www-authenticate"].startswith('Bearer realm="donewatch"')
        assert service.sink.events == []


@BUILDERS
@pytest.mark.parametrize("origin", ["http://rebound.example:4318", "http://127.0.0.1:4318", "null"])
async def test_without_tokens_no_web_page_may_send(
    service: Service, build: Any, origin: str
) -> None:
    """Its name may have come to stand for this machine, so that it needs not ask first."""
    answer = await service.send(build([TRANSITION]), Origin=origin)
    assert answer.status_code == 403
    assert "a web page" in message(answer)
    assert service.sink.events == []


@BUILDERS
async def test_with_a_token_the_origin_does_not_matter(build: Any) -> None:
    async with collecting(access=ACCESS) as service:
        headers = {"Authorization": "Bearer sender", "Origin": "http://shop.example"}
        assert (await service.send(build([TRANSITION]), **headers)).status_code == 200


@BUILDERS
async def test_the_tenant_comes_from_the_token(build: Any) -> None:
    async with collecting(access=ACCESS) as service:
        for token in ("sender", "other"):
            answer = await service.send(
                build([TRANSITION | {"attributes": {"tenant": "x"}}]),
                Authorization=f"bearer {token}",
            )
            assert answer.status_code == 200
        assert [event.tenant for event in service.sink.events] == ["acme", "globex"]


@BUILDERS
async def test_a_store_that_is_away_is_no_concern_of_producers(build: Any) -> None:
    sink = FakeSink(away=StoreUnavailable("connection refused"))
    async with collecting(sink) as service:
        answer = await service.post(build([TRANSITION, {"event": "visible"}]))
        assert answer.status_code == 200
        assert await asyncio.to_thread(sink.entered.wait, 10)
        assert (sink.events, sink.rejected) == ([], [])
        sink.away = None
        await service.stored()
    assert len(sink.events) == 1
    assert [row.reason for row in sink.rejected] == ["missing"]


@BUILDERS
@pytest.mark.parametrize(
    ("fault", "told"),
    [
        pytest.param("fsync:error", "Input/output error", id="sync fails"),
        pytest.param("append:error=ENOSPC", "No space left on device", id="full"),
    ],
)
async def test_a_disk_that_fails_is_answered_with_retry(build: Any, fault: str, told: str) -> None:
    async with collecting() as service:
        failpoint.arm(fault)
        try:
            answer = await service.send(build([TRANSITION, {"event": "visible"}]))
        finally:
            failpoint.arm("")
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "2"
        assert told in message(answer)
        assert message(answer).endswith("send it again later")
        # it comes again, and so do the refused ones: they are counted once
        assert service.spool.counts().rejected == {}
        assert (await service.send(build([TRANSITION, {"event": "visible"}]))).status_code == 200
        counts = service.spool.counts()
        assert (counts.rejected, counts.failed_writes) == ({"missing": 1}, 1)
    assert len(service.sink.events) == 1


@BUILDERS
async def test_a_full_spool_is_answered_with_retry(build: Any) -> None:
    sink = FakeSink(gate=threading.Event())
    async with collecting(sink, Limits(spool_bytes=3_000)) as service:
        assert (await service.post(native([TRANSITION]))).status_code == 200
        assert await asyncio.to_thread(sink.entered.wait, 10)
        answer = await service.post(build([TRANSITION]))
        assert answer.status_code == 429
        assert answer.headers["retry-after"] == "2"
        assert "wait on disk for the store" in message(answer)
        sink.gate.set()
        await service.stored()
        assert (await service.send(build([TRANSITION]))).status_code == 200


async def test_a_disk_without_room_is_answered_before_the_body_is_read() -> None:
    async with collecting(free_bytes=2**62) as service:
        answer = await service.post(native([TRANSITION]))
        assert answer.status_code == 503
        assert "MiB are kept free (DONEWATCH_COLLECTOR__FREE_BYTES)" in message(answer)
        assert answer.headers["retry-after"] == "2"


@BUILDERS
async def test_a_fault_of_ours_is_no_secret_and_no_traceback(
    build: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with collecting() as service:
        with monkeypatch.context() as patch:
            patch.setattr("collector.decoder.Decoder.decode", lambda *_, **__: 1 / 0)
            answer = await service.send(build([TRANSITION]))
        assert answer.status_code == 500
        assert message(answer) == "a fault in donewatch; its log has the details"
        assert (await service.send(build([TRANSITION]))).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "told"),
    [
        pytest.param("GET", "/", 404, "POST /v1/logs, POST /v1/traces", id="the root"),
        pytest.param("POST", "/v1/metrics", 404, "POST /api/v1/events", id="OTLP metrics"),
        pytest.param("POST", "/v1/logs/", 404, "there is no /v1/logs/ here", id="a slash more"),
        pytest.param("GET", "/v1/logs", 405, "/v1/logs takes POST, not GET", id="GET of logs"),
        pytest.param("DELETE", "/healthz", 405, "takes GET, not DELETE", id="DELETE"),
        pytest.param("OPTIONS", "/api/v1/events", 405, "takes POST", id="no CORS preflight"),
    ],
)
async def test_other_paths_and_methods_name_the_right_ones(
    service: Service, method: str, path: str, status: int, told: str
) -> None:
    answer = await service.client.request(method, path, headers={"Origin": "https://evil.example"})
    assert answer.status_code == status
    assert told in message(answer)
    assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_health(service: Service) -> None:
    answer = await service.client.get("/healthz")
    assert (answer.status_code, answer.text) == (200, "ok\n")


async def test_metrics_count_requests_events_and_refusals(service: Service) -> None:
    await service.send(native([TRANSITION, TRANSITION, {"event": "visible"}]))
    await service.send(otlp_json([TRANSITION]))
    await service.client.get("/nowhere")
    answer = await service.client.get("/metrics")
    assert answer.status_code == 200
    families = list(text_string_to_metric_families(answer.text))
    assert families
    assert all(family.name.startswith("donewatch_collector_") for family in families)
    assert all(family.documentation for family in families)
    values = {
        (sample.name.removeprefix("donewatch_collector_"), *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }
    assert values["events_accepted_total",] == 3
    assert values["events_rejected_total", "missing"] == 1
    assert values["requests_total", "200", "/api/v1/events"] == 1
    assert values["requests_total", "404", "other"] == 1
    assert values["batches_total",] == 2
    assert values["insert_rows_count",] == 2
    assert values["pending_events",] == 0
    assert values["oldest_pending_seconds",] == 0


async def test_concurrent_requests_share_syncs() -> None:
    async with collecting() as service:
        failpoint.arm("fsync:sleep=0.2")
        try:
            builds = [native, otlp_json, otlp_protobuf]
            answers = await asyncio.gather(
                *(service.post(builds[each % 3]([TRANSITION] * 2)) for each in range(30))
            )
        finally:
            failpoint.arm("")
        assert {answer.status_code for answer in answers} == {200}
        await service.stored()
        text = (await service.client.get("/metrics")).text
    syncs = re.search(r"^donewatch_collector_fsync_seconds_count (\S+)$", text, re.MULTILINE)
    assert syncs is not None
    assert float(syncs.group(1)) <= 3
    assert len(service.sink.events) == 60
