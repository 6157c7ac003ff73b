"""kill -9 at any moment, also while it starts, replays what was left, migrates and stops."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.faults.conftest import MakeVictim
from tests.faults.load import Load
from tests.faults.world import Victim, conclude

pytestmark = [pytest.mark.system, pytest.mark.timeout(7200)]

LONGEST = 2.0  # seconds from its first instruction to the kill
UNDISTURBED = 5  # every so many times it is let alone until it has taken something


def test_killed_at_random(victim: MakeVictim, tmp_path: Path, kills: int) -> None:
    services = [victim(name=name) for name in ("one", "two")]
    seeds = [random.randrange(2**32) for _ in services]
    print(f"seeds {seeds}")
    with ThreadPoolExecutor(len(services)) as both:
        shares = [kills // 2, kills - kills // 2]
        for resent in both.map(_kill, services, shares, seeds):
            assert resent, "every kill missed the traffic"


def _kill(service: Victim, kills: int, seed: int) -> int:
    chosen = random.Random(seed)
    counted: Counter[str] = Counter()
    with Load(lambda: [service.otlp], pause=0.1, seed=seed % 1000) as load:
        for number in range(kills):
            load.place = f"from kill {number // 10 * 10 + 1} on"
            counted[load.place] += 1
            if number % UNDISTURBED:
                service.live(chosen.uniform(0.3, LONGEST))
            else:
                service.begin()
                load.wait(50)
                service.kill()
        service.start()
        load.wait(50)
        load.finish()
    service.end()
    conclude(load, service.dsn, service.directory, counted)
    return load.resent
