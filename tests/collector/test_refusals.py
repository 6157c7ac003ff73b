"""A record that is wrong is named by index and field and kept; the others are taken."""

import json
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)

from collector.limits import Limits
from lifecycle.events import FIELDS, EventKind, FieldType
from tests.collector.running import FakeSink, Service, collecting
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

OF_KIND = {
    "transition": TRANSITION,
    "job": JOB,
    "outbox": OUTBOX,
    "visible": VISIBLE,
    "heartbeat": HEARTBEAT,
}
ATTRIBUTE_OF = {field.name: field.attribute for field in FIELDS} | {
    "event": "event_name",
    "occurred_at": "timeUnixNano",
}

# (what is sent, the native field named, the reason, part of the error)
BAD: list[Any] = []


def bad(sent: dict[str, Any], field: str, reason: str, error: str, id: str) -> None:  # noqa: A002
    BAD.append(pytest.param(sent, field, reason, error, id=id))


def without(event: dict[str, Any], name: str) -> dict[str, Any]:
    return {each: value for each, value in event.items() if each != name}


for each in FIELDS:
    for kind in EventKind:
        if kind in each.kinds and each.required:
            sent = without(OF_KIND[kind], each.name)
            bad(sent, each.name, "missing", f"every {kind} event", f"{kind} without {each.name}")
            bad(sent | {each.name: ""}, each.name, "missing", "", f"{kind}, empty {each.name}")
    event = OF_KIND[each.kinds[0] if each.kinds else "transition"]
    name = each.name
    if each.type is FieldType.INTEGER:
        for wrong, called in ((True, "boolean"), ("5", "string"), (1.5, "number"), ([1], "array")):
            bad(event | {name: wrong}, name, "type", "must be an integer", f"{name} is a {called}")
    elif each.type is FieldType.TIME:
        bad(event | {name: True}, name, "type", "RFC 3339", f"{name} is a boolean")
        bad(event | {name: 1.5}, name, "type", "RFC 3339", f"{name} is a number")
        bad(event | {name: "yesterday"}, name, "time", "RFC 3339", f"{name} is no time")
        bad(event | {name: NOW}, name, "time", "looks like microseconds", f"{name} too early")
    else:
        for value, called in ((5, "integer"), (False, "boolean"), ({"a": "b"}, "object")):
            bad(event | {name: value}, name, "type", "must be a string", f"{name} is a {called}")
        if each.choices:
            bad(event | {name: "Nope"}, name, "choice", each.choices[0], f"{name} not a choice")
        else:
            long = "x" * (each.max_length + 1)
            bad(event | {name: long}, name, "length", str(each.max_length), f"{name} is too long")
            for character in "\0\x1b\x7f\x85":
                bad(
                    event | {name: f"a{character}b"},
                    name,
                    "characters",
                    f"U+{ord(character):04X} at 1",
                    f"{name} has {ord(character):#x}",
                )

bad(TRANSITION | {"instance_id": "a\nb"}, "instance_id", "characters", "U+000A", "line break in id")
for workflow in ("a b", "a/b", "ä", "a%", "a\u202eb"):
    bad(
        TRANSITION | {"workflow_type": workflow},
        "workflow_type",
        "characters",
        "A-Z a-z 0-9 . _ : -",
        f"workflow type {workflow!r}",
    )
bad(
    TRANSITION | {"event": "transitoin"}, "event", "unknown_event", "transition'?", "misspelt event"
)
bad(TRANSITION | {"event": "login"}, "event", "unknown_event", "one of", "an unknown event")
bad(TRANSITION | {"trace_id": "abc0"}, "trace_id", "characters", "32 hex", "short trace id")
bad(TRANSITION | {"span_id": "ab" * 9}, "span_id", "characters", "16 hex", "long span id")
for written, hint in (
    (NANOS // 10**9, "looks like seconds instead of nanoseconds"),
    (NANOS // 10**6, "looks like milliseconds"),
    (NANOS // 10**3, "looks like microseconds"),
    (1, "lies before 2000"),
    (946_684_799_999_999_999, "lies before 2000"),
    (2**63, "lies after 2261"),
):
    bad(TRANSITION | {"occurred_at": written}, "occurred_at", "time", hint, f"at {written}")
bad(
    TRANSITION | {"attributes": {str(each): 1 for each in range(129)}},
    "attributes",
    "too_large",
    "at most 128",
    "too many attributes",
)
bad(
    TRANSITION | {"attributes": {"a": "x" * 70_000}},
    "attributes",
    "too_large",
    "at most 65536",
    "too long attributes",
)


@pytest.mark.parametrize(("sent", "field", "reason", "error"), BAD)
async def test_a_bad_event_is_refused_alike_at_every_door(
    service: Service, sent: dict[str, Any], field: str, reason: str, error: str
) -> None:
    for name, build in SENDERS.items():
        answer = await service.send(build([VISIBLE, sent, HEARTBEAT]))
        assert answer.status_code == 200, answer.text
        if name.startswith("native"):
            assert answer.json()["accepted"] == 2
            (refused,) = answer.json()["rejected"]
            assert refused["index"] == 1
            assert refused["field"] == field
            assert refused["error"].startswith(field)
            assert error in refused["error"]
        else:
            count, message = _partial(answer)
            assert count == 1
            assert message.startswith(f"record 1: {ATTRIBUTE_OF.get(field, field)} ")
            assert error in message
    sink = service.sink
    await service.stored()
    assert {event.event for event in sink.events} == {"visible", "heartbeat"}
    assert {(row.reason, row.position) for row in sink.rejected} == {(reason, 1)}


def _partial(answer: Any) -> tuple[int, str]:
    if answer.headers["content-type"] == "application/x-protobuf":
        partial = ExportLogsServiceResponse.FromString(answer.content).partial_success
        return partial.rejected_log_records, partial.error_message
    partial = answer.json()["partialSuccess"]
    return int(partial["rejectedLogRecords"]), partial["errorMessage"]


NATIVE_ONLY = [
    pytest.param({"instnce_id": "x"}, "instnce_id", "did you mean 'instance_id'?", id="misspelt"),
    pytest.param({"colour": "x"}, "colour", "into attributes", id="a field of one's own"),
    pytest.param({"job_id": "j"}, "job_id", "belongs to job events", id="of another event"),
    pytest.param({"tenant": "other"}, "tenant", "not a field", id="a tenant cannot be chosen"),
    pytest.param({"received_at": NANOS}, "received_at", "not a field", id="nor the receipt"),
    pytest.param(
        {"attributes": []}, "attributes", "an array; it must be an object", id="no object"
    ),
    pytest.param(
        {"attributes": {"donewatch.instance.id": "x"}},
        "attributes.donewatch.instance.id",
        "send it once",
        id="given twice",
    ),
    pytest.param(
        {"from": "a", "transition_from": "b"}, "transition_from", "two names", id="two names"
    ),
    pytest.param({"event": None}, "event", "one of transition, job", id="no event"),
    pytest.param({"event": 5}, "event", "an integer; it must be a string", id="event of a type"),
    pytest.param({"occurred_at": True}, "occurred_at", "a boolean", id="time of a type"),
    pytest.param({"occurred_at": 1.7e9}, "occurred_at", "integer nanoseconds", id="float time"),
    pytest.param({"occurred_at": "2026-03-01"}, "occurred_at", "RFC 3339", id="a date"),
    pytest.param({"occurred_at": "2026-03-01T12:00:00"}, "occurred_at", "zone", id="no zone"),
    pytest.param({"occurred_at": "2026-02-30T12:00:00Z"}, "occurred_at", "RFC 3339", id="no day"),
    pytest.param({"occurred_at": "0001-01-01T00:00:00+14:00"}, "occurred_at", "2000", id="year 1"),
    pytest.param({"occurred_at": "9999-12-31T23:59:59Z"}, "occurred_at", "2261", id="year 9999"),
    pytest.param({"occurred_at": -1}, "occurred_at", "before 2000", id="negative"),
    pytest.param({"occurred_at": 10**40}, "occurred_at", "after 2261", id="huge"),
    pytest.param({"sequence": 2**63}, "sequence", "64 bits", id="beyond 64 bits"),
    pytest.param({"sequence": -(10**40)}, "sequence", "64 bits", id="far below 64 bits"),
    pytest.param({"trace_id": "g" * 32}, "trace_id", "32 hexadecimal", id="trace id not hex"),
    pytest.param({"trace_id": 5}, "trace_id", "must be a string", id="trace id of a type"),
    pytest.param({"span_id": "0x" + "a" * 14}, "span_id", "16 hexadecimal", id="span id prefix"),
]


@pytest.mark.parametrize(("change", "field", "error"), NATIVE_ONLY)
async def test_what_only_the_native_door_can_get_wrong(
    service: Service, change: dict[str, Any], field: str, error: str
) -> None:
    answer = await service.send(native([TRANSITION, TRANSITION | change]))
    assert answer.json()["accepted"] == 1
    (refused,) = answer.json()["rejected"]
    assert (refused["index"], refused["field"]) == (1, field)
    assert error in refused["error"]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        pytest.param(b'{"event": "visible"', "is not JSON", id="cut short"),
        pytest.param(b"hello", "is not JSON", id="text"),
        pytest.param(b"5", "is an integer; an event is a JSON object", id="a number"),
        pytest.param(b"null", "is null", id="null"),
        pytest.param(b'"x"', "is a string", id="a string"),
        pytest.param(b'{"event": "visible", "reason": "\xff"}', "is not JSON", id="not UTF-8"),
        pytest.param(b'{"event": "visible", "reason": "\\ud800"}', "not JSON", id="surrogate"),
        pytest.param(b'{"event": "visible", "reason": "a\x01"}', "not JSON", id="control"),
        pytest.param(b'{"event": NaN}', "is not JSON", id="NaN"),
        pytest.param(b'{"event": 1e999}', "is not JSON", id="infinite number"),
        pytest.param(b'{"event": ' + b"9" * 5000 + b"}", "is not JSON", id="endless integer"),
        pytest.param(b'{"a":' * 100_000, "nested too deep", id="bottomless object"),
        pytest.param(b'{"a": 1}{"b": 2}', "is not JSON", id="two on a line"),
    ],
)
async def test_a_bad_line_is_refused_alone(service: Service, line: bytes, error: str) -> None:
    good = native([TRANSITION]).content
    body = Body("/api/v1/events", b"\n".join([good, line, good]), "application/x-ndjson")
    answer = await service.send(body)
    assert answer.status_code == 200
    assert answer.json()["accepted"] == 2
    (refused,) = answer.json()["rejected"]
    assert (refused["index"], refused["field"]) == (1, "")
    assert error in refused["error"]
    await service.stored()
    (kept,) = service.sink.rejected
    assert kept.raw == line[:4096].decode("utf-8", "replace")
    assert kept.reason == "malformed"


@pytest.mark.parametrize("build", SENDERS.values(), ids=SENDERS.keys())
async def test_values_nested_too_deep_are_refused_and_shallower_ones_taken(
    service: Service, build: Any
) -> None:
    deep: Any = "x"
    for _ in range(16):
        deep = [deep]
    sent = [TRANSITION | {"attributes": {"a": deep}}, TRANSITION | {"attributes": {"a": [deep]}}]
    answer = await service.send(build(sent))
    assert len(service.sink.events) == 1
    assert "nested too deep" in (
        answer.text if "json" in answer.headers["content-type"] else _partial(answer)[1]
    )


OTLP_JSON_LOGS = [
    pytest.param({"timeUnixNano": "soon"}, "timeUnixNano is 'soon'", id="time as words"),
    pytest.param({"timeUnixNano": -5}, "timeUnixNano is '-5'", id="negative time"),
    pytest.param({"timeUnixNano": 2**64 - 1}, "lies after 2261", id="greatest time"),
    pytest.param({"timeUnixNano": 1.5}, "whole nanoseconds", id="fraction of a nanosecond"),
    pytest.param({"observedTimeUnixNano": 5}, "observedTimeUnixNano lies before", id="observed"),
    pytest.param({"traceId": "W47/95gDgQPSaYZBTbE4JQ=="}, "32 hexadecimal", id="base64 trace id"),
    pytest.param({"eventName": None}, "event_name is missing", id="a plain log"),
    pytest.param({"attributes": [{"key": "k", "value": {"intValue": "5x"}}]}, "k has", id="int"),
    pytest.param(
        {"attributes": [{"key": "k", "value": {"intValue": str(2**63)}}]}, "64-bit", id="long int"
    ),
    pytest.param(
        {"attributes": [{"key": "k", "value": {"bytesValue": "*"}}]}, "base64", id="not base64"
    ),
    pytest.param(
        {"attributes": [{"key": "k", "value": {"doubleValue": "x"}}]}, "number", id="no double"
    ),
    pytest.param(
        {"attributes": [{"key": "k", "value": {"intValue": 1}}] * 2}, "more than once", id="twice"
    ),
]


@pytest.mark.parametrize(("log", "error"), OTLP_JSON_LOGS)
async def test_one_bad_record_of_otlp_json(
    service: Service, log: dict[str, Any], error: str
) -> None:
    good = {"eventName": "donewatch.heartbeat"}
    logs = [good, good | log, good]
    body = {"resourceLogs": [{"scopeLogs": [{"logRecords": logs}]}]}
    answer = await service.send(Body("/v1/logs", json.dumps(body).encode(), "application/json"))
    count, message = _partial(answer)
    assert count == 1
    assert message.startswith("record 1: ")
    assert error in message
    assert len(service.sink.events) == 2


@pytest.mark.parametrize(
    ("change", "error"),
    [
        pytest.param(lambda log: setattr(log, "trace_id", b"abc"), "trace_id", id="trace id"),
        pytest.param(lambda log: setattr(log, "span_id", b"a" * 9), "span_id", id="span id"),
        pytest.param(
            lambda log: log.attributes.append(log.attributes[0]), "more than once", id="twice"
        ),
        pytest.param(lambda log: setattr(log, "time_unix_nano", 2**64 - 1), "2261", id="time"),
    ],
)
async def test_one_bad_record_of_otlp_protobuf(service: Service, change: Any, error: str) -> None:
    body = otlp_protobuf([TRANSITION, VISIBLE])
    request = ExportLogsServiceRequest.FromString(body.content)
    change(request.resource_logs[0].scope_logs[0].log_records[0])
    answer = await service.send(Body(body.path, request.SerializeToString(), body.content_type))
    count, message = _partial(answer)
    assert count == 1
    assert error in message
    assert [event.event for event in service.sink.events] == ["visible"]


async def test_a_resource_of_the_wrong_type_refuses_its_records_alone(service: Service) -> None:
    answer = await service.send(otlp_json([TRANSITION | {"service": 5}, VISIBLE]))
    assert _partial(answer) == (
        1,
        "record 0: service.name is an integer; it must be a string",
    )
    assert len(service.sink.events) == 1


async def test_many_refusals_are_told_in_full_then_by_index_then_by_number(
    service: Service,
) -> None:
    answer = await service.send(otlp_json([without(VISIBLE, "instance_id")] * 300))
    count, message = _partial(answer)
    assert count == 300
    assert message.count("donewatch.instance.id is missing") == 10
    assert "likewise refused: 10, 11," in message
    assert message.endswith("209 and 90 more")


async def test_refused_records_are_kept_shortened_and_counted() -> None:
    sink = FakeSink()
    async with collecting(sink, Limits(refusals_kept=2, raw=64)) as service:
        wrong = without(VISIBLE, "instance_id") | {"reason": "ü" * 500}
        answer = await service.send(otlp_json([wrong] * 5))
        assert _partial(answer)[0] == 5
        await service.stored()
        assert service.spool.counts().rejected == {"missing": 5}
    assert [row.position for row in sink.rejected] == [0, 1]
    (row, _) = sink.rejected
    assert (row.tenant, row.collector, row.door) == ("default", "c1", "otlp")
    assert (row.field, row.reason) == ("donewatch.instance.id", "missing")
    assert "is missing" in row.detail
    assert len(row.raw.encode()) <= 64
    assert row.raw.startswith('{"event_name":"donewatch.visible"')
