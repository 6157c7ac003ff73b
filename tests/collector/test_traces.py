"""The door for spans: what it answers, keeps and counts, in both encodings."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from collector.limits import Limits
from collector.mapping import Mapper
from lifecycle.access import Access, Token, hash_token
from lifecycle.mapping_files import read_mapping
from store import Database
from store.engine import Engine
from tests.collector.running import Service, collecting
from tests.collector.senders import NANOS, TRANSITION, Body, otlp_json, otlp_protobuf
from tests.collector.spans import TRACE_SENDERS, Tracing, tracing

VISIBLE = """\
mapping: shown
on: span
match: {name: {prefix: order}}
emit:
  - event: visible
    occurred_at: end
    fields: {workflow_type: order, instance_id: {attribute: order.id}}
    keep: [note]
  - event: job
    occurred_at: end
    when: {attributes: {job: {exists: true}}}
    fields:
      {workflow_type: order, instance_id: {attribute: order.id}, job_id: j, job_state: started}
    keep: [note]
"""
LOGS = """\
mapping: logged
on: log
match: {event_name: order.shown}
emit:
  - event: visible
    fields: {workflow_type: order, instance_id: {attribute: order.id}}
"""
BOTH = pytest.mark.parametrize("send", TRACE_SENDERS.values(), ids=TRACE_SENDERS)
Send = Callable[[ExportTraceServiceRequest], Body]


def mapper(*texts: str) -> Mapper:
    return Mapper(read_mapping(text, "m.yaml") for text in texts)


@pytest.fixture
async def shown() -> AsyncIterator[Service]:
    """A collector with both mappings."""
    in_force = mapper(VISIBLE, LOGS)
    async with collecting(mapper=lambda: in_force) as service:
        yield service


def spans(fill: Callable[[Tracing], object]) -> ExportTraceServiceRequest:
    with tracing(service__name="shop") as app:
        fill(app)
        return app.request


def partial(answer: httpx.Response) -> tuple[int, str]:
    """How many were refused, and what was said."""
    assert answer.status_code == 200
    if answer.headers["content-type"] == "application/json":
        found = answer.json().get("partialSuccess", {"rejectedSpans": "0", "errorMessage": ""})
        return int(found["rejectedSpans"]), found["errorMessage"]
    response = ExportTraceServiceResponse.FromString(answer.content)
    return response.partial_success.rejected_spans, response.partial_success.error_message


async def counted(service: Service, name: str) -> dict[str, float]:
    """The figures of one metric, by their labels."""
    text = (await service.client.get("/metrics")).text
    lines = [line for line in text.splitlines() if line.startswith(name)]
    return {line.split("{")[-1].split("}")[0]: float(line.split()[-1]) for line in lines}


@BOTH
@pytest.mark.parametrize("packed", [False, True])
async def test_spans_become_events(shown: Service, send: Send, packed: bool) -> None:
    request = spans(
        lambda app: [
            app.span("order 1", attributes={"order.id": "o-1", "job": 1}),
            app.span("GET /"),
            app.span("order 2", attributes={"order.id": "o-2", "note": [1, "x"]}),
        ]
    )
    body = send(request)
    if packed:
        body = Body(
            body.path, gzip.compress(body.content), body.content_type, {"Content-Encoding": "gzip"}
        )
    assert partial(await shown.send(body)) == (0, "")
    assert [(event.event, event.instance_id) for event in shown.sink.events] == [
        ("visible", "o-1"),
        ("job", "o-1"),
        ("visible", "o-2"),
    ]
    assert shown.sink.events[-1].attributes == '{"note":[1,"x"]}'
    assert {event.service for event in shown.sink.events} == {"shop"}
    assert shown.sink.rejected == []
    assert await counted(shown, "donewatch_collector_records_ignored_total") == {
        'signal="span"': 1.0
    }


@BOTH
async def test_the_same_span_twice_is_the_same_events(shown: Service, send: Send) -> None:
    request = spans(lambda app: app.span("order", attributes={"order.id": "o", "job": 1}))
    for _ in range(2):
        await shown.send(send(request))
    assert len(shown.sink.events) == 4
    assert len({event.event_id for event in shown.sink.events}) == 2


async def test_both_encodings_give_the_same_events(shown: Service) -> None:
    request = spans(lambda app: app.span("order", attributes={"order.id": "o", "job": 1}))
    for send in TRACE_SENDERS.values():
        await shown.send(send(request))
    first, second = (
        {event.event_id for _, events in [insert] for event in events}
        for insert in shown.sink.inserts
    )
    assert first == second


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        pytest.param("application/x-protobuf", b"", id="nothing"),
        pytest.param("application/x-protobuf", b"\x0a\x00", id="an empty resource"),
        pytest.param("application/json", b"", id="nothing in JSON"),
        pytest.param("application/json", b"{}", id="an empty object"),
        pytest.param("application/json", b'{"resourceSpans":null}', id="null"),
        pytest.param("application/json", b'{"resourceSpans":[{"scopeSpans":[{}]}]}', id="no spans"),
        pytest.param("application/json; charset=utf-8", b'{"later":1}', id="what is not known yet"),
    ],
)
@pytest.mark.parametrize("mapped", [True, False])
async def test_an_empty_request_is_fine(kind: str, content: bytes, mapped: bool) -> None:
    in_force = mapper(VISIBLE) if mapped else mapper()
    async with collecting(mapper=lambda: in_force) as service:
        answer = await service.send(Body("/v1/traces", content, kind))
        assert answer.headers["content-type"] == kind.partition(";")[0]
        assert partial(answer) == (0, "")


@BOTH
async def test_spans_without_any_mapping_are_ignored_and_the_sender_is_told(
    service: Service, send: Send
) -> None:
    refused, message = partial(await service.send(send(spans(lambda app: app.span("x")))))
    assert refused == 0
    assert "no mapping of spans is in force" in message
    assert "DONEWATCH_COLLECTOR__MAPPINGS" in message
    assert (service.sink.events, service.sink.rejected) == ([], [])


@BOTH
async def test_a_span_whose_events_are_refused_is_rejected_once(shown: Service, send: Send) -> None:
    note = "x" * 70_000
    request = spans(
        lambda app: [
            app.span("order", attributes={"order.id": "o", "job": 1, "note": note}),
            app.span("order", attributes={"order.id": "o"}),
        ]
    )
    refused, message = partial(await shown.send(send(request)))
    assert refused == 1, "though two of its events are"
    assert message == "record 0: attributes have 70011 bytes as JSON; at most 65536 are kept"
    assert [event.event for event in shown.sink.events] == ["visible"]
    assert [(each.reason, each.position) for each in shown.sink.rejected] == [("too_large", 0)] * 2


@BOTH
async def test_what_a_mapping_cannot_make_is_kept_and_counted_but_not_rejected(
    shown: Service, send: Send
) -> None:
    def fill(app: Tracing) -> None:
        for number in range(30):
            app.span(f"order {number}", attributes={"job": 1})
        app.span("order", attributes={"order.id": "o"})

    assert partial(await shown.send(send(spans(fill)))) == (0, "")
    assert len(shown.sink.events) == 1
    assert len(shown.sink.rejected) == 10, "a sample"
    row = shown.sink.rejected[0]
    assert (row.reason, row.field, row.door, row.position) == ("unmapped", "instance_id", "otlp", 0)
    assert row.detail == (
        "mapping 'shown', event 1: instance_id has no value in attribute order.id"
    )
    assert json.loads(row.raw)["name"] == "order 0"
    assert shown.spool.counts().rejected == {"unmapped": 30}
    assert shown.spool.counts().rejected_unkept == 20
    assert await counted(shown, "donewatch_collector_events_unmapped_total") == {
        'field="instance_id",mapping="shown"': 30.0
    }


async def test_samples_are_so_many_a_minute() -> None:
    clock = [NANOS // 1000]
    in_force = mapper(VISIBLE)
    async with collecting(mapper=lambda: in_force, clock=lambda: clock[0]) as service:
        request = spans(lambda app: [app.span("order") for _ in range(4)])
        for _ in range(5):
            await service.send(TRACE_SENDERS["json"](request))
        assert len(service.sink.rejected) == 10
        clock[0] += 60_000_000
        await service.send(TRACE_SENDERS["json"](request))
        assert len(service.sink.rejected) == 14


SPAN: dict[str, Any] = {
    "name": "order",
    "traceId": "ab" * 16,
    "spanId": "cd" * 8,
    "startTimeUnixNano": str(NANOS),
    "endTimeUnixNano": NANOS,
    "attributes": [{"key": "order.id", "value": {"stringValue": "o"}}],
}


def json_body(**given: Any) -> Body:
    document = {"resourceSpans": [{"scopeSpans": [{"spans": [{**SPAN, **given}]}]}]}
    return Body("/v1/traces", json.dumps(document).encode(), "application/json")


@pytest.mark.parametrize(
    ("given", "field", "told"),
    [
        pytest.param({"traceId": "AB" * 16}, "", "", id="upper case"),
        pytest.param({"kind": 5, "status": {"code": 2}}, "", "", id="numbers of enums"),
        pytest.param({"kind": "SPAN_KIND_CLIENT", "status": {}}, "", "", id="names of enums"),
        pytest.param({"kind": 99, "status": {"code": [1]}}, "", "", id="enums of the future"),
        pytest.param({"attributes": SPAN["attributes"] * 2}, "", "", id="an attribute twice"),
        pytest.param({"links": [{"traceId": 1}], "flags": 257}, "", "", id="what is not looked at"),
        pytest.param({"traceId": "q6urq6urq6urq6urq6urqw=="}, "trace_id", "32 hex", id="base64"),
        pytest.param({"spanId": "cd"}, "span_id", "16 hex", id="a short span id"),
        pytest.param({"endTimeUnixNano": "soon"}, "endTimeUnixNano", "whole nano", id="no time"),
        pytest.param({"startTimeUnixNano": -1}, "startTimeUnixNano", "whole", id="before 1970"),
        pytest.param({"endTimeUnixNano": 10**15}, "timeUnixNano", "before 2000", id="no nanos"),
    ],
)
async def test_odd_spans_in_json(
    shown: Service, given: dict[str, Any], field: str, told: str
) -> None:
    refused, message = partial(await shown.send(json_body(**given)))
    assert refused == bool(field)
    assert told in message
    assert [each.field for each in shown.sink.rejected] == ([field] if field else [])
    assert [each.trace_id for each in shown.sink.events] == ([] if field else ["ab" * 16])


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        pytest.param(
            Body("/v1/traces", b"\xff\xff", "application/x-protobuf"), 400, "cut short", id="junk"
        ),
        pytest.param(Body("/v1/traces", b"{", "application/json"), 400, "in JSON", id="half"),
        pytest.param(
            Body("/v1/traces", b'{"resourceSpans":7}', "application/json"),
            400,
            "$.resourceSpans",
            id="a number instead of a list",
        ),
        pytest.param(json_body(name=7), 400, "spans[0].name", id="a name that is a number"),
        pytest.param(
            Body("/v1/traces", b"[" * 100_000, "application/json"), 400, "", id="nothing but depth"
        ),
        pytest.param(
            Body("/v1/traces", b"{}", "text/plain"), 415, "application/x-protobuf or", id="a type"
        ),
        pytest.param(Body("/v1/traces", b"", ""), 415, "there is no Content-Type", id="no type"),
        pytest.param(
            Body("/v1/traces", b"{}", "application/json", {"Content-Encoding": "br"}),
            415,
            "send gzip or none",
            id="another encoding",
        ),
        pytest.param(
            Body("/v1/traces", b" " * (9 << 20), "application/json"), 413, "smaller", id="too large"
        ),
        pytest.param(
            Body("/v1/traces", b"\x0a\x00" * 50_001, "application/x-protobuf"),
            413,
            "groups its records 50001 times",
            id="too many resources",
        ),
    ],
)
async def test_bodies_that_are_refused(shown: Service, body: Body, status: int, told: str) -> None:
    answer = await shown.send(body)
    assert answer.status_code == status
    assert told in answer.text
    kind = answer.headers["content-type"]
    assert kind == (
        "application/x-protobuf" if "protobuf" in body.content_type else "application/json"
    )
    if kind == "application/json":
        assert answer.json()["code"] == 3, "google.rpc.Status"
    assert shown.sink.events == []


@BOTH
async def test_too_many_spans(send: Send) -> None:
    in_force = mapper(VISIBLE)
    request = spans(lambda app: [app.span("order", attributes={"order.id": "o"}) for _ in range(5)])
    async with collecting(limits=Limits(records=4), mapper=lambda: in_force) as service:
        answer = await service.send(send(request))
        assert answer.status_code == 413
        assert "5 records" in answer.text
        assert service.sink.events == []


@BOTH
async def test_a_token_is_asked_for(send: Send) -> None:
    access = Access([Token(hash_token("t0ken"), "acme", frozenset({"ingest"}))])
    in_force = mapper(VISIBLE)
    request = spans(lambda app: app.span("order", attributes={"order.id": "o"}))
    async with collecting(access=access, mapper=lambda: in_force) as service:
        assert (await service.send(send(request))).status_code == 401
        fine = await service.send(send(request), Authorization="Bearer t0ken")
        assert fine.status_code == 200
    assert [event.tenant for event in service.sink.events] == ["acme"]


async def test_many_spans_of_others_cost_little_and_the_one_of_ours_is_found(
    shown: Service,
) -> None:
    request = spans(lambda app: app.span("order", attributes={"order.id": "o"}))
    group = request.resource_spans.add().scope_spans.add()
    for _ in range(49_999):
        group.spans.add().name = "GET /"
    body = TRACE_SENDERS["protobuf"](request)
    assert partial(await shown.send(body)) == (0, "")
    assert len(shown.sink.events) == 1
    assert await counted(shown, "donewatch_collector_records_ignored_total") == {
        'signal="span"': 49_999.0
    }


@pytest.mark.parametrize("send", [otlp_protobuf, otlp_json])
async def test_logs_become_events_at_the_door_of_logs(
    shown: Service, send: Callable[..., Body]
) -> None:
    event = {"event": "x", "occurred_at": NANOS, "attributes": {"order.id": "o-7"}}
    body = send([event, TRANSITION, event])
    content = body.content.replace(b"donewatch.x", b"order.shown", 1)
    answer = await shown.send(Body(body.path, content, body.content_type))
    assert answer.status_code == 200
    assert b"record 2" in answer.content, "what no mapping matches is refused as ever"
    assert [(each.event, each.instance_id) for each in shown.sink.events] == [
        ("visible", "o-7"),
        ("transition", "order-7"),
    ]
    assert [each.reason for each in shown.sink.rejected] == ["unknown_event"]


@pytest.mark.parametrize("send", [otlp_protobuf, otlp_json])
async def test_logs_of_others_are_ignored_where_a_mapping_says_so(
    send: Callable[..., Body],
) -> None:
    in_force = mapper(LOGS + "otherwise: ignore\n")
    async with collecting(mapper=lambda: in_force) as service:
        body = send([{"event": "x"}, TRANSITION, {"event": "transitoin"}])
        content = body.content.replace(b"donewatch.x", b"GET-of-home")
        answer = await service.send(Body(body.path, content, body.content_type))
        assert b"did you mean 'donewatch.transition'?" in answer.content
        assert [each.position for each in service.sink.rejected] == [2]
        assert len(service.sink.events) == 1
        assert await counted(service, "donewatch_collector_records_ignored_total") == {
            'signal="log"': 1.0
        }


async def test_mappings_may_change_between_two_requests() -> None:
    in_force = [mapper()]
    request = spans(lambda app: app.span("order", attributes={"order.id": "o"}))
    async with collecting(mapper=lambda: in_force[0]) as service:
        await service.send(TRACE_SENDERS["protobuf"](request))
        assert service.sink.events == []
        in_force[0] = mapper(VISIBLE)
        await service.send(TRACE_SENDERS["protobuf"](request))
        assert len(service.sink.events) == 1


async def test_logs_become_events_beside_ordinary_ones_that_the_engine_decodes(
    embedded_database: Database,
) -> None:
    in_force = mapper(LOGS)
    engine = Engine.at(embedded_database.location)
    assert engine is not None
    try:
        async with collecting(
            limits=Limits(alone_bytes=0, window_records=0), mapper=lambda: in_force, engine=engine
        ) as service:
            event = {"event": "x", "occurred_at": NANOS, "attributes": {"order.id": "o-7"}}
            foreign = otlp_protobuf([TRANSITION, event])
            content = foreign.content.replace(b"donewatch.x", b"order.shown")
            bodies = [
                otlp_protobuf([TRANSITION]),
                Body(foreign.path, content, foreign.content_type),
                otlp_protobuf([TRANSITION]),
            ]
            answers = await asyncio.gather(*map(service.post, bodies))
            await service.stored()
    finally:
        engine.close()
    assert [each.content for each in answers] == [b""] * 3
    assert sorted(each.event for each in service.sink.events) == ["transition"] * 3 + ["visible"]
