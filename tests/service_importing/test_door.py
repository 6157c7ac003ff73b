"""A collector that is full, away, odd or no collector at all."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from collector.records import Reason
from service.importing.door import CheckDoor, CollectorDoor, Stopped
from service.terminal.client import Client, CouldNotRun, Unreachable
from tests.service_importing.collector import RECEIVED, Answer, FakeCollector, Misbehave


class Waits:
    """Patience that keeps what it was asked to wait, and does not; over after ``most`` waits."""

    def __init__(self, most: int = 1000) -> None:
        self.waits: list[float] = []
        self.why: set[str] = set()
        self._most = most

    def wait(self, seconds: float, why: str) -> None:
        if len(self.waits) == self._most:
            raise Stopped
        self.waits.append(seconds)
        self.why.add(why)


@contextmanager
def door(
    misbehave: Misbehave, waits: Waits, seconds: float = 60.0, token: str = ""
) -> Iterator[tuple[CollectorDoor, FakeCollector]]:
    with FakeCollector(misbehave) as fake:
        client = Client(fake.url, token, start="start one")
        try:
            check = CheckDoor(lambda: RECEIVED)
            yield CollectorDoor(client, check, waits, seconds=seconds), fake
        finally:
            client.close()


def text(instance: object) -> bytes:
    return (
        f'{{"event":"transition","workflow_type":"order","instance_id":"{instance}","to":"a"}}'
    ).encode()


def first(answer: Answer, times: int = 1) -> Misbehave:
    return lambda number, body: answer if number < times else None


PATIENT = [
    pytest.param(Answer(429, {"Retry-After": "7"}), 7, 7, id="full, and says how long"),
    pytest.param(Answer(503, {"Retry-After": "7"}), 7, 7, id="without a store"),
    pytest.param(Answer(503, {"Retry-After": "4000"}), 60, 60, id="asking for too much"),
    pytest.param(Answer(503, {"Retry-After": "-3"}), 0.125, 0.25, id="asking for nonsense"),
    pytest.param(
        Answer(503, {"Retry-After": "Sun, 01 Mar 2026 12:00:00 GMT"}), 0.125, 0.25, id="with a date"
    ),
    pytest.param(Answer(502), 0.125, 0.25, id="a proxy in front of nothing"),
    pytest.param(Answer(504, take=True), 0.125, 0.25, id="taken all the same"),
    pytest.param(Answer(200, hang_up=True), 0.125, 0.25, id="gone before it read"),
    pytest.param(Answer(200, hang_up=True, take=True), 0.125, 0.25, id="gone before it answered"),
]


@pytest.mark.parametrize(("answer", "least", "most"), PATIENT)
def test_what_may_succeed_later_is_tried_again(answer: Answer, least: float, most: float) -> None:
    waits = Waits()
    with door(first(answer), waits) as (found, fake):
        assert found.take([text(1), text(2)]).accepted == 2
        assert len(fake.events) == 2
    (waited,) = waits.waits
    assert least <= waited <= most


def test_pauses_grow_and_end() -> None:
    waits = Waits()
    full = first(Answer(503), 1000)
    with (
        door(full, waits, seconds=30.0) as (found, _),
        pytest.raises(Unreachable, match="a fake 503"),
    ):
        found.take([text(1)])
    assert 30.0 <= sum(waits.waits) <= 41.0
    assert max(waits.waits) > 5 * waits.waits[0]
    assert waits.why == {"the collector asks for patience (HTTP 503)"}


def test_waiting_ends_when_told() -> None:
    with door(first(Answer(429), 1000), Waits(most=3)) as (found, _), pytest.raises(Stopped):
        found.take([text(1)])


FINAL = [
    pytest.param(Answer(401), "DONEWATCH_TOKEN", id="another token"),
    pytest.param(Answer(500), "a fake 500", id="a fault"),
    pytest.param(Answer(404), "name the collector's port with --to", id="another port"),
    pytest.param(Answer(200, body={"hello": 1}), "is not a collector", id="another service"),
    pytest.param(
        Answer(200, body={"accepted": 7, "rejected": []}), "sent 2 events", id="a miscount"
    ),
    pytest.param(Answer(200, body=[1]), "is not a collector", id="an array"),
]


@pytest.mark.parametrize(("answer", "told"), FINAL)
def test_what_will_not_succeed_is_told_at_once(answer: Answer, told: str) -> None:
    waits = Waits()
    with door(first(answer, 1000), waits) as (found, _), pytest.raises(CouldNotRun, match=told):
        found.take([text(1), text(2)])
    assert waits.waits == []


def test_nobody_there() -> None:
    client = Client("http://127.0.0.1:1", "", start="start one with `donewatch up`")
    check = CheckDoor(lambda: RECEIVED)
    with pytest.raises(Unreachable, match="start one with `donewatch up`"):
        CollectorDoor(client, check, Waits(), seconds=60.0).greet()
    client.close()


@pytest.mark.parametrize("status", [400, 413])
def test_a_body_that_is_too_large_is_halved(status: int) -> None:
    def at_most_two(number: int, body: bytes) -> Answer | None:
        return Answer(status) if body.count(b"\n") >= 2 or b"huge" in body else None

    with door(at_most_two, Waits()) as (found, fake):
        answer = found.take([text("huge" if number == 3 else number) for number in range(9)])
        assert len(fake.events) == answer.accepted == 8
    (refused,) = answer.refused
    assert refused.index == 3 and f"a fake {status}" in refused.error


def test_an_array_is_no_event_wherever_it_stands() -> None:
    texts = [b" [1]", b"\xef\xbb\xbf[2]", text(1), b"[3]", text(2)]
    with door(first(Answer(200), 0), Waits()) as (found, fake):
        answer = found.take(texts)
        assert set(fake.copies.values()) == {1} and len(fake.events) == answer.accepted == 2
    assert [each.index for each in answer.refused] == [0, 1, 3]
    assert {each.error for each in answer.refused} == {
        "the record is an array; an event is a JSON object"
    }


def test_each_refusal_has_its_reason() -> None:
    texts = [
        b"{",
        text(1),
        text(2).replace(b'"to"', b'"too"'),
        text(3).replace(b'"to":"a"', b'"x":1'),
    ]
    with door(first(Answer(200), 0), Waits()) as (found, _):
        answer = found.take(texts)
    assert [(each.index, each.reason) for each in answer.refused] == [
        (0, Reason.MALFORMED),
        (2, Reason.UNKNOWN_FIELD),
        (3, Reason.UNKNOWN_FIELD),
    ]
    dry = CheckDoor(lambda: RECEIVED).take(texts)
    assert dry == answer


def test_the_token_goes_along() -> None:
    with door(first(Answer(200), 0), Waits(), token="t-1") as (found, fake):
        found.greet()
        found.take([text(1)])
        assert fake.tokens == {"Bearer t-1"}
