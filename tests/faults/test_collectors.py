"""Several collectors on one server: each event counts once, whichever of them took it."""

from pathlib import Path

import pytest

from tests.faults.conftest import MakeVictim
from tests.faults.load import Load
from tests.faults.world import conclude
from tests.peers.clickhouse import ClickHouseServer
from tests.peers.donewatch import run, until

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


def test_one_is_killed_and_one_is_retired(
    victim: MakeVictim, server: ClickHouseServer, tmp_path: Path
) -> None:
    first, second, third = (
        victim("collector", name, STORE__DSN=server.dsn) for name in ("first", "second", "third")
    )
    rules = victim("rules", STORE__DSN=server.dsn)
    first.start()
    for each in (second, third, rules):
        each.begin()
    for each in (second, third, rules):
        each.wait_ready()
    everyone = [first.otlp, second.otlp, third.otlp]
    with Load(lambda: everyone, producers=3, pause=0.1) as load:
        load.wait(60)
        load.place = "killed"
        for point in ("synced", "inserted"):
            second.kill()
            second.die(point, 2)
            second.start()
            load.wait(30)
        load.place = "retired"
        # it is killed with segments that are on its disk alone, and declared gone
        third.kill()
        third.settings["FAILPOINT"] = "insert:error"
        third.start()
        until(lambda: third.spooled, what="segments that wait")
        load.wait(30)
        third.kill()
        del third.settings["FAILPOINT"]
        assert third.spooled
        name = (third.data / "collector").read_text().strip()
        done = run(tmp_path / "retiring", "retire", name, STORE__DSN=server.dsn)
        assert done.returncode == 0, done.stderr
        everyone.remove(third.otlp)
        load.wait(60)
        # it comes back after all: what it had counts
        load.place = "back"
        third.start()
        everyone.append(third.otlp)
        load.wait(60)
        load.finish()
    for each in (first, second, third):
        each.end()
    assert rules.stop() == 0
    conclude(load, server.dsn, tmp_path, {"killed": 4, "retired": 2})
