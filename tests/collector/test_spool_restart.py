"""What a collector finds when it starts, whatever ended the one before."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from collector.spool.folder import SpoolFolder
from collector.spool.recovery import recover
from collector.spool.segment import (
    FRAME_BYTES,
    HEADER_BYTES,
    Frame,
    FrameKind,
    encode_frame,
    encode_header,
)
from collector.spool.tally import Tally
from lifecycle.errors import SettingsError, StoreLocked
from store import blocks
from store.blocks import BLOCK_FORMAT, block_of
from store.native import varint
from tests.collector.running import FakeSink
from tests.collector.spooling import (
    events,
    files,
    ids,
    rejected,
    spool_of,
    spooling,
    stored,
    take,
)

FRAME = len(block_of(events(1, name="x")).data) + FRAME_BYTES


async def left_behind(folder: Path, names: str, **limits: object) -> None:
    """A spool in which each name was one body, all in one segment; its writer was killed."""
    async with spooling(folder, flush=False, seal_seconds=60, **limits) as spool:
        for number, name in enumerate(names):
            await take(spool, events(1, name=name), received_at=10 + number)
        (path,) = files(folder, "open")
        data = path.read_bytes()
    (sealed,) = files(folder, "sealed")
    sealed.unlink()
    path.write_bytes(data)


async def flushed(folder: Path, sink: FakeSink) -> object:
    """Start, insert everything, stop; the counters."""
    async with spooling(folder, sink) as spool:
        await stored(spool)
        return spool.counts()


async def test_an_unfinished_segment_goes_to_the_store(tmp_path: Path) -> None:
    await left_behind(tmp_path, "abc")
    sink = FakeSink()
    async with spooling(tmp_path, sink, flush=False) as spool:
        counts = spool.counts()
        assert (counts.pending, counts.oldest, counts.torn_bytes) == (3, 10, 0)
        assert counts.pending_bytes == HEADER_BYTES + 3 * FRAME
        assert spool.flushed_at(1_000) == 10, "it holds the watermark"
        spool.flush()
        await stored(spool)
        assert spool.flushed_at(1_000) == 1_000
    assert ids(sink) == ["a-0", "b-0", "c-0"]
    assert len(sink.inserts) == 1
    assert files(tmp_path, "open") == files(tmp_path, "sealed") == []


def test_a_torn_end_is_cut_off_at_every_byte_of_the_last_frame(tmp_path: Path) -> None:
    frames = [Frame(FrameKind.EVENTS, rows, 10, b"some data") for rows in (3, 4)]
    parts = [b"".join(encode_frame(b"i" * 16, frame)) for frame in frames]
    data = encode_header(b"i" * 16, 1, "c", BLOCK_FORMAT) + b"".join(parts)
    for cut in range(len(data) - len(parts[1]), len(data) + 1):
        folder = SpoolFolder(tmp_path / str(cut))
        folder.make()
        folder.open(1).write_bytes(data[:cut])
        tally = Tally()
        (found,) = recover(folder, tally)
        whole = cut == len(data)
        assert found.contents.rows == (7 if whole else 3)
        assert tally["torn_bytes"] == (0 if whole else cut - len(data) + len(parts[1]))
        assert found.path.read_bytes() == (data if whole else data[: -len(parts[1])])


@pytest.mark.parametrize("cut", [0, 1, HEADER_BYTES - 1, HEADER_BYTES, HEADER_BYTES + 5])
async def test_a_segment_of_which_nothing_was_acknowledged_is_removed(
    tmp_path: Path, cut: int
) -> None:
    await left_behind(tmp_path, "a")
    (path,) = files(tmp_path, "open")
    os.truncate(path, cut)
    sink = FakeSink()
    await flushed(tmp_path, sink)
    assert sink.events == []
    assert files(tmp_path, "open") == files(tmp_path, "sealed") == []


@pytest.mark.parametrize("suffix", ["open", "sealed"])
@pytest.mark.parametrize("damaged", [0, 1, 2])
async def test_damage_costs_one_frame_and_is_kept(
    tmp_path: Path, suffix: str, damaged: int
) -> None:
    await left_behind(tmp_path, "abcd")
    (path,) = files(tmp_path, "open")
    data = bytearray(path.read_bytes())
    offset = HEADER_BYTES + damaged * FRAME
    data[offset + FRAME // 2] ^= 1
    path.write_bytes(data)
    path.rename(path.with_suffix(f".{suffix}"))
    sink = FakeSink()
    async with spooling(tmp_path, sink) as spool:
        await stored(spool)
        counts = spool.counts()
    assert ids(sink) == [f"{name}-0" for name in "abcd" if name != "abcd"[damaged]]
    assert (counts.damaged, counts.damaged_bytes, counts.pending) == (1, FRAME, 0)
    (kept,) = (tmp_path / "damaged").iterdir()
    assert kept.read_bytes() == data[offset : offset + FRAME]
    assert kept.name == f"{path.stem}-{offset}.bin"


async def test_a_sealed_segment_has_no_torn_end_only_damage(tmp_path: Path) -> None:
    """It was synced whole, and all of it acknowledged."""
    await left_behind(tmp_path, "ab")
    (path,) = files(tmp_path, "open")
    data = path.read_bytes()
    path.rename(path.with_suffix(".sealed"))
    os.truncate(path.with_suffix(".sealed"), len(data) - 3)
    sink = FakeSink()
    async with spooling(tmp_path, sink) as spool:
        await stored(spool)
        counts = spool.counts()
    assert ids(sink) == ["a-0"]
    assert (counts.damaged, counts.damaged_bytes, counts.torn_bytes) == (1, FRAME - 3, 0)


async def test_a_segment_that_is_nothing_but_damage_holds_nothing_up(tmp_path: Path) -> None:
    (tmp_path / f"{3:020d}.sealed").write_bytes(b"\0" * 5_000)
    sink = FakeSink()
    async with spooling(tmp_path, sink) as spool:
        await take(spool, events(1))
        await stored(spool)
        assert spool.counts().damaged_bytes == 5_000
    assert ids(sink) == ["e-0"]
    assert files(tmp_path, "sealed") == []


async def test_a_file_that_cannot_be_read_is_set_aside(tmp_path: Path) -> None:
    await left_behind(tmp_path, "a")
    (path,) = files(tmp_path, "open")
    path.rename(path.with_suffix(".sealed"))
    sink = FakeSink()
    async with spooling(tmp_path, sink, flush=False) as spool:
        path.with_suffix(".sealed").unlink()
        path.with_suffix(".sealed").mkdir()  # reading it raises
        await take(spool, events(1, name="next"))
        spool.flush()
        await stored(spool)
        assert spool.counts().damaged == 1
    assert ids(sink) == ["next-0"]
    assert [each.name for each in (tmp_path / "damaged").iterdir()] == [f"{path.stem}.sealed"]


async def test_what_was_inserted_before_the_crash_is_not_inserted_again(tmp_path: Path) -> None:
    """Killed between insert and delete: the same token comes again."""
    sink = FakeSink()
    async with spooling(tmp_path, sink, flush=False) as spool:
        await take(spool, events(2), rejected(1))
        await spool.stop()
        (path,) = files(tmp_path, "sealed")
        data = path.read_bytes()
    await flushed(tmp_path, sink)
    path.write_bytes(data)
    await flushed(tmp_path, sink)
    assert ids(sink) == ["e-0", "e-1"]
    assert len(sink.rejected) == 1
    assert len(sink.tokens_tried) == 2
    assert len(set(sink.tokens_tried)) == 1


async def test_what_waits_is_inserted_in_order_before_what_comes(tmp_path: Path) -> None:
    async with spooling(tmp_path, flush=False, segment_rows=2) as spool:
        for name in "abcdef":
            await take(spool, events(1, name=name))
    sink = FakeSink()
    async with spooling(tmp_path, sink, flush=False) as spool:
        assert spool.counts().segment == 0, "none of them is in the store"
        await take(spool, events(1, name="g"))
        spool.flush()
        await stored(spool)
        assert spool.counts().segment == sink.positions[-1][0]
    assert ids(sink) == [f"{name}-0" for name in "abcdefg"]
    segments = [segment for segment, _ in sink.positions]
    assert segments == sorted(set(segments))


async def test_after_a_restart_the_mark_does_not_go_back(tmp_path: Path) -> None:
    sink = FakeSink()
    async with spooling(tmp_path, sink) as spool:
        await take(spool, events(1))
        await stored(spool)
        before = spool.counts().segment
    spool = spool_of(tmp_path)
    assert spool.counts().segment >= before
    spool.close()


def test_drafts_of_a_crash_are_removed(tmp_path: Path) -> None:
    spool_of(tmp_path).close()
    (tmp_path / "next_segment.draft").write_text("12")
    spool_of(tmp_path).close()
    assert list(tmp_path.glob("*.draft")) == []


def test_two_processes_cannot_have_one_spool(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.collector.spooling import spool_of;"
        "s = spool_of(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"held\n"
        told = re.escape(f"the data in {tmp_path} is held by process {first.pid} ")
        with pytest.raises(StoreLocked, match=told):
            spool_of(tmp_path)
        first.kill()
    spool_of(tmp_path).close()


def test_a_folder_that_cannot_be_used_says_so(tmp_path: Path) -> None:
    (tmp_path / "next_segment").write_text("many")
    with pytest.raises(SettingsError, match=r"the spool in .* cannot be used: invalid literal"):
        spool_of(tmp_path)
    (tmp_path / "next_segment").unlink()
    spool_of(tmp_path).close()


async def test_what_another_version_left_behind_is_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It knew a column that we do not, and did not know one that we do."""
    sent = events(3)
    names = [name for name in blocks.BLOCK_COLUMNS if name != "business_key"]
    with monkeypatch.context() as patch:
        kinds = {**{name: blocks.BLOCK_TYPES[name] for name in names}, "colour": "String"}
        patch.setattr(blocks, "BLOCK_TYPES", kinds)
        patch.setattr(blocks, "_WIDTH", varint(len(kinds)))
        values = {name: [getattr(event, name) for event in sent] for name in names}
        block = blocks.block_of_columns({**values, "colour": ["red"] * 3}, 3)
        patch.setattr("collector.spool.writer.BLOCK_FORMAT", 1)
        async with spooling(tmp_path, flush=False) as spool:
            await spool.submit([block], [], received_at=10, reasons={})
    sink = FakeSink()
    async with spooling(tmp_path, sink) as spool:
        await stored(spool)
        assert spool.counts().damaged == 0
    assert sink.events == sent
