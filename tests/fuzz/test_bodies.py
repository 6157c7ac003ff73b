"""Bodies broken in every way: each is answered in its own words, counted, and harms nothing."""

import gzip
import json
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.fuzz import bodies
from tests.fuzz.conftest import EXAMPLES, HANGS, PATIENCE
from tests.peers.donewatch import Donewatch

pytestmark = [pytest.mark.system, pytest.mark.timeout(PATIENCE)]

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
LINES = "application/x-ndjson"
thorough = settings(
    max_examples=EXAMPLES or 60,
    deadline=None,
    derandomize=not EXAMPLES,
    suppress_health_check=list(HealthCheck),
)


@dataclass(frozen=True, slots=True)
class Told:
    """What an answer said."""

    status: int
    refused: int
    accepted: int | None  # only the native endpoint says it
    message: str


def send(
    service: Donewatch, path: str, kind: str, content: bytes, **headers: str
) -> httpx.Response:
    return service.http.post(
        service.otlp + path,
        content=content,
        headers={"Content-Type": kind, "Authorization": "Bearer sends", **headers},
        timeout=HANGS,
    )


def told(answer: httpx.Response, kind: str, path: str) -> Told:
    """Read an answer, which must be one in the words of its request."""
    status = answer.status_code
    assert status in (200, 400, 413), (status, answer.text)
    if path == "/api/v1/events":
        document = answer.json()
        if status == 200:
            assert answer.headers["content-type"] == JSON
            assert document.keys() == {"accepted", "rejected"}
            for each in document["rejected"]:
                assert each.keys() == {"index", "field", "error"} and each["error"]
            return Told(status, len(document["rejected"]), document["accepted"], "")
        assert answer.headers["content-type"] == "application/problem+json"
        assert document["status"] == status
        return Told(status, 0, None, document["detail"])
    assert answer.headers["content-type"] == kind
    spans = path == "/v1/traces"
    if kind == PROTOBUF:
        if status == 200 and spans:
            spared = ExportTraceServiceResponse.FromString(answer.content).partial_success
            return Told(status, spared.rejected_spans, None, spared.error_message)
        if status == 200:
            partial = ExportLogsServiceResponse.FromString(answer.content).partial_success
            return Told(status, partial.rejected_log_records, None, partial.error_message)
        return Told(status, 0, None, Status.FromString(answer.content).message)
    document = answer.json()
    if status == 200:
        assert document.keys() <= {"partialSuccess"}
        partial = document.get("partialSuccess", {})
        refused = int(partial.get("rejectedSpans" if spans else "rejectedLogRecords", 0))
        return Told(status, refused, None, partial.get("errorMessage", ""))
    assert document["code"] == 3
    return Told(status, 0, None, document["message"])


def check_said(found: Told) -> None:
    """Whatever is wrong is said, in few words."""
    if found.status != 200:
        assert found.message
    assert len(found.message) < 20_000


def records(body: bytes) -> int | None:
    """How many log records OTLP's own message has; ``None`` where the body is no such message."""
    try:
        request = ExportLogsServiceRequest.FromString(body)
    except DecodeError:
        return None
    return sum(
        len(scope.log_records) for group in request.resource_logs for scope in group.scope_logs
    )


@thorough
@given(
    body=bodies.broken_logs() | bodies.flipped(bodies.FEW_LOGS) | bodies.flipped(bodies.MANY_LOGS)
)
def test_broken_protobuf(service: Donewatch, body: bytes) -> None:
    found = told(send(service, "/v1/logs", PROTOBUF, body), PROTOBUF, "/v1/logs")
    check_said(found)
    there = records(body)
    assert (found.status == 400) == (there is None), found
    if found.status == 200:
        assert there is not None and found.refused <= there
        assert (found.refused > 0) == bool(found.message)


@thorough
@given(lines=st.lists(bodies.LINE, max_size=6))
def test_broken_lines(service: Donewatch, lines: list[bytes]) -> None:
    check_native(service, LINES, b"\n".join(lines))


@thorough
@given(
    body=bodies.VALUES.map(bodies.as_json)
    | st.lists(bodies.EVENTS, max_size=4).map(bodies.as_json)
    | bodies.flipped(bodies.as_json([bodies.GOOD] * 3))
)
def test_broken_arrays(service: Donewatch, body: bytes) -> None:
    check_native(service, JSON, body)


def check_native(service: Donewatch, kind: str, body: bytes) -> None:
    """Every event of a body is accepted or refused; only an array may be refused as a whole."""
    found = told(send(service, "/api/v1/events", kind, body), kind, "/api/v1/events")
    check_said(found)
    body = body.removeprefix(b"\xef\xbb\xbf").strip()
    if body.startswith(b"["):
        array = readable(body)
        there = None if array is None else len(array)
    elif kind == JSON and readable(body) is not None:
        there = 1
    else:
        there = sum(1 for line in body.split(b"\n") if line.strip())
    if found.status == 400:
        assert body.startswith(b"[") and there is None
    else:
        assert found.accepted is not None
        assert there is None or found.accepted + found.refused == there


def readable(body: bytes) -> Any:
    """The JSON value; ``None`` where there is none, or one that only Python takes for JSON."""
    try:
        value = json.loads(body.decode(), parse_constant=_no_number)
        json.dumps(value, ensure_ascii=False).encode()  # half of a character is none
    except (ValueError, RecursionError):
        return None
    return value


def _no_number(name: str) -> None:
    raise ValueError(name)


@thorough
@given(body=bodies.OTLP_JSON.map(bodies.as_json) | bodies.flipped(bodies.as_json(bodies.GOOD_OTLP)))
def test_broken_otlp_json(service: Donewatch, body: bytes) -> None:
    found = told(send(service, "/v1/logs", JSON, body), JSON, "/v1/logs")
    check_said(found)
    # what is in fields that nobody knows is not looked into, not even whether it is UTF-8
    if body.strip() and not isinstance(readable(body.decode("utf-8", "replace").encode()), dict):
        assert found.status == 400 or b"\\u" in body


@thorough
@given(body=bodies.flipped(gzip.compress(bodies.FEW_LOGS)))
def test_broken_gzip(service: Donewatch, body: bytes) -> None:
    answer = send(service, "/v1/logs", PROTOBUF, body, **{"Content-Encoding": "gzip"})
    found = told(answer, PROTOBUF, "/v1/logs")
    check_said(found)
    assert found.status in (200, 400)


@thorough
@given(body=bodies.broken_spans() | bodies.flipped(bodies.SPANS_SENT))
def test_broken_spans(service: Donewatch, body: bytes) -> None:
    found = told(send(service, "/v1/traces", PROTOBUF, body), PROTOBUF, "/v1/traces")
    check_said(found)
    try:
        request = ExportTraceServiceRequest.FromString(body)
    except DecodeError:
        assert found.status == 400
        return
    assert found.status == 200
    there = sum(len(scope.spans) for group in request.resource_spans for scope in group.scope_spans)
    assert found.refused <= there


@thorough
@given(body=bodies.SPANS_JSON.map(bodies.as_json))
def test_broken_spans_in_json(service: Donewatch, body: bytes) -> None:
    check_said(told(send(service, "/v1/traces", JSON, body), JSON, "/v1/traces"))
