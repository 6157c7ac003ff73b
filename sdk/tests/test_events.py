"""What arrives at the endpoint is what the application said."""

import asyncio
import threading
import time
import uuid
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, StrEnum

import pytest
from opentelemetry.sdk.trace import TracerProvider

import donewatch
from donewatch import Workflow


class State(StrEnum):
    PAID = "paid"


class Plain(Enum):
    PAID = "paid"


ORDER = Workflow(
    "order",
    version="3",
    transitions=[
        {"action": "submit", "to": "submitted"},
        {"action": "pay", "from": "submitted", "to": "paid"},
        {"action": "refund", "from": "paid", "to": "cancelled", "class": "compensation"},
    ],
)
KEY = "k3y"
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
NOON_NS = 1795262400 * 10**9
BASE = {
    "donewatch.workflow.type": "order",
    "donewatch.workflow.version": "3",
    "donewatch.instance.id": "o-1",
}
COMMITTED = {"donewatch.transition.outcome": "committed", "donewatch.transition.class": "normal"}

EMISSIONS = [
    pytest.param(
        lambda: ORDER.transition("o-1", None, "submitted", action="submit", sequence=1, key="k1"),
        "donewatch.transition",
        COMMITTED
        | {
            "donewatch.transition.to": "submitted",
            "donewatch.transition.action": "submit",
            "donewatch.transition.key": "k1",
            "donewatch.sequence": 1,
        },
        id="creation has no from",
    ),
    pytest.param(
        lambda: ORDER.transition("o-1", "", "submitted"),
        "donewatch.transition",
        COMMITTED | {"donewatch.transition.to": "submitted"},
        id="an empty from is creation too",
    ),
    pytest.param(
        lambda: ORDER.transition(
            "o-1",
            "submitted",
            "paid",
            outcome="rejected",
            rejection="policy",
            class_="override",
            entered_at=NOON,
            error_type="Declined",
            business_key="cart-9",
            actor_type="operator",
            actor_id="kim",
            reason="asked by phone",
        ),
        "donewatch.transition",
        {
            "donewatch.transition.from": "submitted",
            "donewatch.transition.to": "paid",
            "donewatch.transition.outcome": "rejected",
            "donewatch.transition.rejection": "policy",
            "donewatch.transition.class": "override",
            "donewatch.transition.entered_at": NOON_NS,
            "error.type": "Declined",
            "donewatch.business_key": "cart-9",
            "donewatch.actor.type": "operator",
            "donewatch.actor.id": "kim",
            "donewatch.reason": "asked by phone",
        },
        id="every field of a transition",
    ),
    pytest.param(
        lambda: ORDER.transition("o-1", "paid", "cancelled", action="refund"),
        "donewatch.transition",
        COMMITTED
        | {
            "donewatch.transition.from": "paid",
            "donewatch.transition.to": "cancelled",
            "donewatch.transition.action": "refund",
            "donewatch.transition.class": "compensation",
        },
        id="the class is that of the declared edge",
    ),
    pytest.param(
        lambda: ORDER.transition("o-1", Plain.PAID, State.PAID, actor_id=7, reason="r" * 5000),
        "donewatch.transition",
        COMMITTED
        | {
            "donewatch.transition.from": "paid",
            "donewatch.transition.to": "paid",
            "donewatch.actor.id": "7",
            "donewatch.reason": "r" * 4096,
        },
        id="enums and numbers are names, a long reason is cut",
    ),
    pytest.param(
        lambda: ORDER.job(
            "o-1",
            "j-1",
            "failed",
            type="charge",
            queue="cards",
            attempt=2,
            max_attempts=5,
            scheduled_at=NOON_NS,
            effect_key="charge-o-1",
            cause_key="k1",
            basis_sequence=4,
            error_type="Timeout",
            sequence=0,
        ),
        "donewatch.job",
        {
            "donewatch.job.id": "j-1",
            "donewatch.job.state": "failed",
            "donewatch.job.type": "charge",
            "donewatch.job.queue": "cards",
            "donewatch.job.attempt": 2,
            "donewatch.job.max_attempts": 5,
            "donewatch.job.scheduled_at": NOON_NS,
            "donewatch.job.effect_key": "charge-o-1",
            "donewatch.job.cause_key": "k1",
            "donewatch.job.basis_sequence": 4,
            "error.type": "Timeout",
            "donewatch.sequence": 0,
        },
        id="every field of a job",
    ),
    pytest.param(
        lambda: ORDER.outbox("o-1", 12, "recorded", transition_key="k1"),
        "donewatch.outbox",
        {
            "donewatch.outbox.id": "12",
            "donewatch.outbox.state": "recorded",
            "donewatch.outbox.transition_key": "k1",
        },
        id="an outbox record",
    ),
    pytest.param(
        lambda: ORDER.visible("o-1", actor_type="probe"),
        "donewatch.visible",
        {"donewatch.actor.type": "probe"},
        id="a visible completion",
    ),
    pytest.param(
        lambda: ORDER.visible(
            "o-1",
            attributes={
                "n": 1,
                "yes": True,
                "share": 0.5,
                "none": None,
                "list": ["a", 2],
                "map": {"k": [1]},
                "price": Decimal("1.10"),
                "huge": 2**70,
                "half": "\ud800",
                "state": State.PAID,
                "donewatch": "a key of the application",
            },
        ),
        "donewatch.visible",
        {
            "n": 1,
            "yes": True,
            "share": 0.5,
            "none": None,
            "list": ["a", 2],
            "map": {"k": [1]},
            "price": "1.10",
            "huge": str(2**70),
            "half": "?",
            "state": "paid",
            "donewatch": "a key of the application",
        },
        id="the application's own attributes keep their types, or become text",
    ),
]


@pytest.mark.parametrize(("emit", "name", "attributes"), EMISSIONS)
def test_an_emission_arrives_with_its_fields(configure, sink, emit, name, attributes):
    before = time.time_ns()
    event_id = emit()
    assert donewatch.flush(10)
    (event,) = sink.events()
    assert event.name == name
    assert event.attributes == BASE | attributes | {"donewatch.event.id": event_id}
    assert before <= event.time <= time.time_ns()
    assert (event.trace_id, event.span_id) == ("", "")
    assert uuid.UUID(event_id).version == 7


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        pytest.param(NOON, NOON_NS, id="a datetime"),
        pytest.param(
            NOON.astimezone(timezone(timedelta(hours=5, minutes=30))), NOON_NS, id="of another zone"
        ),
        pytest.param(
            NOON + timedelta(microseconds=1), NOON_NS + 1000, id="to the microsecond, exactly"
        ),
        pytest.param("2026-11-21T12:00:00Z", NOON_NS, id="RFC 3339 text"),
        pytest.param(NOON_NS + 7, NOON_NS + 7, id="nanoseconds"),
        pytest.param(NOON_NS / 1e9, NOON_NS, id="a float is seconds"),
    ],
)
def test_the_time_of_commit_can_be_given(configure, sink, moment, expected):
    ORDER.transition("o-1", None, "submitted", occurred_at=moment, entered_at=moment)
    assert donewatch.flush(10)
    (event,) = sink.events()
    assert event.time == expected
    assert event.attributes["donewatch.transition.entered_at"] == expected


def test_an_event_id_can_be_given(configure, sink):
    assert ORDER.visible(uuid.UUID(int=5), event_id="mine") == "mine"
    assert donewatch.flush(10)
    (event,) = sink.events()
    assert event.attributes["donewatch.event.id"] == "mine"
    assert event.attributes["donewatch.instance.id"] == str(uuid.UUID(int=5))


def test_ids_are_unique_and_sort_by_time(configure):
    ids = [ORDER.visible("o-1") for _ in range(500)]
    assert len(set(ids)) == 500
    assert ids == sorted(ids)


def test_the_current_span_is_attached(configure, sink):
    with TracerProvider().get_tracer("t").start_as_current_span("request") as span:
        ORDER.visible("o-1")
    assert donewatch.flush(10)
    (event,) = sink.events()
    context = span.get_span_context()
    assert event.trace_id == f"{context.trace_id:032x}"
    assert event.span_id == f"{context.span_id:016x}"


async def test_tasks_of_asyncio_attach_each_its_own_span(configure, sink):
    tracer = TracerProvider().get_tracer("t")
    expected = {}

    async def handle(number: int) -> None:
        with tracer.start_as_current_span("request") as span:
            await asyncio.sleep(0)
            ORDER.visible(number)
            expected[str(number)] = f"{span.get_span_context().span_id:016x}"

    await asyncio.gather(*(handle(number) for number in range(50)))
    assert await asyncio.to_thread(donewatch.flush, 10)
    got = {each.attributes["donewatch.instance.id"]: each.span_id for each in sink.events()}
    assert got == expected


def test_threads_lose_and_double_nothing(configure, sink):
    ids: list[str] = []

    def work() -> None:
        ids.extend([ORDER.visible("o-1") for _ in range(300)])

    threads = [threading.Thread(target=work) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert donewatch.flush(20)
    got = [each.attributes["donewatch.event.id"] for each in sink.events()]
    assert sorted(got) == sorted(ids)
    assert donewatch.stats().exported == 2400


def test_the_resource_and_the_token(configure, sink, monkeypatch):
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "team=a%20b,service.version=0")
    configure(
        token=KEY,
        service_version="7",
        environment="staging",
        resource_attributes={"region": "north"},
    )
    ORDER.visible("o-1")
    assert donewatch.flush(10)
    assert sink.events()[0].resource == {
        "service.name": "shop",
        "service.version": "7",
        "deployment.environment.name": "staging",
        "team": "a b",
        "region": "north",
    }
    assert sink.headers[0]["authorization"] == f"Bearer {KEY}"


def test_a_netrc_does_not_replace_the_token(configure, sink, monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    configure(token=KEY)
    ORDER.visible("o-1")
    assert donewatch.flush(10)
    assert sink.headers[0]["authorization"] == f"Bearer {KEY}"


def test_limits_set_for_spans_do_not_cut_events(configure, sink, monkeypatch):
    monkeypatch.setenv("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "4")
    monkeypatch.setenv("OTEL_ATTRIBUTE_COUNT_LIMIT", "2")
    ORDER.visible("a-long-instance-id", attributes={"a": 1, "b": "b" * 300})
    assert donewatch.flush(10)
    (event,) = sink.events()
    assert event.attributes["donewatch.instance.id"] == "a-long-instance-id"
    assert event.attributes["b"] == "b" * 300


def test_the_global_provider_is_left_alone(configure, sink):
    from opentelemetry._logs import get_logger_provider

    before = get_logger_provider()
    ORDER.visible("o-1")
    assert donewatch.flush(10)
    assert get_logger_provider() is before
