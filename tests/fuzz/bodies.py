"""Bodies that are good, and ways to break them."""

import json
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanProto

from lifecycle.events import FIELD_BY_ATTRIBUTE, FIELD_BY_NAME, EventKind
from tests.fuzz.wire import (
    BYTES,
    FIXED32,
    FIXED64,
    LOGS,
    SPANS,
    VARINT,
    Message,
    Place,
    parsed,
    varint,
)

MANY = 60  # records: so many are decoded by the engine
NANOS = 1_772_366_400_000_000_000  # 2026-03-01T12:00:00Z


def _text(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


def logs(records: int) -> bytes:
    """A request as SDKs send it."""
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add()
    group.resource.attributes.extend(
        [_text("service.name", "fuzz"), _text("deployment.environment.name", "production")]
    )
    scope = group.scope_logs.add()
    scope.scope.name = "fuzz"
    for number in range(records):
        log = scope.log_records.add(
            time_unix_nano=NANOS + number * 1000,
            event_name="donewatch.transition",
            trace_id=bytes(range(16)),
            span_id=bytes(range(8)),
        )
        log.attributes.extend(
            [
                _text("donewatch.event.id", f"e-{number}"),
                _text("donewatch.workflow.type", "fuzzed"),
                _text("donewatch.instance.id", f"f-{number}"),
                _text("donewatch.transition.to", "submitted"),
                KeyValue(key="donewatch.sequence", value=AnyValue(int_value=number)),
                KeyValue(key="amount", value=AnyValue(double_value=9.5)),
                _text("tier", "gold"),
            ]
        )
        log.body.string_value = "submitted"
    return request.SerializeToString()


def spans(number: int) -> bytes:
    """A request of spans that tell of messages, as instrumentations send them."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.append(_text("service.name", "fuzz"))
    scope = group.scope_spans.add()
    for each in range(number):
        span = scope.spans.add(
            trace_id=bytes(range(16)),
            span_id=each.to_bytes(8, "big"),
            name="process payments",
            kind=SpanProto.SPAN_KIND_CONSUMER,
            start_time_unix_nano=NANOS,
            end_time_unix_nano=NANOS + 1_000_000,
        )
        span.attributes.extend(
            [
                _text("messaging.system", "rabbitmq"),
                _text("messaging.operation.type", "process"),
                _text("messaging.message.id", f"m-{each}"),
                _text("donewatch.workflow.type", "fuzzed"),
                _text("donewatch.instance.id", f"s-{each}"),
            ]
        )
        event = span.events.add(name="exception", time_unix_nano=NANOS)
        event.attributes.append(_text("exception.type", "Declined"))
        span.status.code = 2
    return request.SerializeToString()


def empty_logs(records: int) -> bytes:
    """Two bytes a record."""
    request = ExportLogsServiceRequest()
    log_records = request.resource_logs.add().scope_logs.add().log_records
    for _ in range(records):
        log_records.add()
    return request.SerializeToString()


FEW_LOGS = logs(3)
MANY_LOGS = logs(MANY)
SPANS_SENT = spans(3)

# --- protobuf ---------------------------------------------------------------------------------

Change = Callable[[list[Place], int], None]
HUGE = [2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1]
BAD_TEXTS = [b"\xff\xfe", b"\xc0\x80", b"\xed\xa0\x80", b"\0", b"a\0b", b"\xf4\x90\x80\x80", b""]


def _nested(levels: int) -> bytes:
    """A value in an array in an array…"""
    inner = Place(1, BYTES, b"x").bytes
    for _ in range(levels):
        inner = Place(5, BYTES, Place(1, BYTES, inner).bytes).bytes
    return inner


def _group() -> Place:
    return Place(9, 3, varint(1 << 3 | VARINT) + b"\x01" + varint(9 << 3 | 4))


CHANGES: list[Any] = [
    st.builds(lambda: ("left out", lambda these, at: these.pop(at))),
    st.builds(lambda: ("said twice", lambda these, at: these.insert(at, these[at]))),
    st.integers(0, 20).map(lambda to: ("moved", lambda these, at: these.insert(to, these.pop(at)))),
    st.integers(1, 20).map(
        lambda number: ("another field", lambda these, at: setattr(these[at], "number", number))
    ),
    st.sampled_from([0, 2**29, 2**32]).map(
        lambda number: ("no field", lambda these, at: setattr(these[at], "number", number))
    ),
    st.sampled_from([VARINT, FIXED64, BYTES, 3, 4, FIXED32, 6, 7]).map(
        lambda wire: ("another type", lambda these, at: setattr(these[at], "wire", wire))
    ),
    st.sampled_from([0, 1, 5, 127, 128, *HUGE]).map(
        lambda size: ("a lie", lambda these, at: setattr(these[at], "length", size))
    ),
    st.sampled_from([*BAD_TEXTS, b"x" * 70_000]).map(
        lambda text: ("another text", lambda these, at: setattr(these[at], "content", text))
    ),
    st.sampled_from([0, 1, *HUGE]).map(
        lambda value: ("a number", lambda these, at: setattr(these[at], "content", varint(value)))
    ),
    st.sampled_from([b"\xff" * 10, b"\xff" * 11, b"\x80" * 9 + b"\x02", b"\x80"]).map(
        lambda value: ("no number", lambda these, at: setattr(these[at], "content", value))
    ),
    st.sampled_from([3, 15, 17, 90, 110, 3_000]).map(
        lambda levels: ("nested", lambda these, at: setattr(these[at], "content", _nested(levels)))
    ),
    st.sampled_from([3, 200, 2_000]).map(
        lambda copies: (
            "copied",
            lambda these, at: these.extend([these[at]] * copies),
        )
    ),
    st.builds(lambda: ("a group", lambda these, at: these.insert(at, _group()))),
    st.binary(min_size=1, max_size=12).map(
        lambda noise: ("noise", lambda these, at: these.insert(at, Place(1, BYTES, noise)))
    ),
]


@st.composite
def broken_logs(draw: st.DrawFn) -> bytes:
    """A request with one to three places changed."""
    message = parsed(draw(st.sampled_from([FEW_LOGS, MANY_LOGS])), LOGS)
    for _ in range(draw(st.integers(1, 3))):
        _change(draw, message)
    return message.bytes


def _change(draw: st.DrawFn, message: Message) -> None:
    families = [these for these in message.siblings() if these]
    if not families:
        return
    # the outer ones are few and the first are as good as any: both are found often enough
    these = families[draw(st.integers(0, min(len(families), 40) - 1))]
    at = draw(st.integers(0, min(len(these), 12) - 1))
    _, change = draw(st.one_of(CHANGES))
    change(these, at)


@st.composite
def broken_spans(draw: st.DrawFn) -> bytes:
    """The same of a request of spans."""
    message = parsed(SPANS_SENT, SPANS)
    for _ in range(draw(st.integers(1, 3))):
        _change(draw, message)
    return message.bytes


@st.composite
def flipped(draw: st.DrawFn, body: bytes) -> bytes:
    """Bits turned over, bytes cut out, put in, or off the end."""
    found = bytearray(body)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(found) - 1, 0)))
        match draw(st.sampled_from(["flip", "flip", "cut", "put", "end"])):
            case "flip" if found:
                found[at] ^= 1 << draw(st.integers(0, 7))
            case "cut":
                del found[at : at + draw(st.integers(1, 9))]
            case "put":
                found[at:at] = draw(st.binary(min_size=1, max_size=9))
            case "end":
                del found[at:]
    return bytes(found)


# --- JSON -------------------------------------------------------------------------------------

_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([2**63, -(2**63) - 1, 10**400, 1e308, "NaN", "\0", "9" * 400, "\ud800"])
)
VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
_NAMES = st.sampled_from([*FIELD_BY_NAME, "event", "occurred_at", "attributes", "x", "", "tenant"])
_KINDS = st.sampled_from([*EventKind, "donewatch.job", ""]) | VALUES
EVENTS = st.dictionaries(_NAMES, VALUES, max_size=6).flatmap(
    lambda event: _KINDS.map(lambda kind: {**GOOD, "event": kind, **event})
)
GOOD = {"event": "transition", "workflow_type": "fuzzed", "instance_id": "n-1", "to": "submitted"}


def as_json(value: Any) -> bytes:
    """With lone surrogates escaped, and NaN as Python writes it."""
    return json.dumps(value).encode()


LINES = [
    *(b"", b"\r", b"{}", b"null", b"[]", b'"', b"{" * 5_000, b'{"a":' * 2_000, b"\xff", b"\0"),
    *(b"\xef\xbb\xbf{}", b'{"to":1,"to":2}', b"1e999", b"-", b"[" * 500, b"\xe2\x80\xa8"),
    *(as_json(GOOD), as_json({**GOOD, "x": 1}), as_json(GOOD)[:-1], as_json(GOOD) * 2),
    as_json({**GOOD, "attributes": {str(number): number for number in range(200)}}),
    as_json({**GOOD, "instance_id": "x" * 5_000}),
    as_json({**GOOD, "sequence": 2**64}).replace(b"18446744073709551616", b"1" + b"0" * 4_000),
]
LINE = st.sampled_from(LINES) | EVENTS.map(as_json) | flipped(as_json(GOOD))

_ANY_VALUES = st.recursive(
    st.just({})
    | st.builds(lambda value: {"stringValue": value}, VALUES)
    | st.builds(lambda value: {"intValue": value}, VALUES)
    | st.builds(lambda value: {"doubleValue": value}, VALUES)
    | st.builds(lambda value: {"bytesValue": value}, st.text(max_size=8))
    | st.builds(lambda value: {"boolValue": value}, VALUES),
    lambda inner: (
        st.builds(lambda value: {"arrayValue": {"values": value}}, st.lists(inner, max_size=3))
        | st.builds(
            lambda value: {"kvlistValue": {"values": [{"key": "k", "value": value}]}}, inner
        )
    ),
    max_leaves=4,
)
_PAIRS = st.fixed_dictionaries(
    {"key": st.sampled_from([*FIELD_BY_ATTRIBUTE]) | VALUES, "value": _ANY_VALUES | VALUES}
)
_LOGS = st.fixed_dictionaries(
    {},
    optional={
        "eventName": st.sampled_from([f"donewatch.{kind}" for kind in EventKind]) | VALUES,
        "attributes": st.lists(_PAIRS, max_size=5) | VALUES,
        "timeUnixNano": st.integers() | VALUES,
        "observedTimeUnixNano": VALUES,
        "traceId": st.sampled_from(["0" * 32, "A" * 32, "z" * 32]) | VALUES,
        "spanId": VALUES,
        "body": _ANY_VALUES | VALUES,
    },
)
OTLP_JSON = st.fixed_dictionaries(
    {
        "resourceLogs": st.lists(
            st.fixed_dictionaries(
                {
                    "scopeLogs": st.lists(
                        st.fixed_dictionaries(
                            {"logRecords": st.lists(_LOGS | VALUES, max_size=4) | VALUES}
                        )
                        | VALUES,
                        max_size=2,
                    )
                },
                optional={
                    "resource": VALUES
                    | st.fixed_dictionaries({"attributes": st.lists(_PAIRS, max_size=3)})
                },
            )
            | VALUES,
            max_size=2,
        )
        | VALUES
    }
)
_SPAN_LIKES = st.fixed_dictionaries(
    {},
    optional={
        "name": VALUES,
        "kind": st.sampled_from([1, 4, 5, "SPAN_KIND_CONSUMER", "4"]) | VALUES,
        "traceId": st.sampled_from(["0" * 32, "A" * 32, "z" * 32]) | VALUES,
        "spanId": VALUES,
        "startTimeUnixNano": st.integers() | VALUES,
        "endTimeUnixNano": VALUES,
        "attributes": st.lists(
            st.fixed_dictionaries(
                {
                    "key": st.sampled_from(
                        [
                            "messaging.system",
                            "messaging.operation.type",
                            "messaging.message.id",
                            "donewatch.workflow.type",
                            "donewatch.instance.id",
                            "celery.action",
                        ]
                    )
                    | VALUES,
                    "value": st.sampled_from(["process", "send", "run"]).map(
                        lambda text: {"stringValue": text}
                    )
                    | _ANY_VALUES
                    | VALUES,
                }
            ),
            max_size=6,
        )
        | VALUES,
        "events": st.lists(
            st.fixed_dictionaries({"name": VALUES, "attributes": st.lists(_PAIRS) | VALUES})
            | VALUES,
            max_size=2,
        )
        | VALUES,
        "status": VALUES | st.builds(lambda code: {"code": code}, VALUES),
    },
)
SPANS_JSON = (st.lists(_SPAN_LIKES | VALUES, max_size=4) | VALUES).map(
    lambda spans: {"resourceSpans": [{"resource": {}, "scopeSpans": [{"spans": spans}]}]}
)
GOOD_OTLP = {
    "resourceLogs": [
        {
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "fuzz"}}]},
            "scopeLogs": [
                {
                    "logRecords": [
                        {
                            "eventName": "donewatch.transition",
                            "timeUnixNano": str(NANOS),
                            "traceId": "0af7651916cd43dd8448eb211c80319c",
                            "attributes": [
                                {"key": f"donewatch.{name}", "value": {"stringValue": value}}
                                for name, value in (
                                    ("workflow.type", "fuzzed"),
                                    ("instance.id", "j-1"),
                                    ("transition.to", "submitted"),
                                )
                            ],
                        }
                    ]
                }
            ],
        }
    ]
}
