"""Producers twice as fast as the store: they are held back, memory is bounded, all arrives."""

import time
from pathlib import Path

import psutil
import pytest

from tests.faults.conftest import MakeVictim
from tests.faults.load import Load
from tests.faults.world import conclude
from tests.peers.clickhouse import ClickHouseServer
from tests.peers.donewatch import until

pytestmark = [pytest.mark.system, pytest.mark.timeout(600)]

MIB = 2**20
GROWTH = 150 * MIB  # of a collector while it holds producers back, at most


def test_held_back(
    victim: MakeVictim, server: ClickHouseServer, tmp_path: Path, held_seconds: float
) -> None:
    # the store takes 100 rows in a quarter of a second at best; the spool holds a second of load
    service = victim(
        "collector",
        STORE__DSN=server.dsn,
        COLLECTOR__SPOOL_BYTES=400_000,
        COLLECTOR__SEGMENT_ROWS=100,
        FAILPOINT="insert:sleep=0.25",
    )
    service.start()
    process = psutil.Process(service.pid)
    before = process.memory_info().rss
    most = before
    with Load(lambda: [service.otlp], producers=3, pause=0.0, new=10) as load:
        load.wait(100)
        until(lambda: load.told_later, 60, what="being held back")
        load.place = "held"
        end = time.monotonic() + held_seconds
        while time.monotonic() < end:
            most = max(most, process.memory_info().rss)
            time.sleep(0.1)
        told = len(load.told_later)
        held = load.acknowledged
        assert {each.status_code for each in load.told_later} == {429}
        assert all(int(each.headers["Retry-After"]) >= 1 for each in load.told_later)
        load.wait(100)  # held back, and not shut out
        load.finish()
    # without help: producers have stopped, the store goes on
    until(lambda: not service.spooled, 120, what="an empty spool")
    after = process.memory_info().rss
    print(
        f"\n{held} acknowledged, {told} times held back; resident before {before / MIB:.0f} MiB,"
        f" at most {most / MIB:.0f}, after {after / MIB:.0f}"
    )
    assert most - before < GROWTH
    service.end()
    conclude(load, server.dsn, tmp_path, {})
