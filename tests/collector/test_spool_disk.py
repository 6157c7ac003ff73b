"""A disk that is full, slow or failing: nobody is told wrong, and nothing half-written remains."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.spool import Overloaded, SpoolUnavailable, disk
from collector.spool.segment import FRAME_BYTES, HEADER_BYTES, scan
from store.blocks import block_of
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

SIZE = len(block_of(events(1)).data) + FRAME_BYTES


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


async def test_a_disk_that_is_full(small_disk: Path) -> None:
    sink = FakeSink(gate=asyncio.Event())  # type: ignore[arg-type]
    acknowledged: list[str] = []
    async with spooling(small_disk, sink, flush=False) as spool:
        for number in range(1_000):
            try:
                await take(spool, events(20, name=f"b{number}"), rejected(1))
            except SpoolUnavailable as error:
                assert (
                    str(error)
                    == f"the spool in {small_disk} cannot be written: No space left on device"
                )
                break
            acknowledged += [f"b{number}-{each}" for each in range(20)]
        assert acknowledged, "the disk had room for some"
        assert spool.counts().accepted == len(acknowledged)
        assert spool.counts().pending == len(acknowledged) * 21 // 20
        # what is on disk is what was acknowledged, and nothing else
        for path in files(small_disk, "open"):
            assert scan(path.read_bytes()).torn == 0
        sink.gate = None
        spool.flush()
        await stored(spool)
        await take(spool, events(1, name="later"))
        await stored(spool)
    assert ids(sink) == [*acknowledged, "later-0"]
    assert list(small_disk.glob("*ed")) == [small_disk / "damaged"], "the disk is empty again"


async def test_a_sync_that_fails_is_never_tried_again_on_the_same_file(tmp_path: Path) -> None:
    sink = FakeSink()
    async with spooling(tmp_path, sink, flush=False, seal_seconds=60) as spool:
        await take(spool, events(1, name="before"))
        (before,) = files(tmp_path, "open")
        size = before.stat().st_size
        with failing("fsync:error"), pytest.raises(SpoolUnavailable, match="Input/output error"):
            await take(spool, events(2, name="lost"))
        (sealed,) = files(tmp_path, "sealed")
        assert sealed.stem == before.stem
        assert sealed.stat().st_size == size, "what was not acknowledged is cut off"
        await take(spool, events(1, name="after"))
        (after,) = files(tmp_path, "open")
        assert after.stem != before.stem
        spool.flush()
    assert ids(sink) == ["before-0", "after-0"]
    assert spool.counts().failed_writes == 1


async def test_a_sync_that_fails_on_the_first_write_leaves_no_file(tmp_path: Path) -> None:
    async with spooling(tmp_path, flush=False) as spool:
        with failing("fsync:error"), pytest.raises(SpoolUnavailable):
            await take(spool, events(1))
        assert files(tmp_path, "open") == files(tmp_path, "sealed") == []
        assert (spool.empty, spool.counts().pending_bytes) == (True, 0)


async def test_a_directory_that_cannot_be_synced_is_no_place_for_a_new_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(folder: Path) -> None:
        raise OSError(5, "Input/output error")

    async with spooling(tmp_path, flush=False, seal_seconds=60) as spool:
        await take(spool, events(1, name="kept"))
        with monkeypatch.context() as patch:
            patch.setattr(disk, "sync_directory", fail)
            await take(spool, events(1, name="same file"))
        await spool.stop()
    async with spooling(tmp_path, flush=False) as spool:
        with monkeypatch.context() as patch, pytest.raises(SpoolUnavailable):
            patch.setattr(disk, "sync_directory", fail)
            await take(spool, events(1, name="new file"))
        assert spool.counts().pending == 2


@pytest.mark.parametrize("kept", [0, 1, HEADER_BYTES, HEADER_BYTES + 40, HEADER_BYTES + SIZE - 1])
async def test_half_a_write_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    write = os.pwrite

    def half(fd: int, data: memoryview, offset: int) -> int:
        write(fd, data[:kept], offset)
        raise OSError(28, "No space left on device")

    sink = FakeSink()
    async with spooling(tmp_path, sink, flush=False, seal_seconds=60) as spool:
        await take(spool, events(1, name="a"))
        with monkeypatch.context() as patch, pytest.raises(SpoolUnavailable):
            patch.setattr(os, "pwrite", half)
            await take(spool, events(1, name="b"))
        (path,) = files(tmp_path, "open")
        assert path.stat().st_size == HEADER_BYTES + SIZE
        await take(spool, events(1, name="c"))
        spool.flush()
    assert ids(sink) == ["a-0", "c-0"]


async def test_short_writes_are_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: write(fd, data[:100], offset))
    sink = FakeSink()
    async with spooling(tmp_path, sink) as spool:
        await take(spool, events(5))
    assert len(sink.events) == 5


async def test_a_segment_that_cannot_be_renamed_goes_to_the_store_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Path, target: Path) -> Path:
        raise OSError(30, "Read-only file system")

    sink = FakeSink()
    async with spooling(tmp_path, sink, flush=False, seal_seconds=60) as spool:
        await take(spool, events(2))
        monkeypatch.setattr(Path, "replace", fail)
        spool.flush()
        await spool.stop()
    assert ids(sink) == ["e-0", "e-1"]
    assert files(tmp_path, "open") == []


async def test_a_slow_disk_makes_producers_wait_and_then_come_back(tmp_path: Path) -> None:
    """What waits for it in memory is bounded."""
    async with spooling(tmp_path, waiting_bytes=4 * SIZE) as spool:
        with failing("fsync:sleep=0.3"):
            first = asyncio.create_task(take(spool, events(1)))
            await eventually(lambda: spool.counts().pending == 1)
            waiting = [asyncio.create_task(take(spool, events(1))) for _ in range(3)]
            await eventually(lambda: spool.counts().pending == 4)
            with pytest.raises(Overloaded, match="bytes wait to be written to disk"):
                await take(spool, events(1))
            await asyncio.gather(first, *waiting)
        # one that is larger than all of it is taken when nothing waits
        await take(spool, events(5_000))
        await stored(spool)
        assert spool.counts().accepted == 5_004


async def test_a_full_spool_takes_no_more_until_the_store_has_taken_some(tmp_path: Path) -> None:
    sink = FakeSink()
    async with spooling(tmp_path, sink, flush=False, spool_bytes=HEADER_BYTES + 2 * SIZE) as spool:
        await take(spool, events(1))
        await take(spool, events(1))
        for refused in (lambda: spool.admit(), lambda: None):
            with pytest.raises(Overloaded, match="DONEWATCH_COLLECTOR__SPOOL_BYTES"):
                refused()
                await take(spool, events(1))
        assert spool.flushed_at(10_000) == 10
        spool.flush()
        await stored(spool)
        spool.admit()
        await take(spool, events(1))
        await stored(spool)
        # producers have been told to come again, and may take their time for it
        assert spool.flushed_at(10_000) == 10
        assert spool.flushed_at(31_000_000) == 31_000_000


async def test_a_disk_that_is_nearly_full_is_left_alone(tmp_path: Path) -> None:
    async with spooling(tmp_path, free_bytes=2**62) as spool:
        for refused in (spool.admit, None):
            with pytest.raises(SpoolUnavailable, match="MiB are kept free"):
                if refused:
                    refused()
                await take(spool, events(1))
        assert files(tmp_path, "open") == []


async def test_a_fault_of_ours_while_writing_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = FakeSink()
    async with spooling(tmp_path, sink) as spool:
        with monkeypatch.context() as patch, pytest.raises(SpoolUnavailable, match="its log"):
            patch.setattr("collector.spool.writer.encode_frame", lambda *_: 1 / 0)
            await take(spool, events(1))
        await take(spool, events(1, name="later"))
    assert ids(sink) == ["later-0"]
