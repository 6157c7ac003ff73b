"""Services that are killed at the end, whatever the test did to them."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.world import Victim
from tests.peers.clickhouse import ClickHouseServer

MakeVictim = Callable[..., Victim]


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[MakeVictim]:
    """Prepares a service; the test starts it."""
    made: list[Victim] = []

    def make(command: str = "up", name: str = "", **settings: Any) -> Victim:
        made.append(Victim(tmp_path / (name or command), command, **settings))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ClickHouseServer]:
    """A ClickHouse server that runs."""
    found = ClickHouseServer(tmp_path / "server")
    found.start()
    yield found
    found.kill()


@pytest.fixture
def kills() -> int:
    """How many at random: several hundred in ``make faults``."""
    return int(os.environ.get("DONEWATCH_FAULT_KILLS", "50"))


@pytest.fixture
def held_seconds() -> float:
    """How long producers are faster than the store: a minute in ``make faults``."""
    return 60.0 if "DONEWATCH_FAULT_KILLS" in os.environ else 5.0
