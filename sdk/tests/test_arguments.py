"""A mistake in an emission costs that event, is counted, is told once, and never raises."""

import logging
from datetime import datetime

import pytest

import donewatch
from donewatch import Workflow
from donewatch import attributes as names
from donewatch.fields import LENGTHS
from lifecycle.events import FIELDS

ORDER = Workflow("order", version="3")


class Hostile:
    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no comparing")

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        raise RuntimeError("no text")


MISTAKES = [
    pytest.param(lambda: ORDER.transition(), "instance_id", id="arguments are missing"),
    pytest.param(
        lambda: ORDER.transition("i", "a", "b", form="x"), "form: is no", id="a misspelling"
    ),
    pytest.param(lambda: ORDER.transition("", "a", "b"), "instance_id: is empty", id="no instance"),
    pytest.param(
        lambda: ORDER.transition(None, "a", "b"), "instance_id: is empty", id="None for it"
    ),
    pytest.param(
        lambda: ORDER.transition(object(), "a", "b"), "is a object", id="an object for an instance"
    ),
    pytest.param(
        lambda: ORDER.transition(True, "a", "b"), "is a bool", id="a bool for an instance"
    ),
    pytest.param(
        lambda: ORDER.transition("i" * 257, "a", "b"), "257 characters; at most 256", id="too long"
    ),
    pytest.param(
        lambda: ORDER.transition("\udcff", "a", "b"), "half a character", id="a lone surrogate"
    ),
    pytest.param(lambda: ORDER.transition("i", "a", ""), "to: is empty", id="no target"),
    pytest.param(
        lambda: ORDER.transition("i", "a", "b", outcome="done"),
        "outcome: is 'done'; it must be one of committed, rejected",
        id="an unknown outcome",
    ),
    pytest.param(
        lambda: ORDER.transition("i", "a", "b", rejection="no"),
        "rejection: is 'no'",
        id="rejection",
    ),
    pytest.param(lambda: ORDER.transition("i", "a", "b", class_="x"), "class_: is 'x'", id="class"),
    pytest.param(
        lambda: ORDER.transition("i", "a", "b", sequence="7"), "sequence: is a str", id="sequence"
    ),
    pytest.param(
        lambda: ORDER.transition("i", "a", "b", sequence=2**63), "64 bits", id="a huge sequence"
    ),
    pytest.param(
        lambda: ORDER.transition("i", "a", "b", occurred_at=datetime(2026, 1, 1)),
        "occurred_at: has no timezone",
        id="a naive datetime",
    ),
    pytest.param(
        lambda: ORDER.transition("i", "a", "b", occurred_at="noon"),
        "is 'noon'; write",
        id="no time",
    ),
    pytest.param(
        lambda: ORDER.transition("i", "a", "b", occurred_at=-1), "between 1970", id="before 1970"
    ),
    pytest.param(
        lambda: ORDER.transition("i", "a", "b", occurred_at=2**64), "between 1970", id="after 2262"
    ),
    pytest.param(
        lambda: ORDER.transition("i", "a", "b", occurred_at=float("nan")), "since 1970", id="NaN"
    ),
    pytest.param(
        lambda: ORDER.transition("i", "a", "b", entered_at=b"x"),
        "entered_at: is a bytes",
        id="bytes",
    ),
    pytest.param(
        lambda: ORDER.transition("i", "a", "b", event_id="e" * 129), "at most 128", id="event id"
    ),
    pytest.param(
        lambda: ORDER.transition("i", "a", "b", actor_type="robot"), "actor_type", id="actor type"
    ),
    pytest.param(
        lambda: ORDER.transition("i", "a", "b", attributes=[1]), "it must be a mapping", id="a list"
    ),
    pytest.param(
        lambda: ORDER.transition("i", "a", "b", attributes={"donewatch.sequence": "x"}),
        "do not begin with 'donewatch.'",
        id="our own name among the attributes",
    ),
    pytest.param(
        lambda: ORDER.transition("i", "a", "b", attributes={1: 1}), "keys are text", id="a key 1"
    ),
    pytest.param(
        lambda: ORDER.transition("i", "a", "b", attributes={"x": Hostile()}),
        "no text",
        id="hostile",
    ),
    pytest.param(lambda: ORDER.transition(Hostile(), "a", "b"), "no comparing", id="hostile id"),
    pytest.param(
        lambda: ORDER.job("i", "j", "done"), "state: is 'done'", id="an unknown job state"
    ),
    pytest.param(lambda: ORDER.job("i", "", "started"), "job_id: is empty", id="no job id"),
    pytest.param(
        lambda: ORDER.job("i", "j", "started", attempt=1.5), "attempt: is a float", id="attempt 1.5"
    ),
    pytest.param(lambda: ORDER.outbox("i", "o", "sent"), "state: is 'sent'", id="outbox state"),
    pytest.param(lambda: ORDER.visible("i", wrong=1), "wrong: is no argument", id="visible"),
]


@pytest.mark.parametrize(("emit", "told"), MISTAKES)
def test_a_mistake_is_counted_and_told_once(configure, sink, caplog, emit, told):
    with caplog.at_level(logging.WARNING, "donewatch"):
        assert emit() == ""
        assert emit() == ""
    messages = [each.getMessage() for each in caplog.records if each.name == "donewatch"]
    assert len(messages) == 1
    assert told in messages[0]
    stats = donewatch.stats()
    assert (stats.emitted, stats.dropped, stats.reasons) == (2, 2, {"invalid": 2})
    assert ORDER.visible("i")
    assert donewatch.flush(10)
    assert len(sink.events()) == 1


def test_a_guard_with_missing_arguments_answers_no(configure):
    assert ORDER.guard("i") is False  # type: ignore[call-arg]
    assert donewatch.stats().reasons == {"invalid": 1}


def test_every_mistake_is_told_once_but_the_log_stays_bounded(configure, caplog):
    with caplog.at_level(logging.WARNING, "donewatch"):
        for number in range(1000):
            ORDER.visible("i", **{f"wrong_{number}": 1})
    assert 200 < len(caplog.records) < 300
    assert donewatch.stats().reasons == {"invalid": 1000}


def test_the_limits_are_those_of_the_service():
    service = {field.attribute: field.max_length for field in FIELDS if not field.resource}
    ours = {attribute: LENGTHS.get(attribute, 256) for attribute in service}
    texts = [
        field.attribute
        for field in FIELDS
        if not field.resource and field.type == "string" and not field.choices
    ]
    assert {name: ours[name] for name in texts} == {name: service[name] for name in texts}
    assert names.REASON in texts


def test_the_longest_values_of_every_field_are_emitted(configure, sink):
    assert ORDER.transition(
        "i" * 256, "f" * 256, "t" * 256, action="a" * 256, key="k" * 512, event_id="e" * 128
    )
    assert ORDER.job("i", "j" * 256, "started", effect_key="x" * 512, cause_key="c" * 512)
    assert donewatch.flush(10)
    assert donewatch.stats().exported == 2
