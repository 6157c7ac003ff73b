"""The same events as each kind of client would send them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from lifecycle.events import FIELD_BY_NAME

NOW = 1_772_366_400_000_000  # 2026-03-01T12:00:00Z, in microseconds
NANOS = NOW * 1000

TRANSITION: dict[str, Any] = {
    "event": "transition",
    "event_id": "e-1",
    "workflow_type": "order",
    "instance_id": "order-7",
    "to": "submitted",
    "occurred_at": NANOS,
}
JOB: dict[str, Any] = {
    "event": "job",
    "event_id": "e-2",
    "workflow_type": "order",
    "instance_id": "order-7",
    "job_id": "j-1",
    "job_state": "started",
    "occurred_at": NANOS,
}
OUTBOX: dict[str, Any] = {
    "event": "outbox",
    "event_id": "e-3",
    "workflow_type": "order",
    "instance_id": "order-7",
    "outbox_id": "o-1",
    "outbox_state": "recorded",
    "occurred_at": NANOS,
}
VISIBLE: dict[str, Any] = {
    "event": "visible",
    "event_id": "e-4",
    "workflow_type": "order",
    "instance_id": "order-7",
    "occurred_at": NANOS,
}
HEARTBEAT: dict[str, Any] = {"event": "heartbeat", "event_id": "e-5", "occurred_at": NANOS}

_IDS = {"trace_id": "traceId", "span_id": "spanId"}


@dataclass(frozen=True)
class Body:
    path: str
    content: bytes
    content_type: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def all_headers(self) -> dict[str, str]:
        return {"Content-Type": self.content_type, **self.headers}


def native(events: Sequence[Mapping[str, Any]]) -> Body:
    lines = "\n".join(json.dumps(event) for event in events)
    return Body("/api/v1/events", lines.encode(), "application/x-ndjson")


def native_array(events: Sequence[Mapping[str, Any]]) -> Body:
    return Body("/api/v1/events", json.dumps(list(events)).encode(), "application/json")


def otlp_protobuf(events: Sequence[Mapping[str, Any]]) -> Body:
    request = ExportLogsServiceRequest()
    for event in events:
        name, occurred_at, ids, attributes, resource = _parts(event)
        logs = request.resource_logs.add()
        logs.resource.attributes.extend(_pair(*pair) for pair in resource.items())
        log = logs.scope_logs.add().log_records.add()
        log.event_name = name
        log.time_unix_nano = occurred_at or 0
        log.trace_id = bytes.fromhex(ids.get("trace_id", ""))
        log.span_id = bytes.fromhex(ids.get("span_id", ""))
        log.attributes.extend(_pair(*pair) for pair in attributes.items())
    return Body("/v1/logs", request.SerializeToString(), "application/x-protobuf")


def otlp_json(events: Sequence[Mapping[str, Any]]) -> Body:
    resource_logs = []
    for event in events:
        name, occurred_at, ids, attributes, resource = _parts(event)
        log: dict[str, Any] = {"eventName": name, "attributes": _json_pairs(attributes)}
        log |= {_IDS[each]: value for each, value in ids.items()}
        if occurred_at is not None:
            log["timeUnixNano"] = str(occurred_at)
        resource_logs.append(
            {
                "resource": {"attributes": _json_pairs(resource)},
                "scopeLogs": [{"scope": {"name": "test"}, "logRecords": [log]}],
            }
        )
    content = json.dumps({"resourceLogs": resource_logs}).encode()
    return Body("/v1/logs", content, "application/json")


SENDERS = {
    "otlp protobuf": otlp_protobuf,
    "otlp json": otlp_json,
    "native lines": native,
    "native array": native_array,
}


def _parts(
    event: Mapping[str, Any],
) -> tuple[str, int | None, dict[str, str], dict[str, Any], dict[str, Any]]:
    rest = dict(event)
    name = f"donewatch.{rest.pop('event')}"
    occurred_at = rest.pop("occurred_at", None)
    ids = {each: rest.pop(each) for each in _IDS if each in rest}
    attributes = dict(rest.pop("attributes", {}))
    resource = {}
    for each, value in rest.items():
        known = FIELD_BY_NAME[each]
        (resource if known.resource else attributes)[known.attribute] = value
    return name, occurred_at, ids, attributes, resource


def _pair(key: str, value: Any) -> KeyValue:
    return KeyValue(key=key, value=_any_value(value))


def _any_value(value: Any) -> AnyValue:
    found = AnyValue()
    match value:
        case None:
            pass
        case bool():
            found.bool_value = value
        case int():
            found.int_value = value
        case float():
            found.double_value = value
        case str():
            found.string_value = value
        case list():
            found.array_value.values.extend(map(_any_value, value))
            found.array_value.SetInParent()
        case dict():
            found.kvlist_value.values.extend(_pair(*pair) for pair in value.items())
            found.kvlist_value.SetInParent()
    return found


def _json_pairs(attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _json_value(value)} for key, value in attributes.items()]


def _json_value(value: Any) -> dict[str, Any]:
    match value:
        case None:
            return {}
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case str():
            return {"stringValue": value}
        case list():
            return {"arrayValue": {"values": [_json_value(each) for each in value]}}
        case _:
            return {"kvlistValue": {"values": _json_pairs(value)}}
