"""Killed between every two steps from a body to a figure: nothing lost, nothing counted twice."""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from collector.spool.failpoint import POINTS
from tests.faults.conftest import MakeVictim
from tests.faults.load import Load
from tests.faults.world import Victim, conclude

pytestmark = [pytest.mark.system, pytest.mark.timeout(900)]

TIMES = (1, 3, 2)  # the place is reached so many times before the process dies there
RARE = (1, 2, 1)  # of settling, which rests between


def test_killed_at_every_point(victim: MakeVictim, tmp_path: Path) -> None:
    # two services, because this machine has two cores, and starting takes most of the time
    services = [victim(name=name) for name in ("one", "two")]
    with ThreadPoolExecutor(len(services)) as both:
        parts = [POINTS[place :: len(services)] for place in range(len(services))]
        for resent in both.map(_kill_at, services, parts):
            assert resent, "every kill missed the traffic"


def _kill_at(service: Victim, points: Sequence[str]) -> int:
    kills: Counter[str] = Counter()
    service.start()
    with Load(lambda: [service.otlp], pause=0.3) as load:
        load.wait(50)
        service.kill()
        for point in points:
            load.place = point
            for times in RARE if point.startswith("settle") else TIMES:
                service.die(point, times)
                kills[point] += 1
        service.start()
        load.wait(50)
        load.finish()
    service.end()
    conclude(load, service.dsn, service.directory, kills)
    return load.resent
