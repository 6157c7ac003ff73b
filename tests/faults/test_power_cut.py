"""What was acknowledged was synced before: a power cut takes only what nobody was told of."""

import random
import threading
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest

from tests.faults import power
from tests.faults.conftest import MakeVictim
from tests.faults.load import Load
from tests.faults.world import Victim, conclude
from tests.peers.clickhouse import ClickHouseServer
from tests.service import story

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


def on_a_disk_that_forgets(
    service: Victim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, Path]:
    """The spool's directory, and where what is synced of it is copied to."""
    watched, synced = service.data / "spool", tmp_path / "synced"
    service.module = "tests.faults.power"
    monkeypatch.setenv(power.WATCHED, str(watched))
    monkeypatch.setenv(power.SYNCED, str(synced))
    monkeypatch.setenv(power.HELD, str(tmp_path / "held"))
    return watched, synced


@pytest.mark.parametrize("half", [False, True], ids=["nothing unsynced stays", "some of it stays"])
def test_power_cut(
    victim: MakeVictim,
    server: ClickHouseServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    half: bool,
) -> None:
    # a server of its own keeps the store: its disk is another one
    service = victim("collector", STORE__DSN=server.dsn)
    watched, synced = on_a_disk_that_forgets(service, tmp_path, monkeypatch)
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chosen = random.Random(seed)
    kills: Counter[str] = Counter()
    # a slow disk, so that much is unsynced at any moment
    service.settings["FAILPOINT"] = "fsync:sleep=0.03"
    with Load(lambda: [service.otlp], producers=4, pause=0.0) as load:
        for place in ("first", "second", "third"):
            load.place = place
            service.start()
            load.wait(300)
            time.sleep(chosen.uniform(0, 0.2))
            service.kill()
            power.cut(watched, synced, chosen if half else None)
            kills[place] += 1
        service.start()
        load.finish()
    service.end()
    conclude(load, service.dsn, tmp_path, kills)


def test_nobody_is_answered_before_the_sync_has_returned(
    victim: MakeVictim, server: ClickHouseServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = victim("collector", STORE__DSN=server.dsn)
    on_a_disk_that_forgets(service, tmp_path, monkeypatch)
    service.start()
    service.take(story.submit("order-0"))  # numbers are set aside, the segment is open
    held = tmp_path / "held"
    held.touch()
    answers: list[httpx.Response] = []
    sending = threading.Thread(target=lambda: answers.append(service.send([story.submit("o")])))
    sending.start()
    sending.join(1.0)
    assert sending.is_alive(), answers
    held.unlink()
    sending.join(10.0)
    assert [each.status_code for each in answers] == [200]


@pytest.mark.parametrize(
    ("what", "status", "seconds"),
    [
        pytest.param("fsync:sleep=0.5", 200, 0.5, id="a slow sync delays the answer"),
        pytest.param("fsync:error", 503, 0.0, id="a failing sync is no acknowledgement"),
        pytest.param("append:error=ENOSPC", 503, 0.0, id="neither is a full disk"),
        pytest.param("append:error=EIO", 503, 0.0, id="nor a failing write"),
    ],
)
def test_a_disk_in_trouble(
    victim: MakeVictim,
    server: ClickHouseServer,
    tmp_path: Path,
    what: str,
    status: int,
    seconds: float,
) -> None:
    service = victim("collector", STORE__DSN=server.dsn, FAILPOINT=what)
    service.start()
    with Load(lambda: [service.otlp], producers=1) as load:
        began = time.monotonic()
        answer = service.http.get(f"{service.otlp}/healthz")
        assert answer.status_code == 200
        while not (load.told_later or load.acknowledged):
            assert time.monotonic() - began < 20
            time.sleep(0.01)
        if status == 200:
            assert time.monotonic() - began >= seconds * 0.9
            load.wait(20)
            assert not load.told_later
        else:
            assert not load.acknowledged
            later = load.told_later[0]
            assert later.status_code == status
            assert int(later.headers["Retry-After"]) >= 1
        del service.settings["FAILPOINT"]
        service.kill()
        service.start()
        load.wait(50)
        load.finish()
    service.end()
    conclude(load, service.dsn, tmp_path, {"load": 1})
