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
from tests.peers.donewatch import until
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


# what the disk does, what the producer is told, and after how many seconds at least
TROUBLE = (
    ("fsync:sleep=0.5", 200, 0.5),
    ("fsync:error", 503, 0.0),
    ("append:error=ENOSPC", 503, 0.0),
    ("append:error=EIO", 503, 0.0),
)


def test_a_disk_in_trouble(victim: MakeVictim, server: ClickHouseServer, tmp_path: Path) -> None:
    service = victim("collector", STORE__DSN=server.dsn)
    with Load(lambda: [service.otlp], producers=1) as load:
        for what, status, seconds in TROUBLE:
            load.place = what
            service.settings["FAILPOINT"] = what
            later = len(load.told_later)
            service.start()
            taken = load.acknowledged  # the last answers of the process before have come by now
            began = time.monotonic()
            answer = service.send(
                [{"event": "heartbeat", "event_id": "h", "occurred_at": story.now()}]
            )
            assert answer.status_code == status, what
            assert time.monotonic() - began >= seconds
            if status == 200:
                load.wait(20)
                assert len(load.told_later) == later
            else:
                until(lambda before=later: len(load.told_later) > before, what=f"503 at {what}")
                assert load.acknowledged == taken
                for told in load.told_later[later:]:
                    assert told.status_code == 503
                    assert int(told.headers["Retry-After"]) >= 1
            service.kill()
        del service.settings["FAILPOINT"]
        service.start()
        load.wait(50)
        load.finish()
    service.end()
    conclude(load, service.dsn, tmp_path, {what: 1 for what, _, _ in TROUBLE})
