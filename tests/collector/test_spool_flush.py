"""From the spool to the store: once, in order, whatever the store does meanwhile."""

import asyncio
import itertools
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from collector.spool import Overloaded, SpoolUnavailable
from collector.spool.segment import FRAME_BYTES, HEADER_BYTES
from lifecycle.errors import StoreRefused, StoreUnavailable
from lifecycle.events import Event
from store.blocks import Block, block_of
from store.events import RejectedEvent
from tests.collector.running import FakeSink
from tests.collector.spooling import (
    events,
    eventually,
    failing,
    files,
    ids,
    rejected,
    spooling,
    stored,
    take,
)

AWAY = StoreUnavailable("the store is away")
SIZE = len(block_of(events(1)).data) + FRAME_BYTES
BAD = StoreRefused("row violates a constraint")


def refuse(*names: str) -> FakeSink:
    """A store that refuses these events."""
    bad = set(names)
    return FakeSink(refuse=lambda rows: BAD if bad & {row.event_id for row in rows} else None)


async def test_nothing_is_acknowledged_before_it_is_synced(tmp_path: Path) -> None:
    async with spooling(tmp_path) as spool:
        with failing("fsync:sleep=0.1"):
            task = asyncio.create_task(take(spool, events(2)))
            await eventually(lambda: files(tmp_path, "open"))
            assert not task.done()
            assert spool.counts().accepted == 0
            await task
        assert spool.counts().accepted == 2


async def test_nothing_needs_the_store(tmp_path: Path) -> None:
    async with spooling(tmp_path, FakeSink(away=AWAY)) as spool:
        for _ in range(3):
            await take(spool, events(2))
        assert (spool.counts().accepted, spool.counts().pending) == (6, 6)


async def test_a_body_of_nothing_is_nothing(tmp_path: Path) -> None:
    async with spooling(tmp_path) as spool:
        await take(spool, [])
        assert files(tmp_path, "open") == files(tmp_path, "sealed") == []


async def test_bodies_share_a_segment_until_it_is_full(tmp_path: Path) -> None:
    sink = FakeSink()
    async with spooling(tmp_path, sink, seal_seconds=60, segment_rows=10) as spool:
        for count in (4, 6, 3, 25, 1):
            await take(spool, events(count))
    assert [len(rows) for _, rows in sink.inserts] == [10, 3, 25, 1]
    assert spool.counts().segments == 4


async def test_a_segment_is_also_full_by_its_bytes(tmp_path: Path) -> None:
    sink = FakeSink()
    async with spooling(
        tmp_path, sink, seal_seconds=60, segment_bytes=HEADER_BYTES + 4 * SIZE
    ) as spool:
        for _ in range(9):
            await take(spool, events(1))
    counts = [len(rows) for _, rows in sink.inserts]
    assert sum(counts) == 9
    assert counts == [4, 4, 1]


async def test_a_segment_waits_no_longer_than_is_set(tmp_path: Path) -> None:
    sink = FakeSink()
    async with spooling(tmp_path, sink, seal_seconds=0.2) as spool:
        begun = time.monotonic()
        await take(spool, events(1))
        await take(spool, events(1))
        await stored(spool)
        assert time.monotonic() - begun >= 0.2
    assert len(sink.inserts) == 1


async def test_while_the_store_is_behind_segments_grow(tmp_path: Path) -> None:
    sink = FakeSink(gate=threading.Event())
    async with spooling(tmp_path, sink, segment_rows=50) as spool:
        await take(spool, events(1, name="inserting"))
        assert await asyncio.to_thread(sink.entered.wait, 10)
        await take(spool, events(1, name="next"))
        for number in range(120):
            await take(spool, events(1, name=f"more{number}"))
        sink.gate.set()
        await stored(spool)
    assert [len(rows) for _, rows in sink.inserts] == [1, 1, 50, 50, 20]


async def test_segments_go_one_at_a_time_in_order(tmp_path: Path) -> None:
    sink = FakeSink()
    async with spooling(tmp_path, sink) as spool:
        for number in range(20):
            await take(spool, events(1, name=str(number)))
        await stored(spool)
        assert spool.counts().segment == sink.positions[-1][0]
    assert ids(sink) == [f"{number}-0" for number in range(20)]
    segments = [segment for segment, _ in sink.positions]
    assert segments == sorted(segments)


async def test_a_store_that_is_away_is_tried_again_with_the_same_token(tmp_path: Path) -> None:
    sink = FakeSink(errors=[AWAY] * 5)
    async with spooling(tmp_path, sink) as spool:
        await take(spool, events(2), received_at=10)
        await stored(spool)
        assert spool.counts().failed_inserts == 5
        assert spool.flushed_at(1_000) == 1_000, "nobody was told to send again"
    assert len(sink.tokens_tried) == 6
    assert len(set(sink.tokens_tried)) == 1
    assert ids(sink) == ["e-0", "e-1"]


async def test_an_insert_that_happened_and_said_it_had_not_counts_once(tmp_path: Path) -> None:
    sink = FakeSink()
    async with spooling(tmp_path, sink) as spool:
        with failing("inserted:error"):
            await take(spool, events(2), rejected(2))
            await eventually(lambda: spool.counts().failed_inserts >= 3)
        await stored(spool)
    assert ids(sink) == ["e-0", "e-1"]
    assert len(sink.rejected) == 2


async def test_what_is_in_the_spool_holds_the_watermark(tmp_path: Path) -> None:
    sink = FakeSink(gate=threading.Event())
    async with spooling(tmp_path, sink) as spool:
        await take(spool, events(1), received_at=50)
        await take(spool, events(1), received_at=40)
        assert spool.flushed_at(1_000) == 40
        assert spool.counts().oldest == 40
        with spool.receiving() as received_at:
            assert received_at == 100
            assert spool.flushed_at(1_000) == 40
        sink.gate.set()
        await stored(spool)
        assert spool.flushed_at(1_000) == 1_000


async def test_refused_records_go_the_same_way(tmp_path: Path) -> None:
    sink = FakeSink(rejected_errors=[AWAY] * 2)
    async with spooling(tmp_path, sink) as spool:
        await take(spool, [], rejected(3), type=2, length=3)
        assert spool.counts().accepted == 0
        await stored(spool)
        counts = spool.counts()
    assert len(sink.rejected) == 3
    assert counts.rejected == {"type": 2, "length": 3}
    assert counts.rejected_unkept == 2


async def test_who_goes_away_has_sent_all_the_same(tmp_path: Path) -> None:
    sink = FakeSink()
    async with spooling(tmp_path, sink) as spool:
        with failing("fsync:sleep=0.1"):
            task = asyncio.create_task(take(spool, events(1)))
            await eventually(lambda: files(tmp_path, "open"))
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await stored(spool)
    assert ids(sink) == ["e-0"]


async def test_stopping_stores_what_waits(tmp_path: Path) -> None:
    sink = FakeSink(gate=threading.Event())
    async with spooling(tmp_path, sink, seal_seconds=60) as spool:
        await take(spool, events(3), rejected(1))
        stopping = asyncio.create_task(spool.stop())
        assert await asyncio.to_thread(sink.entered.wait, 10)
        with pytest.raises(SpoolUnavailable, match="stopping"):
            await take(spool, events(1))
        with pytest.raises(SpoolUnavailable, match="stopping"):
            spool.admit()
        sink.gate.set()
        await stopping
        assert spool.empty
    assert (len(sink.events), len(sink.rejected)) == (3, 1)


async def test_stopping_does_not_wait_for_a_store_that_is_away(tmp_path: Path) -> None:
    sink = FakeSink(away=AWAY)
    async with spooling(tmp_path, sink, drain_seconds=60, retry_first=60.0) as spool:
        await take(spool, events(3))
        await eventually(lambda: spool.counts().failed_inserts)
        begun = time.monotonic()
        await spool.stop()
        assert time.monotonic() - begun < 10
        assert not spool.empty
    sink.away = None
    async with spooling(tmp_path, sink) as spool:
        await stored(spool)
    assert ids(sink) == ["e-0", "e-1", "e-2"]


async def test_stopping_waits_for_a_store_that_hangs_no_longer_than_is_set(tmp_path: Path) -> None:
    sink = FakeSink(gate=threading.Event())
    async with spooling(tmp_path, sink, drain_seconds=0.1) as spool:
        await take(spool, events(3))
        assert await asyncio.to_thread(sink.entered.wait, 10)
        begun = time.monotonic()
        await spool.stop()
        assert time.monotonic() - begun < 10
        assert len(files(tmp_path, "sealed")) == 1


@pytest.mark.parametrize(
    ("sizes", "bad"),
    [
        pytest.param([1], ["b0-0"], id="a single one"),
        pytest.param([5], ["b0-3"], id="one of a body"),
        pytest.param([2, 3, 2], ["b1-1"], id="one of several bodies"),
        pytest.param([2, 3, 2], ["b0-0", "b2-1"], id="the first and the last"),
        pytest.param([4], ["b0-0", "b0-1", "b0-2", "b0-3"], id="all of them"),
        pytest.param([1] * 9, ["b4-0", "b5-0"], id="two neighbours"),
    ],
)
async def test_a_record_that_the_store_refuses_stands_alone(
    tmp_path: Path, sizes: Sequence[int], bad: Sequence[str]
) -> None:
    sink = refuse(*bad)
    async with spooling(tmp_path, sink, flush=False, seal_seconds=60) as spool:
        sent: list[str] = []
        for number, size in enumerate(sizes):
            await take(spool, events(size, name=f"b{number}"))
            sent += [f"b{number}-{each}" for each in range(size)]
        await take(spool, events(1, name="another segment"))
        spool.flush()
        await spool.stop()
        counts = spool.counts()
    assert ids(sink) == [each for each in [*sent, "another segment-0"] if each not in bad]
    told = [(row.reason, row.detail, row.position) for row in sink.rejected]
    assert told == [("refused_by_store", str(BAD), sent.index(each)) for each in bad]
    assert counts.quarantined == {"event": len(bad)}
    assert counts.quarantined_now == len(bad)
    assert counts.pending == 0
    assert spool.flushed_at(1_000) == 1_000, "what is in quarantine holds nothing back"
    assert files(tmp_path, "refused") == []


async def test_positions_of_a_segment_that_goes_in_parts_are_those_of_the_whole(
    tmp_path: Path,
) -> None:
    sink = refuse("e-5")
    async with spooling(tmp_path, sink) as spool:
        await take(spool, events(8))
        await stored(spool)
    found = {
        event.event_id: first + each
        for (_, rows), (_, first) in zip(sink.inserts, sink.positions, strict=True)
        for each, event in enumerate(rows)
    }
    assert found == {f"e-{each}": each for each in range(8) if each != 5}


async def test_a_store_that_refuses_whatever_comes_is_waited_for(tmp_path: Path) -> None:
    """Its table or its password is wrong, not the records."""
    sink = FakeSink(away=StoreRefused("no such table"))
    async with spooling(tmp_path, sink) as spool:
        await take(spool, events(4), rejected(1))
        await eventually(lambda: spool.counts().failed_inserts >= 3)
        assert spool.counts().quarantined_now == 0
        assert spool.flushed_at(1_000) == 10
        sink.away = None
        await stored(spool)
    assert ids(sink) == [f"e-{each}" for each in range(4)]


@pytest.mark.parametrize("calls", range(1, 12))
async def test_a_crash_while_bisecting_doubles_nothing(tmp_path: Path, calls: int) -> None:
    """Also where the next version would take the whole: parts of it are in already."""
    sink = refuse("e-5")
    counted = itertools.count(1)
    inner = sink.insert_blocks

    def crash(*args: object, **more: object) -> None:
        if next(counted) > calls:
            raise AWAY
        inner(*args, **more)  # type: ignore[arg-type]

    sink.insert_blocks = crash  # type: ignore[method-assign,assignment]
    async with spooling(tmp_path, sink, retry_first=60.0) as spool:
        await take(spool, events(8))
        await eventually(lambda: spool.empty or spool.counts().failed_inserts)
        await spool.stop()
    sink.insert_blocks = inner  # type: ignore[method-assign]
    sink.refuse = lambda rows: None
    async with spooling(tmp_path, sink) as spool:
        await stored(spool)
        spool.retry()
        await stored(spool)
    assert sorted(ids(sink)) == [f"e-{each}" for each in range(8)]


async def test_a_refused_record_whose_own_row_is_refused_is_kept_in_quarantine(
    tmp_path: Path,
) -> None:
    def odd(rows: Sequence[RejectedEvent]) -> Exception | None:
        return BAD if any(row.position == 2 for row in rows) else None

    sink = FakeSink(refuse_rejected=odd)
    async with spooling(tmp_path, sink) as spool:
        await take(spool, [], rejected(4), type=4)
        await stored(spool)
        assert spool.counts().quarantined == {"rejection": 1}
        sink.refuse_rejected = lambda rows: None
        assert spool.retry() == 1
        await stored(spool)
    assert sorted(row.position for row in sink.rejected) == [0, 1, 2, 3]


async def test_a_fault_of_ours_costs_one_segment_no_other_and_it_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = FakeSink()
    async with spooling(tmp_path, sink) as spool:
        with monkeypatch.context() as patch:
            patch.setattr(sink, "insert_blocks", lambda *_, **__: 1 / 0)
            await take(spool, events(1, name="odd"))
            await stored(spool)
        await take(spool, events(1, name="next"))
        await stored(spool)
        assert spool.counts().damaged == 1
    assert ids(sink) == ["next-0"]
    assert [each.suffix for each in (tmp_path / "damaged").iterdir()] == [".sealed"]


async def test_under_faults_every_acknowledged_event_is_stored_once(tmp_path: Path) -> None:
    """Producers that send again what was not acknowledged; disk and store fail at times."""
    faults = itertools.cycle([None, AWAY, None, None, AWAY])

    def moody(rows: Sequence[Event]) -> Exception | None:
        return next(faults)

    sink = FakeSink(refuse=moody)
    told = 0

    async with spooling(
        tmp_path, sink, segment_rows=20, spool_bytes=60_000, waiting_bytes=20_000
    ) as spool:

        async def producer(name: str) -> None:
            nonlocal told
            for number in range(10):
                while True:
                    try:
                        await take(spool, events(3, name=f"{name}-{number}"))
                    except (Overloaded, SpoolUnavailable):
                        told += 1
                        await asyncio.sleep(0.002)
                    else:
                        break

        with failing("fsync:error=EIO") as _:
            failed = asyncio.create_task(producer("first"))
            await eventually(lambda: spool.counts().failed_writes > 2)
        await asyncio.gather(failed, *(producer(f"p{each}") for each in range(30)))
        await stored(spool)
        assert spool.counts().accepted == 31 * 30
    names = {
        f"{name}-{number}-{each}"
        for name in ("first", *(f"p{p}" for p in range(30)))
        for number in range(10)
        for each in range(3)
    }
    assert told
    assert sorted(ids(sink)) == sorted(names)


async def test_bodies_of_few_events_are_inserted_together(tmp_path: Path) -> None:
    """A block costs the engine the same whatever is in it."""
    sink = FakeSink()
    inserted: list[list[int]] = []
    inner = sink.insert_blocks

    def insert(blocks: Sequence[Block], **more: Any) -> None:
        inserted.append([block.rows for block in blocks])
        inner(blocks, **more)

    sink.insert_blocks = insert  # type: ignore[method-assign,assignment]
    async with spooling(tmp_path, sink, seal_seconds=60) as spool:
        for number, count in enumerate((1, 4, 1, 5, 1, 50, 2, 3)):
            await take(spool, events(count, name=f"b{number}"))
    assert inserted == [[6, 5, 1, 50, 5]]
    sizes = enumerate((1, 4, 1, 5, 1, 50, 2, 3))
    assert ids(sink) == [f"b{number}-{each}" for number, count in sizes for each in range(count)]
