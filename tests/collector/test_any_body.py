"""Whatever is sent, the answer is one of the documented ones."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lifecycle.events import FIELD_BY_ATTRIBUTE, FIELD_BY_NAME, EventKind
from tests.collector.running import collecting
from tests.collector.senders import Body, otlp_json

texts = st.text(max_size=8)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)
)
names = st.sampled_from([*FIELD_BY_NAME, "event", "occurred_at", "trace_id", "attributes", "x"])
kinds = st.sampled_from([*EventKind, "donewatch.job", "x", ""])
event_likes = st.dictionaries(names, values, max_size=8).flatmap(
    lambda event: kinds.map(lambda kind: {"event": kind, **event})
)
any_values = st.recursive(
    st.just({})
    | st.builds(lambda value: {"stringValue": value}, texts)
    | st.builds(lambda value: {"intValue": value}, st.integers() | texts)
    | st.builds(lambda value: {"doubleValue": value}, st.floats(allow_nan=False) | texts)
    | st.builds(lambda value: {"bytesValue": value}, texts)
    | st.builds(lambda value: {"boolValue": value}, st.booleans()),
    lambda inner: st.builds(lambda value: {"arrayValue": {"values": value}}, st.lists(inner)),
    max_leaves=4,
)
logs = st.fixed_dictionaries(
    {
        "eventName": st.sampled_from([f"donewatch.{kind}" for kind in EventKind]) | texts,
        "attributes": st.lists(
            st.fixed_dictionaries(
                {"key": st.sampled_from([*FIELD_BY_ATTRIBUTE]) | texts, "value": any_values}
            ),
            max_size=6,
        ),
    },
    optional={
        "timeUnixNano": st.integers() | texts,
        "observedTimeUnixNano": st.integers() | texts,
        "traceId": texts,
        "spanId": texts,
    },
)
patient = settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


@pytest.mark.parametrize("path", ["/v1/logs", "/api/v1/events"])
@patient
@given(value=values | event_likes | st.lists(event_likes, max_size=4))
async def test_any_json_value_is_answered(path: str, value: Any) -> None:
    content = json.dumps(value).encode()
    async with collecting() as service:
        answer = await service.send(Body(path, content, "application/json"))
        assert answer.status_code in (200, 400), answer.text
        if path == "/api/v1/events" and answer.status_code == 200:
            count = answer.json()["accepted"] + len(answer.json()["rejected"])
            assert count == (len(value) if isinstance(value, list) else 1)
            assert len(service.sink.events) == answer.json()["accepted"]


@patient
@given(records=st.lists(logs, max_size=4))
async def test_any_otlp_json_records_are_answered(records: list[Any]) -> None:
    body = {"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}
    content = json.dumps(body).encode()
    async with collecting() as service:
        answer = await service.send(Body("/v1/logs", content, "application/json"))
        assert answer.status_code in (200, 400), answer.text
        if answer.status_code == 200:
            partial = answer.json().get("partialSuccess", {"rejectedLogRecords": "0"})
            refused = int(partial["rejectedLogRecords"])
            assert len(service.sink.events) + refused == len(records)


@pytest.mark.parametrize("kind", ["application/json", "application/x-protobuf"])
@patient
@given(content=st.binary(max_size=60), cut=st.integers(0, 400))
async def test_any_bytes_are_answered(kind: str, content: bytes, cut: int) -> None:
    good = otlp_json([{"event": "heartbeat", "producer": "p"}]).content
    async with collecting() as service:
        for path in ("/v1/logs", "/api/v1/events"):
            answer = await service.send(Body(path, good[:cut] + content, kind))
            assert answer.status_code in (200, 400, 415), answer.text
