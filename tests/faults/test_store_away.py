"""The store hangs, dies, and is away for long: accepting goes on, and everything arrives."""

from pathlib import Path

import pytest

from tests.faults.conftest import MakeVictim
from tests.faults.load import Load
from tests.faults.world import conclude, freeze, thaw
from tests.peers.clickhouse import ClickHouseServer
from tests.peers.donewatch import until

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


def test_a_server_that_hangs_and_dies(
    victim: MakeVictim, server: ClickHouseServer, tmp_path: Path
) -> None:
    service = victim("collector", STORE__DSN=server.dsn)
    rules = victim("rules", STORE__DSN=server.dsn)
    service.start()
    rules.start()
    with Load(lambda: [service.otlp], pause=0.05) as load:
        load.wait(100)
        for place in ("hangs", "hangs again"):
            load.place = place
            freeze(server.pid)
            load.wait(200)  # taken all the same
            thaw(server.pid)
            load.wait(100)
        for place in ("dies", "dies again"):
            load.place = place
            server.kill()
            load.wait(200)
            server.start()
            load.wait(100)
        load.place = "hangs and dies"
        freeze(server.pid)
        load.wait(100)
        server.kill()
        load.wait(100)
        server.start()
        load.finish()
    assert not load.told_later, "there was room, and yet a producer was told to wait"
    service.end()
    assert rules.stop() == 0
    conclude(load, server.dsn, tmp_path, {"dies": 1, "dies again": 1, "hangs and dies": 1})


def test_away_until_the_spool_is_full_then_everything_arrives(
    victim: MakeVictim, server: ClickHouseServer, tmp_path: Path
) -> None:
    service = victim("collector", STORE__DSN=server.dsn, COLLECTOR__SPOOL_BYTES=200_000)
    service.start()
    with Load(lambda: [service.otlp], pause=0.005, new=20) as load:
        load.wait(100)
        load.place = "away"
        server.kill()
        until(lambda: load.told_later, what="the limit of the spool")
        for answer in load.told_later:
            assert answer.status_code == 429
            assert int(answer.headers["Retry-After"]) >= 1
        size = sum(path.stat().st_size for path in service.spooled)
        assert size <= 220_000, "the limit does not hold"
        # also over a restart, with the store still away: then it is the same limit
        load.place = "restarted"
        service.kill()
        service.begin()
        told = len(load.told_later)
        until(lambda: len(load.told_later) > told, what="the limit after a restart")
        server.start()
        service.wait_ready()
        load.wait(100)
        load.finish()
    service.end()
    conclude(load, server.dsn, tmp_path, {"away": 1, "restarted": 1})
