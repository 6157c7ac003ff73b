"""Records that the store refused are kept, named, and tried again."""

import json
from pathlib import Path

import pytest

from collector.spool import SpoolUnavailable, disk
from collector.spool.quarantine import Quarantine
from lifecycle.errors import StoreRefused
from tests.collector.running import FakeSink
from tests.collector.spooling import events, failing, ids, spooling, stored, take

BAD = StoreRefused("row violates a constraint")


def strict() -> FakeSink:
    return FakeSink(refuse=lambda rows: BAD if any(r.event_id == "bad-0" for r in rows) else None)


async def refused(folder: Path, sink: FakeSink) -> Path:
    """One record in quarantine; its file."""
    async with spooling(folder, sink) as spool:
        await take(spool, events(1, name="good"))
        await take(spool, events(1, name="bad"))
        await stored(spool)
        assert spool.counts().quarantined_now == 1
    (path,) = (folder / "quarantine").glob("*.json")
    return path


async def test_its_file_says_all_that_a_person_needs(tmp_path: Path) -> None:
    path = await refused(tmp_path, strict())
    found = json.loads(path.read_text())
    assert found.pop("record")["event_id"] == "bad-0"
    segment = found.pop("segment")
    assert segment > 0
    assert found == {"kind": "event", "position": 0, "refused_at": 100, "reason": str(BAD)}
    assert path.name == f"{segment:020d}-event-000000.json"


async def test_after_a_fix_it_goes_in_under_a_new_number(tmp_path: Path) -> None:
    sink = strict()
    await refused(tmp_path, sink)
    last = sink.positions[-1][0]
    sink.refuse = lambda rows: None
    async with spooling(tmp_path, sink) as spool:
        assert spool.retry() == 1
        assert spool.flushed_at(1_000) >= 100, "received long ago, it holds nothing back"
        await stored(spool)
        assert spool.counts().quarantined_now == 0
        assert spool.retry() == 0
    assert ids(sink) == ["good-0", "bad-0"]
    assert sink.positions[-1][0] > last
    assert sink.events[-1].received_at == 10, "it was received when it was received"


async def test_without_a_fix_it_comes_back(tmp_path: Path) -> None:
    sink = strict()
    await refused(tmp_path, sink)
    async with spooling(tmp_path, sink) as spool:
        assert spool.retry() == 1
        await stored(spool)
        assert spool.counts().quarantined_now == 1
    assert ids(sink) == ["good-0"]


async def test_it_leaves_quarantine_only_when_it_is_in_the_spool(tmp_path: Path) -> None:
    sink = strict()
    path = await refused(tmp_path, sink)
    sink.refuse = lambda rows: None
    async with spooling(tmp_path, sink) as spool:
        with failing("fsync:error"):
            assert spool.retry() == 0
        assert path.exists()
        assert spool.retry() == 1
        await stored(spool)
    assert ids(sink) == ["good-0", "bad-0"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("{", id="not JSON"),
        pytest.param("{}", id="not one of ours"),
        pytest.param(None, id="a column of another version"),
    ],
)
async def test_a_file_that_cannot_be_used_stays_and_holds_no_other_up(
    tmp_path: Path, text: str | None
) -> None:
    sink = strict()
    path = await refused(tmp_path, sink)
    document = json.loads(path.read_text())
    document["record"]["colour"] = "red"
    odd = path.with_name("0-odd.json")
    odd.write_text(json.dumps(document) if text is None else text)
    sink.refuse = lambda rows: None
    async with spooling(tmp_path, sink) as spool:
        assert spool.retry() == 1
        await stored(spool)
    assert odd.exists()
    assert not path.exists()


async def test_a_record_that_cannot_be_kept_in_quarantine_is_not_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = disk.write_whole

    def full(path: Path, data: bytes) -> None:
        if path.parent.name == "quarantine":
            raise OSError(28, "No space left on device")
        write(path, data)

    sink = strict()
    async with spooling(tmp_path, sink) as spool:
        with monkeypatch.context() as patch:
            patch.setattr(disk, "write_whole", full)
            await take(spool, events(1, name="bad"))
            while spool.counts().failed_inserts < 3:
                with pytest.raises(SpoolUnavailable), failing("fsync:error"):
                    await take(spool, events(1, name="waits"))
            assert not spool.empty
        await stored(spool)
        assert spool.counts().quarantined_now == 1


def test_who_asks_is_heard_once(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path)
    assert not quarantine.asked()
    assert quarantine.ask() == 0
    assert quarantine.asked()
    assert not quarantine.asked()


def test_a_folder_that_is_not_there_is_empty(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path / "none")
    assert len(quarantine) == 0
    assert list(quarantine.entries()) == []
