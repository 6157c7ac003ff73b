"""The same event is the same event, whichever door it comes through."""

import json
from dataclasses import replace
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from tests.collector.running import Service
from tests.collector.senders import (
    HEARTBEAT,
    JOB,
    NANOS,
    NOW,
    OUTBOX,
    SENDERS,
    TRANSITION,
    VISIBLE,
    Body,
    native,
    otlp_json,
    otlp_protobuf,
)

GOOD = [
    pytest.param(TRANSITION, {"from_state": "", "to_state": "submitted"}, id="a creation"),
    pytest.param(
        TRANSITION, {"outcome": "committed", "class_": "normal"}, id="defaults of a transition"
    ),
    pytest.param(
        TRANSITION
        | {
            "from": "submitted",
            "to": "payment_pending",
            "action": "request_payment",
            "key": "k" * 512,
            "outcome": "conflict",
            "rejection": "stale_version",
            "class": "override",
            "entered_at": NANOS - 5_000,
            "error_type": "Timeout",
            "sequence": 0,
            "business_key": "cart-9",
            "actor_type": "operator",
            "actor_id": "ann@example.org",
            "reason": "line one\nline two\tend",
            "workflow_version": "3",
            "service": "shop",
            "service_version": "1.2.3",
            "environment": "prod",
            "trace_id": "0AF7651916CD43DD8448EB211C80319C".lower(),
            "span_id": "b7ad6b7169203331",
        },
        {
            "from_state": "submitted",
            "to_state": "payment_pending",
            "action": "request_payment",
            "key": "k" * 512,
            "outcome": "conflict",
            "rejection": "stale_version",
            "class_": "override",
            "entered_at": NOW - 5,
            "error_type": "Timeout",
            "sequence": 0,
            "business_key": "cart-9",
            "actor_type": "operator",
            "actor_id": "ann@example.org",
            "reason": "line one\nline two\tend",
            "workflow_version": "3",
            "service": "shop",
            "service_version": "1.2.3",
            "environment": "prod",
            "trace_id": "0af7651916cd43dd8448eb211c80319c",
            "span_id": "b7ad6b7169203331",
        },
        id="every field of a transition",
    ),
    pytest.param(
        JOB
        | {
            "job_type": "charge_card",
            "job_queue": "payments",
            "job_state": "failed",
            "attempt": 3,
            "max_attempts": 5,
            "scheduled_at": "2026-03-01T12:00:00.000001999Z",
            "effect_key": "charge-7",
            "cause_key": "pay-7",
            "basis_sequence": 2**63 - 1,
            "error_type": "CardDeclined",
        },
        {
            "job_type": "charge_card",
            "job_queue": "payments",
            "job_state": "failed",
            "attempt": 3,
            "max_attempts": 5,
            "scheduled_at": NOW + 1,
            "effect_key": "charge-7",
            "cause_key": "pay-7",
            "basis_sequence": 2**63 - 1,
            "error_type": "CardDeclined",
        },
        id="every field of a job",
    ),
    pytest.param(
        OUTBOX | {"outbox_state": "failed", "transition_key": "pay-7", "error_type": "Closed"},
        {"outbox_state": "failed", "transition_key": "pay-7", "key": "", "error_type": "Closed"},
        id="every field of an outbox record",
    ),
    pytest.param(VISIBLE, {"event": "visible", "outcome": ""}, id="visible"),
    pytest.param(HEARTBEAT, {"instance_id": ""}, id="a heartbeat needs no instance"),
    pytest.param(
        HEARTBEAT
        | {"producer": "host-1/42", "emitted": 10, "dropped": 2, "workflow_type": "order"},
        {"producer": "host-1/42", "emitted": 10, "dropped": 2, "workflow_type": "order"},
        id="every field of a heartbeat",
    ),
    pytest.param(
        TRANSITION | {"instance_id": "Bestellung-äöü-訂單-🛒"},
        {"instance_id": "Bestellung-äöü-訂單-🛒"},
        id="ids beyond ASCII",
    ),
    pytest.param(
        TRANSITION | {"instance_id": "x" * 256}, {"instance_id": "x" * 256}, id="the longest id"
    ),
    pytest.param(
        TRANSITION | {"workflow_type": "Shop.order_v2:EU-1"},
        {"workflow_type": "Shop.order_v2:EU-1"},
        id="every kind of character of a workflow type",
    ),
    pytest.param(TRANSITION | {"sequence": -(2**63)}, {"sequence": -(2**63)}, id="least integer"),
    pytest.param(TRANSITION | {"from": "", "action": ""}, {"from_state": ""}, id="empty is absent"),
    pytest.param(
        TRANSITION | {"actor_id": None, "sequence": None},
        {"actor_id": "", "sequence": None},
        id="null is absent",
    ),
    pytest.param(
        TRANSITION | {"trace_id": "0" * 32, "span_id": "0" * 16},
        {"trace_id": "", "span_id": ""},
        id="ids of zeros are none",
    ),
    pytest.param(
        TRANSITION
        | {
            "attributes": {
                "z": "text",
                "a": 1,
                "flag": True,
                "share": 0.5,
                "whole": 2.0,
                "list": [1, "b", [False]],
                "map": {"k": {"l": 1}},
                "gone": None,
                "empty": "",
            }
        },
        {
            "attributes": '{"a":1,"empty":"","flag":true,"list":[1,"b",[false]],'
            '"map":{"k":{"l":1}},"share":0.5,"whole":2.0,"z":"text"}'
        },
        id="further attributes keep their types",
    ),
    pytest.param(
        TRANSITION | {"attributes": {"donewatch.job.id": "j-1"}},
        {"job_id": "", "attributes": '{"donewatch.job.id":"j-1"}'},
        id="an attribute of another kind of event is a further one",
    ),
]


@pytest.mark.parametrize(("sent", "expected"), GOOD)
async def test_an_event_is_the_same_through_every_door(
    service: Service, sent: dict[str, Any], expected: dict[str, Any]
) -> None:
    for build in SENDERS.values():
        answer = await service.send(build([sent]))
        assert answer.status_code == 200, answer.text
    events = service.sink.events
    assert len(events) == len(SENDERS), service.sink.rejected
    first = events[0]
    assert {name: getattr(first, name) for name in expected} == expected
    alike = [replace(event, received_at=0, segment=0, position=0) for event in events]
    assert alike == [alike[0]] * len(alike)
    assert first.tenant == "default"
    assert first.occurred_at == NOW


@pytest.mark.parametrize("build", SENDERS.values(), ids=SENDERS.keys())
async def test_an_id_is_derived_from_content_where_none_was_sent(
    service: Service, build: Any
) -> None:
    bare = {name: value for name, value in TRANSITION.items() if name != "event_id"}
    await service.send(build([bare, bare | {"instance_id": "order-8"}]))
    await service.send(build([bare]))
    same, other, again = service.sink.events
    assert same.event_id == again.event_id
    assert same.received_at != again.received_at
    assert other.event_id != same.event_id
    assert len(same.event_id) == 32


async def test_the_derived_id_does_not_depend_on_the_door(service: Service) -> None:
    bare = {name: value for name, value in TRANSITION.items() if name != "event_id"}
    for build in SENDERS.values():
        await service.send(build([bare]))
    assert len({event.event_id for event in service.sink.events}) == 1


async def test_the_order_of_fields_does_not_change_the_id(service: Service) -> None:
    bare = {name: value for name, value in TRANSITION.items() if name != "event_id"}
    sent = bare | {"attributes": {"a": {"x": 1, "y": 2}, "b": 2}}
    turned = dict(reversed(sent.items())) | {"attributes": {"b": 2, "a": {"y": 2, "x": 1}}}
    await service.send(native([sent, turned, sent | {"attributes": {"a": 1}}]))
    one, two, other = service.sink.events
    assert one.event_id == two.event_id
    assert other.event_id != one.event_id


@pytest.mark.parametrize("build", SENDERS.values(), ids=SENDERS.keys())
async def test_without_a_time_the_receipt_is_the_time_and_not_part_of_the_id(
    service: Service, build: Any
) -> None:
    bare = {n: v for n, v in TRANSITION.items() if n not in ("event_id", "occurred_at")}
    await service.send(build([bare]))
    await service.send(build([bare]))
    one, two = service.sink.events
    assert one.occurred_at == one.received_at
    assert one.event_id == two.event_id


async def test_observed_time_stands_in_for_a_missing_time(service: Service) -> None:
    log = {
        "eventName": "donewatch.heartbeat",
        "timeUnixNano": "0",
        "observedTimeUnixNano": NANOS - 7_000,
    }
    body = {"resourceLogs": [{"scopeLogs": [{"logRecords": [log]}]}]}
    await service.send(Body("/v1/logs", json.dumps(body).encode(), "application/json"))
    assert service.sink.events[0].occurred_at == NOW - 7


@pytest.mark.parametrize(
    "written",
    [
        pytest.param("2026-03-01T12:00:00Z", id="RFC 3339"),
        pytest.param("2026-03-01t13:00:00.000000+01:00", id="RFC 3339 with an offset"),
        pytest.param("2026-03-01 12:00:00.0000009Z", id="beyond microseconds, rounded down"),
        pytest.param(NANOS + 999, id="nanoseconds, rounded down"),
        pytest.param(str(NANOS), id="nanoseconds as text, for JavaScript"),
    ],
)
async def test_ways_to_write_a_time(service: Service, written: Any) -> None:
    await service.send(native([TRANSITION | {"occurred_at": written}]))
    assert [event.occurred_at for event in service.sink.events] == [NOW]


@pytest.mark.parametrize("build", [otlp_protobuf, otlp_json])
async def test_older_sdks_name_the_event_in_an_attribute(service: Service, build: Any) -> None:
    sent = HEARTBEAT | {"attributes": {"event.name": "donewatch.heartbeat", "mine": 1}}
    body = build([sent | {"event": ""}])
    body = replace(body, content=body.content.replace(b'"donewatch."', b'""'))
    if build is otlp_protobuf:
        request = ExportLogsServiceRequest.FromString(body.content)
        request.resource_logs[0].scope_logs[0].log_records[0].ClearField("event_name")
        body = replace(body, content=request.SerializeToString())
    await service.send(body)
    (event,) = service.sink.events
    assert event.event == "heartbeat"
    assert event.attributes == '{"mine":1}'


async def test_what_json_cannot_say_of_doubles_is_kept_as_text(service: Service) -> None:
    values = {"a": float("nan"), "b": float("inf"), "c": float("-inf")}
    await service.send(otlp_protobuf([TRANSITION | {"attributes": values}]))
    (event,) = service.sink.events
    assert event.attributes == '{"a":"NaN","b":"Infinity","c":"-Infinity"}'


async def test_unknown_names_of_otlp_json_are_ignored(service: Service) -> None:
    body = otlp_json([TRANSITION])
    content = body.content.replace(b'"resourceLogs"', b'"future": {"x": [1]}, "resourceLogs"')
    content = content.replace(
        b'"eventName"', b'"body": {"stringValue": "x"}, "new": 1, "eventName"'
    )
    answer = await service.send(replace(body, content=content))
    assert answer.json() == {}
    assert len(service.sink.events) == 1


async def test_the_older_name_of_the_environment(service: Service) -> None:
    body = otlp_json([TRANSITION | {"environment": "prod"}])
    content = body.content.replace(b"deployment.environment.name", b"deployment.environment")
    await service.send(replace(body, content=content))
    assert service.sink.events[0].environment == "prod"


@pytest.mark.parametrize(
    "name",
    ["transition_from", "from"],
    ids=["the attribute's name with underscores", "the short name"],
)
async def test_native_names_and_aliases(service: Service, name: str) -> None:
    await service.send(native([TRANSITION | {name: "a", "transition_key": "k"}]))
    (event,) = service.sink.events
    assert event.from_state == "a"
    assert event.key == "k"


@pytest.mark.parametrize("event", ["transition", "donewatch.transition"])
async def test_native_events_by_short_and_full_name(service: Service, event: str) -> None:
    await service.send(native([TRANSITION | {"event": event}]))
    assert service.sink.events[0].event == "transition"


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        pytest.param(json.dumps(TRANSITION, indent=2), "application/json", id="one object"),
        pytest.param(f"\ufeff{json.dumps(TRANSITION)}", "application/json", id="byte order mark"),
        pytest.param(f"\r\n{json.dumps(TRANSITION)}\r\n\n", "application/x-ndjson", id="CRLF"),
        pytest.param(f" [{json.dumps(TRANSITION)}]\n", "application/x-ndjson", id="array"),
        pytest.param(json.dumps(TRANSITION), "application/json; charset=utf-8", id="parameter"),
    ],
)
async def test_shapes_of_a_native_body(service: Service, content: str, content_type: str) -> None:
    answer = await service.send(Body("/api/v1/events", content.encode(), content_type))
    assert answer.json() == {"accepted": 1, "rejected": []}
