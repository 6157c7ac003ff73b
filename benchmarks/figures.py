"""What one evaluation of each figure's plain SQL costs, over more and more events.

``.venv/bin/python -m benchmarks.figures --output benchmarks/results/NAME.json``
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from benchmarks.bodies import checked, encoded
from benchmarks.machine import described
from benchmarks.orders import WORKFLOW, orders
from benchmarks.raw import BATCH, alone, opened
from lifecycle.definition_files import read_definition
from lifecycle.definitions import Definitions
from store import TenantStore
from store.definitions import save_definitions
from store.events import insert_events

_DEFINITION: Final = Path(__file__).parent.parent / "demo" / "workflows" / "order.yaml"
_LATENESS: Final = timedelta(seconds=2)  # of that definition
_WINDOW: Final = timedelta(hours=1)  # so that every event is in it
_ASKED_WITH: Final[dict[str, tuple[str, ...]]] = {
    "stuck": ("flushed", "settled", "longer_than", "state", "limit"),
    "open_by_state": ("flushed", "settled"),
    "dwell": ("from_", "to", "flushed"),
    "edges": ("from_", "to"),
    "illegal_transitions": ("from_", "to", "settled"),
    "outbox_lag": ("flushed",),
    "completion_lag": ("from_", "to", "flushed", "percentile"),
    "retry_exhaustion": ("from_", "to", "settled"),
    "instances": ("flushed", "settled", "limit"),
    "instance_visits": ("flushed", "instance_id"),
}


def measure(sizes: Sequence[int], rounds: int) -> dict[str, Any]:
    """Milliseconds of wall clock and of CPU for each figure and size; medians over ``rounds``."""
    found: dict[str, Any] = {"machine": described(), "rounds": rounds, "figures": {}}
    by_size = {size: _of_size(size, rounds) for size in sizes}
    for figure in _ASKED_WITH:
        by_events = {str(size): by_size[size][figure] for size in sizes}
        least, most = (by_size[size][figure]["cpu_ms"] for size in (min(sizes), max(sizes)))
        found["figures"][figure] = by_events | {"cpu_ratio": round(most / least, 1)}
    return found


def _of_size(size: int, rounds: int) -> dict[str, dict[str, float]]:
    with tempfile.TemporaryDirectory() as name:
        return alone(asked, Path(name) / "store", size, rounds)


def asked(folder: Path, size: int, rounds: int) -> dict[str, dict[str, float]]:
    """Every figure over ``size`` events in a fresh store, ``rounds`` times in turn."""
    flushed = datetime.now(UTC)
    happenings = orders(size, int((flushed - timedelta(seconds=1)).timestamp()) * 1_000_000_000)
    parameters: dict[str, Any] = {
        "flushed": flushed,
        "settled": flushed - _LATENESS,
        "from_": flushed - _WINDOW,
        "to": flushed,
        "longer_than": None,
        "state": "",
        "percentile": 0.99,
        "limit": 100,
        "instance_id": happenings[size // 2]["instance_id"] if happenings else "none",
    }
    taken: dict[str, list[tuple[float, float, int]]] = {figure: [] for figure in _ASKED_WITH}
    with opened(folder) as database:
        connection = database.connect()
        definition = read_definition(_DEFINITION.read_text(encoding="utf-8"), _DEFINITION.name)
        save_definitions(connection, "default", Definitions((definition,)), flushed)
        events = checked(encoded(happenings), int(flushed.timestamp() * 1e6))
        for at in range(0, size, BATCH):
            insert_events(connection, events[at : at + BATCH], f"figures-{at}")
        del happenings, events
        query = TenantStore(connection, "default").query
        for number in range(rounds + 1):
            for figure, names in _ASKED_WITH.items():
                given = {name: parameters[name] for name in names}
                began, cpu = time.perf_counter(), time.process_time()
                rows = query(figure, workflow=WORKFLOW, environments=[], **given)
                passed = time.perf_counter() - began, time.process_time() - cpu
                if number:  # the first round warms up
                    taken[figure].append((*passed, len(rows)))
    return {
        figure: {
            "wall_ms": round(statistics.median(wall for wall, _, _ in each) * 1000, 1),
            "cpu_ms": round(statistics.median(cpu for _, cpu, _ in each) * 1000, 1),
            "rows": each[0][2],
        }
        for figure, each in taken.items()
    }


def main() -> None:
    """Measure, and print or keep the results as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.figures")
    parser.add_argument("--sizes", type=int, nargs="+", default=[0, 10_000, 100_000])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    text = json.dumps(measure(given.sizes, given.rounds), indent=2)
    if given.output is None:
        print(text)
    else:
        given.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
