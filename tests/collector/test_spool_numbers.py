"""No segment number is ever used twice."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.spool import disk
from collector.spool.numbers import SegmentNumbers
from tests.collector.spooling import events as some
from tests.collector.spooling import files, spooling, stored, take


def test_they_begin_at_one_and_grow(tmp_path: Path) -> None:
    numbers = SegmentNumbers(tmp_path, 1)
    assert [numbers.take() for _ in range(3)] == [1, 2, 3]


def test_after_a_crash_they_go_on_above(tmp_path: Path) -> None:
    used = [SegmentNumbers(tmp_path, 1).take() for _ in range(5)]
    assert used == sorted(set(used))


@settings(max_examples=50, deadline=None)
@given(
    steps=st.lists(
        st.one_of(
            st.just("restart"), st.integers(1, 1_500), st.integers(-5, 5_000).map(lambda n: (n,))
        ),
        max_size=12,
    )
)
def test_whatever_happens_they_only_grow(
    tmp_path_factory: pytest.TempPathFactory, steps: list[object]
) -> None:
    folder = tmp_path_factory.mktemp("numbers")
    numbers, last = SegmentNumbers(folder, 1), 0
    for step in steps:
        if step == "restart":
            numbers = SegmentNumbers(folder, 1)
        elif isinstance(step, int):
            for _ in range(step):
                taken = numbers.take()
                assert taken > last
                last = taken
        elif isinstance(step, tuple):
            numbers.raise_to(step[0])
            assert numbers.upcoming >= step[0]


def test_one_that_could_not_be_set_aside_is_not_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = SegmentNumbers(tmp_path, 1)

    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        patch.setattr(disk, "write_whole", full)
        numbers.take()
    assert numbers.take() == 1
    assert SegmentNumbers(tmp_path, 1).take() > 1


async def test_files_that_are_there_count(tmp_path: Path) -> None:
    async with spooling(tmp_path, flush=False) as spool:
        await take(spool, some(1))
    (path,) = files(tmp_path, "sealed")
    path.rename(tmp_path / f"{7_000:020d}.sealed")
    (tmp_path / "next_segment").unlink()
    async with spooling(tmp_path, flush=False) as spool:
        await take(spool, some(1))
    assert [int(each.stem) for each in files(tmp_path, "sealed")] == [7_000, 7_001]


async def test_a_collector_that_is_not_new_and_lost_its_folder_begins_far_above(
    tmp_path: Path,
) -> None:
    """The store may be away, so nobody can say how far its numbers went."""
    clock = 1_795_267_000_000_000
    async with spooling(tmp_path, new=False, flush=False, clock=lambda: clock) as spool:
        assert spool.counts().segment == clock // 1000 - 1
        await take(spool, some(1), received_at=clock)
    assert [int(each.stem) for each in files(tmp_path, "sealed")] == [clock // 1000]


async def test_what_the_store_has_seen_is_not_used_again(tmp_path: Path) -> None:
    async with spooling(tmp_path) as spool:
        spool.numbers_from(58)
        assert spool.counts().segment == 57, "a mark does not go back"
        await take(spool, some(1))
        await stored(spool)
        assert spool.counts().segment == 58


async def test_what_waits_is_not_said_to_be_stored(tmp_path: Path) -> None:
    async with spooling(tmp_path, flush=False) as spool:
        await take(spool, some(1))
        spool.numbers_from(58)
        assert spool.counts().segment == 0
