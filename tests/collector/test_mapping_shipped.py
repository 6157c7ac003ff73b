"""The mappings that come with donewatch, over what instrumentations really send."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.trace import SpanKind

from collector.check import Checker
from collector.limits import Limits
from collector.mapping import Mapped, Mapper
from collector.mapping.shipped import SHIPPED
from lifecycle.events import Event
from lifecycle.mapping_files import read_mapping, repeated_mappings
from tests.collector.senders import NOW
from tests.collector.spans import map_json, map_protobuf, traces_protobuf, tracing

CAPTURED = Path(__file__).parent / "captured" / "celery.json"


def shipped(*names: str) -> Mapper:
    return Mapper(read_mapping(SHIPPED[name], f"{name}.yaml") for name in names)


def events(found: Mapped) -> list[Event]:
    check = Checker(tenant="t", collector="c", received_at=NOW * 2, limits=Limits())
    checked = [check(record) for record in found.records]
    assert [each for each in checked if not isinstance(each, Event)] == []
    return [each for each in checked if isinstance(each, Event)]


def test_all_are_right_and_named_as_their_files() -> None:
    read = {name: read_mapping(text, name) for name, text in SHIPPED.items()}
    assert set(read) == {"celery", "messaging"}
    assert {name: each.name for name, each in read.items()} == {name: name for name in read}
    assert repeated_mappings(read.values()) == []


@pytest.fixture(scope="module")
def celery() -> dict[str, list[Event]]:
    """Events of each task that Celery ran, in order of time."""
    found = map_json(CAPTURED.read_bytes(), Limits(), shipped("messaging", "celery"))
    jobs: dict[str, list[Event]] = defaultdict(list)
    for event in sorted(events(found), key=lambda each: each.occurred_at):
        jobs[event.job_id].append(event)
    return jobs


def told(job: list[Event]) -> list[tuple[str, int | None]]:
    return [(event.job_state, event.attempt) for event in job]


ENQUEUED = ("enqueued", None)


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        pytest.param(0, [ENQUEUED, ("started", 1), ("succeeded", 1)], id="it succeeds"),
        pytest.param(
            1,
            [ENQUEUED, ("started", 1), ENQUEUED, ("failed", 1), ("started", 2), ("succeeded", 2)],
            id="it succeeds at its second attempt",
        ),
        pytest.param(
            2,
            [
                *(ENQUEUED, ("started", 1), ENQUEUED, ("failed", 1)),
                *(("started", 2), ENQUEUED, ("failed", 2)),
                *(("started", 3), ("exhausted", 3)),
            ],
            id="all its attempts fail",
        ),
        pytest.param(
            3, [ENQUEUED, ("started", 1), ("exhausted", 1)], id="it fails, and may not try again"
        ),
        pytest.param(4, [ENQUEUED, ("started", 1), ("cancelled", 1)], id="it is ignored"),
        pytest.param(5, [ENQUEUED, ("started", 1), ("failed", 1)], id="it is rejected"),
        pytest.param(6, [ENQUEUED, ("started", 1), ("succeeded", 1)], id="it starts later"),
    ],
)
def test_tasks_of_celery(
    celery: dict[str, list[Event]], task: int, expected: list[tuple[str, int | None]]
) -> None:
    job = list(celery.values())[task]
    assert told(job) == expected
    assert {(each.workflow_type, each.instance_id) for each in job} == {("order", "order-7")}
    assert {(each.service, each.environment) for each in job} == {("shop-worker", "production")}
    assert {each.job_queue for each in job} == {"payments"}
    assert {each.job_type for each in job} < {
        "shop.charge",
        "shop.ship",
        "shop.note",
        "shop.reject",
    }
    assert all(each.trace_id and each.span_id for each in job)


def test_why_a_task_of_celery_failed(celery: dict[str, list[Event]]) -> None:
    _, _, declined, address, *_ = celery.values()
    failures = [each for each in declined if each.job_state in ("failed", "exhausted")]
    assert [(each.error_type, each.reason) for each in failures] == [
        ("ValueError", "Retry in 0.2s: ValueError('card declined')"),
        ("ValueError", "Retry in 0.2s: ValueError('card declined')"),
        ("ValueError", "card declined"),
    ]
    assert (address[-1].error_type, address[-1].reason) == ("RuntimeError", "no such address")


def test_a_countdown_is_no_wait_in_the_queue(celery: dict[str, list[Event]]) -> None:
    enqueued, started, _ = list(celery.values())[6]
    assert started.scheduled_at is not None
    assert enqueued.occurred_at < started.scheduled_at <= started.occurred_at


def test_tasks_of_nobody_are_told_as_such() -> None:
    found = map_json(CAPTURED.read_bytes(), Limits(), shipped("celery"))
    assert {each.field for each in found.lacking} == {"workflow_type"}
    assert len(found.lacking) == 2, "the message and the run of the task without baggage"
    assert found.ignored == 0


ORDER = {"donewatch.workflow.type": "order", "donewatch.instance.id": "o-7"}
OLD = {"messaging.system": "rabbitmq", "messaging.message_id": "m-1", "messaging.destination": "q"}
V124 = {
    "messaging.system": "rabbitmq",
    "messaging.message.id": "m-1",
    "messaging.destination.name": "q",
}
NOW_CONVENTION = {**V124, "messaging.operation.name": "any"}


def send(kind: SpanKind, *, failed: bool = False, **attributes: Any) -> Mapped:
    given = {name.replace("__", "."): value for name, value in attributes.items()}
    with tracing(service__name="shop") as app:
        app.span("x q", kind, given, error=ValueError("no") if failed else None)
        return map_protobuf(
            traces_protobuf(app.request).content, Limits(), shipped("messaging", "celery")
        )


PRODUCER, CONSUMER, CLIENT = SpanKind.PRODUCER, SpanKind.CONSUMER, SpanKind.CLIENT
WORKED = [("job", "started"), ("job", "succeeded")]


@pytest.mark.parametrize(
    ("kind", "attributes", "expected"),
    [
        pytest.param(
            PRODUCER,
            {**NOW_CONVENTION, "messaging.operation.type": "send"},
            [("job", "enqueued")],
            id="sent, today",
        ),
        pytest.param(
            PRODUCER,
            {**V124, "messaging.operation": "publish"},
            [("job", "enqueued")],
            id="published, before",
        ),
        pytest.param(PRODUCER, OLD, [("job", "enqueued")], id="sent, long before"),
        pytest.param(
            CLIENT,
            {**NOW_CONVENTION, "messaging.operation.type": "send"},
            [("job", "enqueued")],
            id="sent by a client",
        ),
        pytest.param(CLIENT, V124, [], id="a call to a broker that says nothing of itself"),
        pytest.param(
            PRODUCER,
            {**V124, "messaging.operation": "publish", "donewatch.outbox.id": "out-1"},
            [("job", "enqueued"), ("outbox", "dispatched")],
            id="sent from an outbox",
        ),
        pytest.param(
            CONSUMER,
            {**NOW_CONVENTION, "messaging.operation.type": "process"},
            WORKED,
            id="processed, today",
        ),
        pytest.param(
            CONSUMER, {**V124, "messaging.operation": "process"}, WORKED, id="processed, before"
        ),
        pytest.param(
            CONSUMER,
            {
                **NOW_CONVENTION,
                "messaging.operation.type": "process",
                "messaging.operation": "process",
            },
            WORKED,
            id="processed, by both conventions at once",
        ),
        pytest.param(
            CONSUMER, {**NOW_CONVENTION, "messaging.operation.type": "receive"}, [], id="received"
        ),
        pytest.param(
            CONSUMER, {**V124, "messaging.operation": "receive"}, [], id="received, before"
        ),
        pytest.param(
            PRODUCER, {**NOW_CONVENTION, "messaging.operation.type": "create"}, [], id="created"
        ),
        pytest.param(
            CLIENT, {**NOW_CONVENTION, "messaging.operation.type": "settle"}, [], id="settled"
        ),
        pytest.param(
            CONSUMER,
            {
                **NOW_CONVENTION,
                "messaging.operation.type": "process",
                "messaging.batch.message_count": 2,
            },
            [],
            id="a batch",
        ),
        pytest.param(PRODUCER, {"messaging.message.id": "m-1"}, [], id="no messaging system"),
    ],
)
def test_messages(
    kind: SpanKind, attributes: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    found = send(kind, **ORDER, **attributes)
    made = events(found)
    assert [(each.event, each.job_state or each.outbox_state) for each in made] == expected
    assert found.lacking == []
    assert found.ignored == (not expected)
    for each in made:
        assert (each.workflow_type, each.instance_id) == ("order", "o-7")
        if each.event == "job":
            assert (each.job_id, each.job_type, each.job_queue) == ("m-1", "q", "q")
        else:
            assert each.outbox_id == "out-1"


def test_a_message_whose_work_failed() -> None:
    attributes = {**V124, "messaging.operation": "process"}
    _, failed = events(send(CONSUMER, failed=True, **ORDER, **attributes))
    assert (failed.job_state, failed.error_type, failed.reason) == ("failed", "ValueError", "no")
    delivered = {**attributes, "messaging.gcp_pubsub.message.delivery_attempt": 3}
    assert [each.attempt for each in events(send(CONSUMER, **ORDER, **delivered))] == [3, 3]


def test_a_message_that_could_not_be_sent_is_not_in_the_queue() -> None:
    found = send(PRODUCER, failed=True, **ORDER, **V124)
    assert (found.records, found.lacking, found.ignored) == ([], [], 1)


def test_the_conversation_is_the_instance_where_nothing_else_says_it() -> None:
    typed = {"donewatch.workflow.type": "order", **V124}
    (sent,) = events(send(PRODUCER, **typed, **{"messaging.message.conversation_id": "c-1"}))
    assert sent.instance_id == "c-1"
    (lacking,) = send(PRODUCER, **typed).lacking
    assert lacking.refusal.error == (
        "mapping 'messaging', event 1: instance_id has no value in attribute donewatch.instance.id"
        " or attribute messaging.message.conversation_id or attribute messaging.conversation_id"
    )
