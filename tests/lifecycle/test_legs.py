"""Which leg holds an instance, and how it is said."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from lifecycle.definitions import Definition, JobLimits, State, Status
from lifecycle.legs import Job, Leg, OutboxRecord, Position, holding, legs

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


ORDER = Definition(
    workflow="order",
    version="3",
    owner="checkout",
    states=(
        State(name="submitted", status=Status.ACCEPTED),
        State(name="payment_pending", status=Status.PROCESSING, waits_for="payment provider"),
        State(name="review", status=Status.BLOCKED, owner="support"),
        State(name="paid", status=Status.PROCESSING),
        State(name="completed", status=Status.COMPLETED, terminal=True),
    ),
    edges=(),
    outbox_max_lag=30.0,
    jobs={
        "charge_card": JobLimits(
            max_attempts=5, max_wait=60.0, max_run=120.0, states=("payment_pending",)
        )
    },
)


def at(state: str, seconds: float = 2460, first: bool = False) -> Position:
    known = ORDER.state(state)
    return Position(
        state=state,
        status=known.status if known else None,
        terminal=bool(known and known.terminal),
        entered_at=ago(seconds),
        first=first,
    )


def job(state: str, seconds: float = 30, **given: object) -> Job:
    base = Job(job_id="j1", job_type="charge_card", state=state, since=ago(seconds))
    return replace(base, **given)  # type: ignore[arg-type]


def record(state: str, seconds: float) -> OutboxRecord:
    return OutboxRecord(outbox_id="o1", state=state, recorded_at=ago(seconds), since=ago(seconds))


WAIT = "waiting 41 min for the payment provider"

CASES = [
    pytest.param(
        at("payment_pending"), [job("failed", attempt=3, failures=3, errors=("timeout",))], [],
        Leg.RETRY_WAIT, f"{WAIT}; 3 attempts failed with timeout; next retry unknown",
        id="a failed attempt with attempts left waits for its retry",
    ),
    pytest.param(
        at("payment_pending"),
        [job("failed", attempt=1, failures=1, errors=("timeout",), scheduled_at=ago(-90))], [],
        Leg.RETRY_WAIT, f"{WAIT}; 1 attempt failed with timeout; next retry in 1 min 30 s",
        id="a planned retry is named",
    ),
    pytest.param(
        at("payment_pending"),
        [job("enqueued", failures=2, errors=("http_500", "timeout"), scheduled_at=ago(-5))], [],
        Leg.RETRY_WAIT, f"{WAIT}; 2 attempts failed, the last with http_500; next retry in 5 s",
        id="enqueued for later is a retry wait",
    ),
    pytest.param(
        at("payment_pending"), [job("failed", failures=1, scheduled_at=ago(20))], [],
        Leg.RETRY_WAIT, f"{WAIT}; 1 attempt failed; its next retry was due 20 s ago",
        id="an overdue retry says so",
    ),
    pytest.param(
        at("payment_pending"), [job("started", attempt=4, max_attempts=5)], [],
        Leg.EXTERNAL_WAIT, f"{WAIT}; charge_card has been running for 30 s (attempt 4 of 5)",
        id="running in a state that waits for somebody is waiting for them",
    ),
    pytest.param(
        at("payment_pending"), [job("started", 300, attempt=1)], [],
        Leg.EXECUTION,
        "charge_card has been running for 5 min (attempt 1 of 5); "
        "silent beyond its limit of 2 min: its worker may be lost",
        id="a job silent beyond its limit is execution",
    ),
    pytest.param(
        at("payment_pending"), [job("enqueued", 180)], [],
        Leg.QUEUE, "charge_card has waited 3 min for a worker, beyond its limit of 1 min",
        id="enqueued and taken by nobody",
    ),
    pytest.param(
        at("payment_pending"), [job("enqueued", 180, scheduled_at=ago(20))], [],
        Leg.QUEUE, "charge_card has waited 20 s for a worker",
        id="queue wait counts from the planned time",
    ),
    pytest.param(
        at("payment_pending"), [job("failed", attempt=5, failures=5, errors=("timeout",))], [],
        Leg.MANUAL_WAIT,
        "charge_card gave up 30 s ago after 5 attempts (timeout); it needs a person of checkout",
        id="the last permitted attempt failed",
    ),
    pytest.param(
        at("paid"), [job("exhausted", 10, job_type="ship", attempt=2)], [],
        Leg.MANUAL_WAIT,
        "ship gave up 10 s ago after 2 attempts; it needs a person of checkout",
        id="an exhausted job of an unbound type",
    ),
    pytest.param(
        at("submitted", 45, first=True), [], [record("recorded", 45)],
        Leg.OUTBOX,
        "its message has waited 45 s in the outbox to be dispatched, beyond its limit of 30 s",
        id="a dead dispatcher",
    ),
    pytest.param(
        at("submitted", 5, first=True), [], [record("failed", 5)],
        Leg.OUTBOX,
        "its message has waited 5 s in the outbox to be dispatched; "
        "the last attempt to dispatch it failed",
        id="a dispatch that failed",
    ),
    pytest.param(
        at("submitted", 45, first=True), [], [record("dispatched", 40)],
        Leg.QUEUE, "its message was dispatched 40 s ago and no worker has answered",
        id="dispatched and nobody answered",
    ),
    pytest.param(
        at("review", 7200), [], [], Leg.MANUAL_WAIT, "waiting 2 h for a person of support",
        id="blocked waits for its owner",
    ),
    pytest.param(
        at("completed", 12), [], [record("dispatched", 100)], Leg.READ_MODEL,
        "finished 12 s ago and not yet visible to its user: the read model lags",
        id="finished and not visible",
    ),
    pytest.param(
        at("completed", 12), [], [record("recorded", 12)], Leg.OUTBOX,
        "its message has waited 12 s in the outbox to be dispatched",
        id="the outbox holds it before the read model can",
    ),
    pytest.param(at("payment_pending"), [], [], Leg.EXTERNAL_WAIT, WAIT, id="no job at all"),
    pytest.param(
        at("payment_pending"), [job("succeeded")], [record("acknowledged", 30)],
        Leg.EXTERNAL_WAIT, WAIT, id="what has ended holds nothing",
    ),
    pytest.param(
        at("submitted", 3, first=True), [], [], Leg.ACCEPT,
        "accepted 3 s ago; nothing has been heard of it since", id="just accepted",
    ),
    pytest.param(
        at("paid", 60), [job("started", 90)], [], Leg.UNKNOWN,
        "in paid for 1 min; nothing recorded says what it waits for",
        id="a job bound to another state does not hold this one",
    ),
    pytest.param(
        at("paid", 60), [job("started", 90, job_type="ship")], [record("recorded", 60)],
        Leg.OUTBOX,
        "its message has waited 1 min in the outbox to be dispatched, beyond its limit of 30 s",
        id="a job of an earlier visit is weaker evidence than the outbox",
    ),
    pytest.param(
        at("paid", 60), [job("started", 90, job_type="", failures=0)], [], Leg.EXECUTION,
        "job j1 has been running for 1 min 30 s",
        id="a job of an earlier visit is better than nothing",
    ),
    pytest.param(
        at("paid", -2), [], [], Leg.UNKNOWN,
        "in paid for 0 ms; nothing recorded says what it waits for",
        id="a clock ahead of ours reads as now",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("position", "jobs", "outbox", "leg", "sentence"), CASES)
def test_leg_and_sentence(
    position: Position, jobs: list[Job], outbox: list[OutboxRecord], leg: Leg, sentence: str
) -> None:
    found = holding(position, ORDER, jobs, outbox, NOW)
    assert (found.leg, found.sentence) == (leg, sentence)


def test_without_a_definition_jobs_still_tell() -> None:
    position = Position(state="x", status=None, terminal=False, entered_at=ago(60))
    found = holding(position, None, [job("started", 5, attempt=2)], [], NOW)
    assert found == found.__class__(
        Leg.EXECUTION, ago(5), "charge_card has been running for 5 s (attempt 2)"
    )


@pytest.mark.parametrize(
    ("waits_for", "said"),
    [
        ("payment provider", "the payment provider"),
        ("the bank", "the bank"),
        ("your bank", "your bank"),
        ("Stripe", "Stripe"),
    ],
)
def test_whom_it_waits_for_reads_as_a_sentence(waits_for: str, said: str) -> None:
    state = State(name="s", status=Status.PROCESSING, waits_for=waits_for)
    definition = Definition(workflow="w", version="1", states=(state,), edges=())
    position = Position(state="s", status=state.status, terminal=False, entered_at=ago(60))
    assert holding(position, definition, [], [], NOW).sentence == f"waiting 1 min for {said}"


def test_every_leg_that_applies_is_listed_once_in_order_of_precedence() -> None:
    jobs = [job("started"), job("enqueued", 50), job("started", 40)]
    found = legs(at("payment_pending"), ORDER, jobs, [record("recorded", 10)], NOW)
    assert [each.leg for each in found] == [Leg.EXTERNAL_WAIT, Leg.QUEUE, Leg.OUTBOX]


def test_of_two_running_jobs_the_longest_is_named() -> None:
    jobs = [job("started", 10, job_type="ship"), job("started", 40, job_type="pack")]
    assert "pack has been running for 40 s" in holding(at("paid"), ORDER, jobs, [], NOW).sentence
