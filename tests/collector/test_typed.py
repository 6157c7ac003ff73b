"""Native bodies by columns or record by record: the same rows, or they are left alone."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.check import Checker
from collector.limits import Limits
from collector.native import decode_native
from collector.records import BodyError, Refusal
from collector.typed import ordinary_block
from lifecycle.events import FIELD_BY_NAME, FIELDS, Event, EventKind, Field, FieldType
from store.blocks import events_of
from tests.collector.senders import HEARTBEAT, JOB, NANOS, NOW, OUTBOX, TRANSITION, VISIBLE
from tests.collector.test_doors import GOOD

LIMITS = Limits()


def by_columns(body: bytes) -> list[Event] | None:
    block = ordinary_block(body, LIMITS, tenant="t", received_at=NOW + 10)
    return None if block is None else events_of(block)


def by_records(body: bytes, lines: bool) -> tuple[list[Event], list[Refusal]]:
    check = Checker(tenant="t", collector="", received_at=NOW + 10, limits=LIMITS)
    results = [check(record) for record in decode_native(body, LIMITS, lines=lines)]
    events = [each for each in results if isinstance(each, Event)]
    return events, [each for each in results if isinstance(each, Refusal)]


def agree(body: bytes) -> bool:
    """Whether it was taken by columns; asserts that records would have given the same."""
    events = by_columns(body)
    for lines in (True, False):
        try:
            expected = by_records(body, lines)
        except BodyError:
            assert events is None
        else:
            assert events is None or (events, []) == expected
    return events is not None


def lines_of(events: Sequence[Any]) -> bytes:
    return "\n".join(json.dumps(event) for event in events).encode()


# what is left to the records
_NOT_ORDINARY = (
    "further attributes keep their types",  # lists and maps among them
    "an attribute of another kind of event is a further one",
)


@pytest.mark.parametrize(
    "sent", [pytest.param(p.values[0], id=str(p.id)) for p in GOOD if p.id not in _NOT_ORDINARY]
)
def test_what_is_ordinary_is_taken_by_columns(sent: dict[str, Any]) -> None:
    without_id = {name: value for name, value in sent.items() if name != "event_id"}
    others = [TRANSITION, JOB, HEARTBEAT, OUTBOX, VISIBLE]
    for events in ([sent], [without_id, sent], [*others, sent, without_id, *others]):
        assert agree(lines_of(events))
        assert agree(json.dumps(events).encode())
        assert agree(json.dumps(events, ensure_ascii=False).encode())


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"[]", id="no events"),
        pytest.param(b"7", id="a number"),
        pytest.param(b'{"event":\n"heartbeat"} {"event":"heartbeat"}', id="events across lines"),
        pytest.param(b'{"event":"heartbeat","event":"job"}', id="a name twice"),
        pytest.param(b'\xef\xbb\xbf{"event":"heartbeat"}', id="byte order mark"),
        pytest.param(b'{"event":"heartbeat"}\n\xff', id="not UTF-8"),
        pytest.param(b'{"event":"heartbeat"}\n' * 50_001, id="too many"),
        pytest.param(b"\n" * 70_000 + b'{"event":"heartbeat"}', id="blank lines"),
        pytest.param(b"[" + b'{"event":"heartbeat"},' * 50_000 + b"{}]", id="too many in an array"),
    ],
)
def test_odd_bodies_are_left_alone(body: bytes) -> None:
    assert not agree(body)


_texts = st.sampled_from(["", "a", "ü", "\x7f", "\x85", "\n", "\t", "\x00", '"', "\\", "🛒", "İ"])
_odd_values = st.one_of(
    st.none(),
    st.booleans(),
    st.floats(allow_nan=False),
    st.integers(-(2**65), 2**65),
    _texts,
    st.just([1]),
    st.just({"a": 1}),
    st.sampled_from(["x" * 129, "ü" * 128, "x" * 257, "7", "2026-03-01T12:00:00Z", "2026-03-01"]),
)


def _right_values(field: Field) -> st.SearchStrategy[Any]:
    if field.type is FieldType.INTEGER:
        return st.integers(-(2**63), 2**63 - 1)
    if field.type is FieldType.TIME:
        return _times
    if field.choices:
        return st.sampled_from(["", *field.choices])
    return st.sampled_from(["a", "order.v-2:x_Y", "", "x" * field.max_length])


_times = st.sampled_from(
    [
        NANOS,
        NANOS + 999,
        2**63 - 1,
        str(NANOS),
        "",
        "2026-03-01T12:00:00.123456789Z",
        "2026-03-01 13:00:00+01:00",
    ]
)


@st.composite
def _events(draw: st.DrawFn, odd: bool) -> dict[str, Any]:
    kind = draw(st.sampled_from(EventKind))
    event: dict[str, Any] = {"event": kind.value}
    for field in FIELDS:
        if field.kinds and kind not in field.kinds:
            continue
        if field.required:
            event[field.name] = draw(_right_values(field).filter(bool))
        elif draw(st.integers(0, 5)) == 0:
            event[field.name] = draw(_right_values(field) | st.none())
    if draw(st.booleans()):
        event["occurred_at"] = draw(_times)
    if draw(st.booleans()):
        event["trace_id"] = draw(st.sampled_from(["", None, "0" * 32, "aB" * 16]))
    if draw(st.booleans()):
        event["attributes"] = draw(
            st.none() | st.dictionaries(_texts, st.integers() | st.booleans() | _texts, max_size=3)
        )
    if odd:
        match draw(st.integers(0, 5)):
            case 0:
                event[draw(st.sampled_from([*FIELD_BY_NAME, "event", "x"]))] = draw(_odd_values)
            case 1:
                event[draw(st.sampled_from(["occurred_at", "entered_at"]))] = draw(_odd_values)
            case 2:
                event[draw(st.sampled_from(["trace_id", "span_id"]))] = draw(
                    _odd_values | st.sampled_from(["g" * 32, "a" * 16, "a" * 31 + "é"])
                )
            case 3:
                keys = st.sampled_from(["donewatch.job.id", "error.type", "event.name", "b"])
                event["attributes"] = draw(st.dictionaries(keys, _odd_values) | _odd_values)
            case 4:
                del event[draw(st.sampled_from([*event]))]
            case _:
                event["event"] = draw(st.sampled_from(["donewatch.job", "Job", "", "visible"]))
    return event


_patient = settings(
    deadline=None,
    max_examples=100,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)


@_patient
@given(
    events=st.lists(_events(odd=False) | _events(odd=True), min_size=1, max_size=5),
    escaped=st.booleans(),
    array=st.booleans(),
)
def test_both_ways_give_the_same_rows(events: list[Any], escaped: bool, array: bool) -> None:
    written = [json.dumps(event, ensure_ascii=escaped) for event in events]
    agree((f"[{','.join(written)}]" if array else "\n".join(written)).encode())


@_patient
@given(events=st.lists(_events(odd=False), min_size=1, max_size=5))
def test_the_ordinary_is_never_left_alone(events: list[Any]) -> None:
    assert agree(lines_of(events))


@_patient
@given(
    events=st.lists(_events(odd=False), min_size=1, max_size=3),
    where=st.floats(0, 1),
    cut=st.integers(0, 3),
    put=st.binary(max_size=3) | st.sampled_from([b"\n", b'"', b"\\u0000", b"\\ud800", b"{}"]),
)
def test_damaged_bodies_are_left_alone_or_read_alike(
    events: list[Any], where: float, cut: int, put: bytes
) -> None:
    good = lines_of(events)
    at = int(where * len(good))
    agree(good[:at] + put + good[at + cut :])
