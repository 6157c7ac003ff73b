"""Through the engine or in Python: the same rows, or the engine leaves the body alone."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs

from collector.check import Checker
from collector.limits import Limits
from collector.otlp import decode_protobuf
from collector.records import BodyError, Refusal
from collector.window import Arrival, Part, WindowDecoder
from lifecycle.events import FIELDS, Event, EventKind, Field, FieldType
from store import Database
from store.blocks import events_of
from store.engine import Engine
from tests.collector.senders import (
    NANOS,
    NOW,
    otlp_protobuf,
)
from tests.collector.test_doors import GOOD

LIMITS = Limits()


@pytest.fixture(scope="module")
def decoder(embedded_database: Database) -> Iterator[WindowDecoder]:
    engine = Engine.at(embedded_database.location)
    assert engine is not None
    yield WindowDecoder(engine, LIMITS)
    engine.close()


def in_python(arrival: Arrival) -> tuple[list[Event], list[Refusal]]:
    check = Checker(
        tenant=arrival.tenant, collector="", received_at=arrival.received_at, limits=LIMITS
    )
    results = [check(record) for record in decode_protobuf(arrival.body, LIMITS)]
    events = [each for each in results if isinstance(each, Event)]
    return events, [each for each in results if isinstance(each, Refusal)]


def decoded(decoder: WindowDecoder, arrivals: Sequence[Arrival]) -> list[list[Event] | None]:
    """The events of each body that the engine took."""
    counts = {arrival: decoder.count(arrival) for arrival in arrivals}
    chosen = [(arrival, count) for arrival, count in counts.items() if count is not None]
    parts: dict[Arrival, Part | None] = {}
    if chosen:
        found = decoder(*zip(*chosen, strict=True))
        parts = dict(zip((arrival for arrival, _ in chosen), found, strict=True))
    taken: list[list[Event] | None] = []
    read: dict[int, Iterator[Event]] = {}
    for arrival in arrivals:
        part = parts.get(arrival)
        if part is None:
            taken.append(None)
            continue
        assert part.window.received_at <= arrival.received_at
        events = read.setdefault(id(part.window), iter(events_of(part.window.block)))
        taken.append([next(events) for _ in range(part.records)])
    assert not any(list(rest) for rest in read.values()), "no event is left over"
    return taken


def agree(decoder: WindowDecoder, arrivals: Sequence[Arrival]) -> list[bool]:
    """Whether the engine took each; asserts that it took what Python would."""
    took = []
    for arrival, events in zip(arrivals, decoded(decoder, arrivals), strict=True):
        took.append(events is not None)
        if events is not None:
            assert (events, []) == in_python(arrival)
    return took


def arrival(body: bytes, number: int = 0) -> Arrival:
    return Arrival(body, f"tenant-{number}", NOW + 10 + number)


ORDINARY = [
    pytest.param(sent, id=str(case.id))
    for case in GOOD
    for sent in [case.values[0]]
    if case.id
    not in (
        "every field of a transition",  # a reason of several lines
        "every field of a job",  # a time as text
        "null is absent",
        "further attributes keep their types",
        "an attribute of another kind of event is a further one",
    )
]


@pytest.mark.parametrize("sent", ORDINARY)
def test_the_engine_takes_what_is_ordinary(decoder: WindowDecoder, sent: dict[str, Any]) -> None:
    without_id = {name: value for name, value in sent.items() if name != "event_id"}
    bodies = [otlp_protobuf([sent]), otlp_protobuf([without_id, sent]), otlp_protobuf([sent] * 3)]
    arrivals = [arrival(body.content, number) for number, body in enumerate(bodies)]
    assert agree(decoder, arrivals) == [True, True, True]
    assert agree(decoder, arrivals[:1]) == [True]


# Values of every kind, most of them as they should be
_odd_texts = st.text(st.characters(codec="utf-8"), max_size=5) | st.sampled_from(
    [
        "",
        'a"b',
        "back\\slash",
        "tab\t",
        "line\n",
        "\x00",
        "\x7f",
        "\x85",
        "\u2028",
        "é",
        "🛒",
        "\x1f|",
    ]
)
_any_values = st.one_of(
    st.builds(AnyValue),
    st.builds(lambda v: AnyValue(bool_value=v), st.booleans()),
    st.builds(lambda v: AnyValue(double_value=v), st.floats()),
    st.builds(lambda v: AnyValue(bytes_value=v), st.binary(max_size=3)),
    st.builds(lambda v: AnyValue(int_value=v), st.integers(-(2**63), 2**63 - 1)),
    st.builds(lambda v: AnyValue(string_value=v), _odd_texts),
    st.just(AnyValue(array_value={"values": [AnyValue(int_value=1)]})),
    st.just(AnyValue(kvlist_value={"values": [KeyValue(key="a")]})),
)
_further = st.tuples(
    st.sampled_from(["a", "a!", 'a"', "b", "é", "", "event.name", "service.name", "z\n"]),
    st.one_of(
        st.builds(lambda v: AnyValue(string_value=v), st.sampled_from(["", "x", "ü", " y "])),
        st.builds(lambda v: AnyValue(int_value=v), st.integers(-(2**63), 2**63 - 1)),
        _any_values,
    ),
)


def _right_values(field: Field) -> st.SearchStrategy[AnyValue]:
    if field.type is FieldType.INTEGER:
        numbers = st.integers(-(2**63), 2**63 - 1) | st.integers(-1, 3)
        return st.builds(lambda v: AnyValue(int_value=v), numbers)
    if field.type is FieldType.TIME:
        times = st.sampled_from([NANOS, NANOS + 999, 946_684_800 * 10**9, 2**63 - 1])
        return st.builds(lambda v: AnyValue(int_value=v), times)
    if field.choices:
        return st.builds(lambda v: AnyValue(string_value=v), st.sampled_from(field.choices))
    texts = st.sampled_from(["a", "order.v-2:x_Y", "", "x" * field.max_length])
    return st.builds(lambda v: AnyValue(string_value=v), texts)


def _wrong_values(field: Field) -> st.SearchStrategy[AnyValue]:
    return _any_values | st.sampled_from(
        [
            AnyValue(string_value="x" * (field.max_length + 1)),
            AnyValue(string_value="ü" * field.max_length),
            AnyValue(string_value="2026-03-01T12:00:00Z"),
            AnyValue(string_value="7"),
            AnyValue(string_value="committed "),
            AnyValue(int_value=0),
            AnyValue(int_value=946_684_800 * 10**9 - 1),
        ]
    )


@st.composite
def _logs(draw: st.DrawFn, odd: bool) -> LogRecord:
    kind = draw(st.sampled_from(EventKind))
    log = LogRecord(
        event_name=f"donewatch.{kind}",
        time_unix_nano=draw(st.sampled_from([0, NANOS, NANOS + 1, NANOS - 1, 2**63 - 1])),
        observed_time_unix_nano=draw(st.sampled_from([0, NANOS + 5])),
        trace_id=draw(st.sampled_from([b"", b"\x00" * 16, bytes(range(16)), b"\xff" * 16])),
        span_id=draw(st.sampled_from([b"", b"\x00" * 8, b"\x00" * 7 + b"\x80"])),
    )
    own = [f for f in FIELDS if not f.resource and (not f.kinds or kind in f.kinds)]
    chosen = [f for f in own if f.required or draw(st.integers(0, 3)) == 0]
    pairs = [
        KeyValue(key=f.attribute, value=draw(_right_values(f)) if f.required else value)
        for f in draw(st.permutations(chosen))
        for value in [draw(_right_values(f))]
    ]
    pairs += [KeyValue(key=key, value=value) for key, value in draw(st.lists(_further, max_size=2))]
    if odd:
        field = draw(st.sampled_from(FIELDS))
        match draw(st.integers(0, 7)):
            case 0:
                pairs.append(KeyValue(key=field.attribute, value=draw(_wrong_values(field))))
            case 1 if pairs:
                pairs.append(draw(st.sampled_from(pairs)))
            case 2 if pairs:
                del pairs[draw(st.integers(0, len(pairs) - 1))]
            case 3:
                log.event_name = draw(
                    st.sampled_from(["", "donewatch.", "donewatch.Job", "x", "job"])
                )
            case 4:
                log.time_unix_nano = draw(st.sampled_from([1, 946_684_800 * 10**9 - 1, 2**63]))
            case 5:
                log.trace_id = draw(st.binary(max_size=17))
            case 6:
                log.span_id = draw(st.binary(max_size=9))
            case _:
                pairs.append(
                    KeyValue(key="event.name", value=AnyValue(string_value=log.event_name))
                )
                log.event_name = ""
    log.attributes.extend(pairs)
    return log


_resource_pairs = st.lists(
    st.tuples(
        st.sampled_from(
            [f.attribute for f in FIELDS if f.resource] + ["deployment.environment", "host.name"]
        ),
        st.builds(lambda v: AnyValue(string_value=v), st.sampled_from(["a", "shop", "x" * 256]))
        | _any_values,
    ),
    max_size=4,
)


@st.composite
def _bodies(draw: st.DrawFn, odd: bool) -> bytes:
    request = ExportLogsServiceRequest()
    for _ in range(draw(st.integers(0 if odd else 1, 2))):
        logs: ResourceLogs = request.resource_logs.add()
        for key, value in draw(_resource_pairs):
            logs.resource.attributes.add(key=key, value=value)
        for _ in range(draw(st.integers(0, 2))):
            scope = logs.scope_logs.add()
            scope.scope.name = draw(st.sampled_from(["", "shop"]))
            for _ in range(draw(st.integers(0, 3))):
                log = scope.log_records.add()
                log.CopyFrom(draw(_logs(odd and draw(st.booleans()))))
                if draw(st.integers(0, 4)) == 0:
                    log.body.string_value = "said"
                    log.severity_text = "INFO"
    return request.SerializeToString()


_patient = settings(
    deadline=None,
    max_examples=100,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@_patient
@given(bodies=st.lists(_bodies(odd=False) | _bodies(odd=True), min_size=1, max_size=4))
def test_both_ways_give_the_same_rows(decoder: WindowDecoder, bodies: list[bytes]) -> None:
    agree(decoder, [arrival(body, number % 2) for number, body in enumerate(bodies)])


@_patient
@given(
    good=_bodies(odd=False),
    where=st.floats(0, 1),
    cut=st.integers(0, 3),
    put=st.binary(max_size=4),
)
def test_damaged_bodies_are_left_alone_or_read_alike(
    decoder: WindowDecoder, good: bytes, where: float, cut: int, put: bytes
) -> None:
    at = int(where * len(good))
    damaged = good[:at] + put + good[at + cut :]
    try:
        in_python(arrival(damaged))
    except BodyError:
        assert decoded(decoder, [arrival(damaged), arrival(good, 1)])[0] is None
    else:
        agree(decoder, [arrival(damaged), arrival(good, 1)])
