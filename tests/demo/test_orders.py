"""An order's way through book, outbox, queue and worker, and its crossings."""

from collections.abc import Callable

import httpx
import pytest

from demo.app.book import Book, StaleOrder
from demo.app.dispatcher import dispatch
from demo.app.orders import create_app
from demo.app.queue import LEASE, MAX_ATTEMPTS
from demo.app.worker import Worker
from tests.demo.conftest import Shop

Answer = Callable[[httpx.Request], httpx.Response]

HAPPY_PATH = [
    ("", "submitted"),
    ("submitted", "queued"),
    ("queued", "payment_pending"),
    ("payment_pending", "paid"),
    ("paid", "completed"),
]


def charged(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json={})


def refused(request: httpx.Request) -> httpx.Response:
    return httpx.Response(503)


def hung(request: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("no answer", request=request)


def worker(shop: Shop, answer: Answer, *, shortcut: bool = False) -> Worker:
    provider = httpx.AsyncClient(
        transport=httpx.MockTransport(answer), base_url="http://provider.invalid"
    )
    return Worker(shop.book, shop.queue, provider, shortcut=shortcut)


async def work_off(shop: Shop, at: Worker, rounds: int = 10) -> None:
    """Let the worker take what is due, round by round, with pauses long enough for every retry."""
    for _ in range(rounds):
        for job in shop.queue.take(10):
            await at.work(job)
        shop.clock.pass_(2.0)


async def test_an_order_goes_its_way_and_every_step_is_reported_once(shop: Shop) -> None:
    shop.book.place("o1", 1000, "user")
    dispatch(shop.book, shop.queue)
    await work_off(shop, worker(shop, charged))
    assert shop.reports.steps("transition") == HAPPY_PATH
    assert [state for _, state in shop.reports.steps("outbox")] == [
        "recorded",
        "dispatched",
        "acknowledged",
    ]
    assert [state for _, state in shop.reports.steps("job")] == ["enqueued", "started", "succeeded"]
    sequences = [f["sequence"] for name, _, f in shop.reports.told if name == "transition"]
    assert sequences == [1, 2, 3, 4, 5]
    assert sorted(shop.reports.ids()) == sorted(set(shop.emitted()))


async def test_the_shortcut_release_leaves_out_the_paid_state(shop: Shop) -> None:
    shop.book.place("o1", 1000, "user")
    dispatch(shop.book, shop.queue)
    await work_off(shop, worker(shop, charged, shortcut=True))
    assert shop.reports.steps("transition")[-1] == ("payment_pending", "completed")


@pytest.mark.parametrize(
    ("answer", "error_type"),
    [
        pytest.param(refused, "HTTPStatusError", id="the provider fails every attempt"),
        pytest.param(hung, "ReadTimeout", id="the provider hangs at every attempt"),
    ],
)
async def test_a_payment_that_never_succeeds_is_given_up(
    shop: Shop, answer: Answer, error_type: str
) -> None:
    shop.book.place("o1", 1000, "user")
    dispatch(shop.book, shop.queue)
    await work_off(shop, worker(shop, answer))
    states = [state for _, state in shop.reports.steps("job")]
    assert states == [
        "enqueued",
        *["started", "failed"] * (MAX_ATTEMPTS - 1),
        "started",
        "exhausted",
    ]
    assert shop.reports.told[-1][2]["error_type"] == error_type
    assert shop.reports.told[-1][2]["attempt"] == MAX_ATTEMPTS
    assert shop.reports.steps("transition")[-1] == ("payment_pending", "failed")


async def test_a_provider_that_recovers_completes_the_order(shop: Shop) -> None:
    answers = iter([refused, hung, charged])
    shop.book.place("o1", 1000, "user")
    dispatch(shop.book, shop.queue)
    await work_off(shop, worker(shop, lambda request: next(answers)(request)))
    assert shop.reports.steps("transition") == HAPPY_PATH


async def test_a_dead_workers_job_is_taken_over_once_its_lease_has_run_out(shop: Shop) -> None:
    shop.book.place("o1", 1000, "user")
    dispatch(shop.book, shop.queue)
    [lost] = shop.queue.take(10)
    assert shop.queue.take(10) == []
    shop.clock.pass_(LEASE + 0.1)
    [again] = shop.queue.take(10)
    assert (again.job_id, again.attempt) == (lost.job_id, 2)
    shop.queue.succeed(lost)  # the dead one wakes up after all: it has no say any more
    assert shop.reports.steps("job")[-1][-1] == "started"
    await worker(shop, charged).work(again)
    assert shop.reports.steps("job")[-1][-1] == "succeeded"


async def test_a_job_lost_with_every_worker_that_took_it_is_given_up(shop: Shop) -> None:
    shop.book.place("o1", 1000, "user")
    dispatch(shop.book, shop.queue)
    for _ in range(MAX_ATTEMPTS):
        assert len(shop.queue.take(10)) == 1
        shop.clock.pass_(LEASE + 0.1)
    await work_off(shop, worker(shop, charged))
    assert shop.reports.steps("job")[-1][-1] == "exhausted"
    assert shop.reports.steps("transition")[-1][-1] == "failed"


@pytest.mark.parametrize("state", ["payment_pending", "paid", "completed", "failed"])
async def test_a_worker_continues_where_the_dead_one_stopped(shop: Shop, state: str) -> None:
    path = {
        "payment_pending": ["payment_pending"],
        "paid": ["payment_pending", "paid"],
        "completed": ["payment_pending", "paid", "completed"],
        "failed": ["payment_pending", "failed"],
    }[state]
    order = shop.book.place("o1", 1000, "user")
    dispatch(shop.book, shop.queue)
    order = shop.book.get("o1") or order
    for to in path:
        order = shop.book.move(order, to, "step")
    await work_off(shop, worker(shop, charged))
    end = "failed" if state == "failed" else "completed"
    assert shop.reports.steps("transition")[-1][-1] == end
    assert shop.reports.steps("job")[-1][-1] == ("exhausted" if state == "failed" else "succeeded")
    entries = [to for _, to in shop.reports.steps("transition")]
    assert len(entries) == len(set(entries)), "no step was taken twice"


def test_two_who_read_the_same_version_cannot_both_change_it(shop: Shop) -> None:
    order = shop.book.place("o1", 1000, "user")
    shop.book.move(order, "queued", "enqueue")
    with pytest.raises(StaleOrder, match="no longer at version 1"):
        shop.book.move(order, "failed", "decline")
    assert shop.reports.steps("transition") == HAPPY_PATH[:2]


def test_the_same_order_placed_twice_is_one_order(shop: Shop) -> None:
    first = shop.book.place("o1", 1000, "user")
    assert shop.book.place("o1", 1000, "user") == first
    assert len(shop.reports.told) == 2


def test_a_dispatcher_that_died_between_the_databases_enqueues_once(shop: Shop) -> None:
    shop.book.place("o1", 1000, "user")
    [record] = shop.book.pending(10)
    shop.queue.enqueue(record.outbox_id, record.order_id, record.job_type, record.transition_key)
    assert dispatch(shop.book, shop.queue) == 1
    assert dispatch(shop.book, shop.queue) == 0
    assert [state for _, state in shop.reports.steps("job")] == ["enqueued"]
    assert [state for _, state in shop.reports.steps("outbox")] == ["recorded", "dispatched"]


async def test_a_worker_quicker_than_the_dispatchers_note_keeps_its_step(shop: Shop) -> None:
    book: Book = shop.book
    book.place("o1", 1000, "user")
    [record] = book.pending(10)
    shop.queue.enqueue(record.outbox_id, record.order_id, record.job_type, record.transition_key)
    await work_off(shop, worker(shop, charged))
    book.dispatched(record)
    assert ("submitted", "payment_pending") in shop.reports.steps("transition")
    assert shop.reports.steps("transition")[-1] == ("paid", "completed")


def test_changes_are_read_from_where_the_reader_stood(shop: Shop) -> None:
    for number in range(3):
        shop.book.place(f"o{number}", 1000, "user")
    [first, *_] = shop.book.changes(0, 10)
    assert [each.order_id for each in shop.book.changes(first.number, 10)] == ["o1", "o2"]
    assert len(shop.book.changes(0, 2)) == 2


@pytest.mark.parametrize(
    ("body", "actor_type"),
    [
        pytest.param({"order_id": "", "amount": 1}, "user", id="no id"),
        pytest.param({"order_id": "o1", "amount": 0}, "user", id="no amount"),
        pytest.param({"order_id": "../o1", "amount": 1}, "user", id="an id that is a path"),
        pytest.param({"order_id": "o1", "amount": 1}, "king", id="an actor nobody knows"),
        pytest.param({}, "user", id="nothing"),
    ],
)
async def test_an_order_that_makes_no_sense_is_refused(
    shop: Shop, body: dict[str, str | int], actor_type: str
) -> None:
    transport = httpx.ASGITransport(create_app(shop.book))
    async with httpx.AsyncClient(transport=transport, base_url="http://shop.invalid") as client:
        answer = await client.post("/orders", json=body, headers={"Actor-Type": actor_type})
        assert answer.status_code == 422
        assert (await client.get("/orders/o1")).status_code == 404
    assert shop.reports.told == []
