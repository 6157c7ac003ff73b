"""Through the engine or in Python: the same rows, or the engine leaves the body alone."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
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
    HEARTBEAT,
    JOB,
    NANOS,
    NOW,
    OUTBOX,
    TRANSITION,
    VISIBLE,
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
