"""Answers that are not about the events themselves: access, paths, back-pressure, metrics."""

import asyncio
import threading
from typing import Any

import pytest
from google.rpc.status_pb2 import Status
from prometheus_client.parser import text_string_to_metric_families

from collector.limits import Limits
from lifecycle.access import Access, Token, hash_token
from lifecycle.errors import StoreRefused, StoreUnavailable
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
async def test_a_store_that_is_away_is_answered_with_retry(build: Any) -> None:
    sink = FakeSink(errors=[StoreUnavailable("connection refused")] * 3)
    async with collecting(sink) as service:
        answer = await service.send(build([TRANSITION, {"event": "visible"}]))
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "2"
        assert "connection refused" in message(answer)
        # it comes again, and so do the refused ones: they are counted once
        assert service.batcher.counts().rejected == {}
        assert (await service.send(build([TRANSITION, {"event": "visible"}]))).status_code == 200
        assert service.batcher.counts().rejected == {"missing": 1}
    assert len(sink.events) == 1


@BUILDERS
async def test_a_store_that_refuses_is_answered_for_good(build: Any) -> None:
    async with collecting(FakeSink(errors=[StoreRefused("no such column")])) as service:
        answer = await service.send(build([TRANSITION]))
        assert answer.status_code == 500
        assert "retry-after" not in answer.headers
        assert "no such column" in message(answer)
        assert (await service.send(build([TRANSITION]))).status_code == 200


@BUILDERS
async def test_too_much_waiting_is_answered_with_retry(build: Any) -> None:
    sink = FakeSink(gate=threading.Event())
    async with collecting(sink, Limits(pending_rows=2)) as service:
        first = asyncio.create_task(service.send(native([TRANSITION] * 2)))
        assert await asyncio.to_thread(sink.entered.wait, 10)
        answer = await service.send(build([TRANSITION]))
        assert answer.status_code == 429
        assert answer.headers["retry-after"] == "2"
        assert "wait to be stored" in message(answer)
        sink.gate.set()
        assert (await first).status_code == 200


@BUILDERS
async def test_a_fault_of_ours_is_no_secret_and_no_traceback(
    build: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with collecting() as service:
        with monkeypatch.context() as patch:
            patch.setattr("collector.app._checked", lambda *_: 1 / 0)
            answer = await service.send(build([TRANSITION]))
        assert answer.status_code == 500
        assert message(answer) == "a fault in donewatch; its log has the details"
        assert (await service.send(build([TRANSITION]))).status_code == 200


@pytest.mark.parametrize(
    ("kind", "content"), [("application/x-protobuf", b"\x0a\x00"), ("application/json", b"{}")]
)
async def test_traces_are_refused_for_good(service: Service, kind: str, content: bytes) -> None:
    answer = await service.client.post(
        "/v1/traces", content=content, headers={"Content-Type": kind}
    )
    assert answer.status_code == 501
    assert answer.headers["content-type"] == kind
    assert "do not retry" in message(answer)


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


async def test_concurrent_requests_share_inserts() -> None:
    sink = FakeSink(gate=threading.Event())
    async with collecting(sink) as service:
        builds = [native, otlp_json, otlp_protobuf]
        first = asyncio.create_task(service.send(native([TRANSITION])))
        assert await asyncio.to_thread(sink.entered.wait, 10)
        rest = [
            asyncio.create_task(service.send(builds[each % 3]([TRANSITION] * 2)))
            for each in range(30)
        ]
        while service.batcher.counts().pending < 61:
            await asyncio.sleep(0.001)
        sink.gate.set()
        answers = await asyncio.gather(first, *rest)
    assert {answer.status_code for answer in answers} == {200}
    assert [len(rows) for _, rows in sink.inserts] == [1, 60]
