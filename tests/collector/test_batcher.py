"""Group commit: what is acknowledged is stored; what waits is bounded; what fails says how."""

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from collector.batcher import Batcher, Overloaded
from collector.limits import Limits
from lifecycle.errors import StoreRefused, StoreUnavailable
from lifecycle.events import Event
from store.events import RejectedEvent
from tests.collector.running import FakeSink

AWAY = StoreUnavailable("the store is away")
BAD = StoreRefused("no such column")


def events(count: int, received_at: int = 10, name: str = "e") -> list[Event]:
    return [
        Event(
            tenant="t",
            event="heartbeat",
            event_id=f"{name}-{each}",
            occurred_at=received_at,
            received_at=received_at,
        )
        for each in range(count)
    ]


def rejected(count: int) -> list[RejectedEvent]:
    return [
        RejectedEvent(
            tenant="t",
            received_at=1,
            collector="c",
            door="native",
            position=each,
            field="f",
            reason="type",
            detail="d",
            raw="{}",
        )
        for each in range(count)
    ]


@asynccontextmanager
async def batching(
    sink: FakeSink, first_segment: int = 1, **limits: object
) -> AsyncIterator[Batcher]:
    chosen = Limits(**{"retry_delays": (0.0, 0.0), **limits})  # type: ignore[arg-type]
    batcher = Batcher(
        sink, collector="c", first_segment=first_segment, clock=lambda: 100, limits=chosen
    )
    batcher.start()
    try:
        yield batcher
    finally:
        if sink.gate is not None:
            sink.gate.set()
        await batcher.stop()


async def entered(sink: FakeSink) -> None:
    """Wait until an insert has begun."""
    assert await asyncio.to_thread(sink.entered.wait, 10)
    sink.entered.clear()


async def settled() -> None:
    """Let everything run that can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_what_arrives_while_an_insert_runs_goes_into_one_next_batch() -> None:
    sink = FakeSink(gate=threading.Event())
    async with batching(sink, first_segment=7) as batcher:
        first = asyncio.create_task(batcher.submit(events(1, name="first")))
        await entered(sink)
        others = [asyncio.create_task(batcher.submit(events(3, name=f"o{n}"))) for n in range(40)]
        await settled()
        assert batcher.counts().pending == 121
        assert not first.done()
        sink.gate.set()
        await asyncio.gather(first, *others)
        assert [len(rows) for _, rows in sink.inserts] == [1, 120]
        assert [token for token, _ in sink.inserts] == ["c-7", "c-8"]
        counts = batcher.counts()
        assert (counts.accepted, counts.pending, counts.batches) == (121, 0, 2)
        assert counts.segment == 8
    _, rows = sink.inserts[1]
    assert {row.segment for row in rows} == {8}
    assert [row.position for row in rows] == list(range(120))


async def test_a_batch_stops_at_its_row_limit_and_never_divides_a_request() -> None:
    sink = FakeSink(gate=threading.Event())
    async with batching(sink, batch_rows=10) as batcher:
        tasks = [asyncio.create_task(batcher.submit(events(1)))]
        await entered(sink)
        tasks += [asyncio.create_task(batcher.submit(events(count))) for count in (4, 6, 3, 25, 1)]
        await settled()
        sink.gate.set()
        await asyncio.gather(*tasks)
    assert [len(rows) for _, rows in sink.inserts] == [1, 10, 3, 25, 1]


async def test_nothing_is_acknowledged_before_its_insert_has_returned() -> None:
    sink = FakeSink(gate=threading.Event())
    async with batching(sink) as batcher:
        task = asyncio.create_task(batcher.submit(events(2)))
        await entered(sink)
        await settled()
        assert not task.done()
        assert batcher.counts().accepted == 0
        sink.gate.set()
        await task
        assert len(sink.events) == 2


async def test_retries_use_the_same_token_and_the_same_rows() -> None:
    sink = FakeSink(errors=[AWAY, AWAY])
    async with batching(sink) as batcher:
        await batcher.submit(events(2))
        await batcher.submit(events(1))
        assert sink.tokens_tried == ["c-1", "c-1", "c-1", "c-2"]
        assert batcher.counts().failed_inserts == 2


async def test_after_the_last_attempt_the_producer_is_told_to_send_again() -> None:
    sink = FakeSink(errors=[AWAY] * 3)
    async with batching(sink) as batcher:
        with pytest.raises(StoreUnavailable, match="away"):
            await batcher.submit(events(2))
        assert batcher.counts().pending == 0
        assert batcher.counts().accepted == 0
        await batcher.submit(events(2))
        # never a token that may already stand for other rows
        assert sink.tokens_tried == ["c-1"] * 3 + ["c-2"]


@pytest.mark.parametrize(
    "error", [BAD, ValueError("a bug in the sink")], ids=["refused", "an undeclared error"]
)
async def test_a_refusal_is_final_and_the_next_batch_is_stored(error: Exception) -> None:
    sink = FakeSink(errors=[error])
    async with batching(sink) as batcher:
        with pytest.raises(StoreRefused):
            await batcher.submit(events(2))
        assert sink.tokens_tried == ["c-1"]
        await batcher.submit(events(1))
        assert len(sink.events) == 1


async def test_a_refused_request_does_not_cost_the_others_of_its_batch_theirs() -> None:
    def refuse(rows: Sequence[Event]) -> Exception | None:
        return BAD if any(row.event_id.startswith("bad") for row in rows) else None

    sink = FakeSink(gate=threading.Event(), refuse=refuse)
    async with batching(sink) as batcher:
        tasks = [asyncio.create_task(batcher.submit(events(1, name="first")))]
        await entered(sink)
        tasks += [
            asyncio.create_task(batcher.submit(events(2, name=name))) for name in ("a", "bad", "b")
        ]
        await settled()
        sink.gate.set()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert results[0] is results[1] is results[3] is None
        assert isinstance(results[2], StoreRefused)
        assert batcher.counts().accepted == 5
        assert batcher.counts().pending == 0
    assert [event.event_id for event in sink.events] == ["first-0", "a-0", "a-1", "b-0", "b-1"]
    assert len(set(sink.tokens_tried)) == len(sink.tokens_tried)


async def test_more_than_may_wait_is_turned_away_and_one_large_request_is_not() -> None:
    sink = FakeSink(gate=threading.Event())
    async with batching(sink, pending_rows=10) as batcher:
        large = asyncio.create_task(batcher.submit(events(9)))
        await entered(sink)
        with pytest.raises(Overloaded, match="too many to add 2"):
            await batcher.submit(events(2))
        one = asyncio.create_task(batcher.submit(events(1)))
        await settled()
        with pytest.raises(Overloaded, match="10 events wait"):
            batcher.admit()
        sink.gate.set()
        await asyncio.gather(large, one)
        batcher.admit()
        await batcher.submit(events(25))
    assert len(sink.events) == 35


async def test_nothing_to_store_needs_no_insert() -> None:
    sink = FakeSink()
    async with batching(sink) as batcher:
        await batcher.submit([])
    assert sink.tokens_tried == []


async def test_the_watermark_stays_at_the_oldest_that_is_not_stored() -> None:
    sink = FakeSink(gate=threading.Event())
    clock = itertools.count(100).__next__
    batcher = Batcher(sink, collector="c", first_segment=1, clock=clock, limits=Limits())
    batcher.start()
    try:
        assert batcher.flushed_at(50) == 50
        with batcher.receiving() as decoding:
            assert batcher.flushed_at(1_000) == decoding
            with batcher.receiving() as later:
                task = asyncio.create_task(batcher.submit(events(1, later)))
                await entered(sink)
            assert batcher.flushed_at(1_000) == decoding
        # no longer decoding, and still not stored
        assert batcher.flushed_at(1_000) == later
        assert batcher.counts().oldest == later
        sink.gate.set()
        await task
        assert batcher.flushed_at(1_000) == 1_000
        assert batcher.counts().oldest is None
    finally:
        await batcher.stop()


async def test_the_watermark_waits_for_events_whose_request_went_away() -> None:
    sink = FakeSink(gate=threading.Event())
    async with batching(sink) as batcher:

        async def request() -> None:
            with batcher.receiving() as received_at:
                await batcher.submit(events(1, received_at))

        task = asyncio.create_task(request())
        await entered(sink)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert batcher.flushed_at(1_000) == 100
        sink.gate.set()
        await batcher.submit(events(1))
        assert batcher.flushed_at(1_000) == 1_000
        assert len(sink.events) == 2


async def test_a_batch_refused_for_good_does_not_hold_the_watermark() -> None:
    sink = FakeSink(errors=[BAD])
    async with batching(sink) as batcher:
        with pytest.raises(StoreRefused):
            await batcher.submit(events(1))
        assert batcher.flushed_at(1_000) == 1_000


async def test_the_watermark_waits_for_what_producers_were_told_to_send_again() -> None:
    """Else all that moved on while the store was away would look stuck once it is back."""
    now = itertools.count(1_000)
    sink = FakeSink(errors=[AWAY, AWAY, AWAY])
    limits = Limits(retry_delays=(), resend_seconds=30.0)
    batcher = Batcher(
        sink, collector="c", first_segment=1, clock=lambda: next(now) * 1_000_000, limits=limits
    )
    batcher.start()
    try:
        for _ in range(3):  # the clock stands at 1 000 s, then a few more
            with pytest.raises(StoreUnavailable), batcher.receiving() as received_at:
                await batcher.submit(events(1, received_at))
        first, last = 1_000_000_000, next(now) * 1_000_000
        await batcher.submit(events(1, last))
        assert batcher.flushed_at(last) == first
        assert batcher.flushed_at(last + 25_000_000) == first
        assert batcher.flushed_at(last + 30_000_000) == last + 30_000_000
        assert batcher.flushed_at(last + 25_000_000) == last + 25_000_000, "it is over for good"
    finally:
        await batcher.stop()


async def test_the_watermark_waits_for_what_was_sent_while_nobody_was_there() -> None:
    batcher = Batcher(
        FakeSink(), collector="c", first_segment=1, clock=lambda: 90_000_000, absent_since=5
    )
    assert batcher.flushed_at(91_000_000) == 5
    assert batcher.flushed_at(121_000_000) == 121_000_000


async def test_a_clock_stepped_back_does_not_prolong_the_wait_for_what_is_sent_again() -> None:
    sink = FakeSink(errors=[AWAY])
    async with batching(sink, retry_delays=()) as batcher:
        with pytest.raises(StoreUnavailable):
            await batcher.submit(events(1, received_at=90))
        assert batcher.flushed_at(100) == 90
        assert batcher.flushed_at(-60_000_000) == -60_000_000


async def test_stopping_stores_what_waits() -> None:
    sink = FakeSink(gate=threading.Event())
    async with batching(sink) as batcher:
        tasks = [asyncio.create_task(batcher.submit(events(1)))]
        await entered(sink)
        tasks.append(asyncio.create_task(batcher.submit(events(2))))
        batcher.keep_rejected(rejected(3), {"type": 3})
        await settled()
        stopping = asyncio.create_task(batcher.stop())
        await settled()
        with pytest.raises(StoreUnavailable, match="stopping"):
            await batcher.submit(events(1))
        sink.gate.set()
        await stopping
        await asyncio.gather(*tasks)
    assert len(sink.events) == 3
    assert len(sink.rejected) == 3


async def test_stopping_does_not_wait_for_ever() -> None:
    sink = FakeSink(gate=threading.Event())
    async with batching(sink) as batcher:
        tasks = [asyncio.create_task(batcher.submit(events(1)))]
        await entered(sink)
        tasks.append(asyncio.create_task(batcher.submit(events(1))))
        await settled()
        await batcher.stop(timeout=0.05)
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(result) for result in results] == [StoreUnavailable] * 2
        assert batcher.counts().pending == 0


async def test_refused_records_are_kept_with_the_next_batch_and_tried_again() -> None:
    sink = FakeSink(rejected_errors=[AWAY])
    async with batching(sink) as batcher:
        batcher.keep_rejected(rejected(2), {"type": 2})
        await batcher.submit(events(1))
        while sink.rejected_errors:
            await asyncio.sleep(0.001)
        await batcher.submit(events(1))
    assert [row.position for row in sink.rejected] == [0, 1]


async def test_refused_records_beyond_their_room_are_counted() -> None:
    sink = FakeSink(rejected_errors=[BAD])
    async with batching(sink, pending_refusals=3) as batcher:
        batcher.keep_rejected(rejected(5), {"type": 4, "length": 3})
        assert batcher.counts().rejected_lost == 2
        await batcher.stop()
        counts = batcher.counts()
        assert counts.rejected_lost == 5
        assert counts.rejected == {"type": 4, "length": 3}
        assert sink.rejected == []


class _AwayForRefusals(FakeSink):
    """Holds what was refused until told, then does not take it."""

    def __init__(self) -> None:
        super().__init__()
        self.trying = threading.Event()
        self.go_on = threading.Event()

    def insert_rejected(self, rows: Sequence[RejectedEvent]) -> None:
        self.trying.set()
        assert self.go_on.wait(10)
        raise AWAY


async def test_refused_records_that_come_back_take_no_room_that_is_not_there() -> None:
    sink = _AwayForRefusals()
    async with batching(sink, pending_refusals=3) as batcher:
        batcher.keep_rejected(rejected(3), {"type": 3})
        assert await asyncio.to_thread(sink.trying.wait, 10)
        batcher.keep_rejected(rejected(3), {"type": 3})
        sink.trying.clear()
        sink.go_on.set()
        assert await asyncio.to_thread(sink.trying.wait, 10)
        assert batcher.counts().rejected_lost == 3
        await batcher.stop()
        assert batcher.counts().rejected_lost == 6
        assert sink.rejected == []


async def test_a_store_that_fails_at_random_loses_and_doubles_nothing() -> None:
    """Producers send again what was not acknowledged; the store remembers tokens."""
    committed: dict[str, list[str]] = {}
    calls = itertools.count()

    class Flaky(FakeSink):
        def insert_events(self, events: Sequence[Event], token: str) -> None:
            call = next(calls)
            if call % 3 == 0:
                raise StoreUnavailable("failed before the commit")
            ids = [event.event_id for event in events]
            assert committed.setdefault(token, ids) == ids, "one token, two sets of rows"
            if call % 5 == 0:
                raise StoreUnavailable("failed after the commit")

    acknowledged: list[str] = []

    async def producer(batcher: Batcher, name: str) -> None:
        for number in range(10):
            sent = events(3, name=f"{name}-{number}")
            while True:
                try:
                    await batcher.submit(sent)
                except (StoreUnavailable, Overloaded):
                    await asyncio.sleep(0)
                    continue
                break
            acknowledged.extend(event.event_id for event in sent)

    async with batching(Flaky(), pending_rows=60, batch_rows=20, retry_delays=(0.0,)) as batcher:
        await asyncio.gather(*(producer(batcher, f"p{each}") for each in range(30)))
        assert batcher.counts().pending == 0
    assert len(acknowledged) == len(set(acknowledged)) == 900
    assert set(acknowledged) <= {each for ids in committed.values() for each in ids}
