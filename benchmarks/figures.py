"""What each figure costs over a long history and over a longer one, with the same orders open.

``.venv/bin/python -m benchmarks.figures --output benchmarks/results/figures.json``
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

from benchmarks.history import GRACE, History, build, settle_all
from benchmarks.machine import described
from benchmarks.orders import WORKFLOW
from benchmarks.report import keep, said
from store import Database, TenantStore
from store.connection import Bounds
from store.queries import Source

FIGURES: Final = (
    "stuck",
    "open_by_state",
    "dwell",
    "edges",
    "illegal_transitions",
    "outbox_lag",
    "completion_lag",
    "retry_exhaustion",
    "edge_members",
    "illegal_members",
    "outbox_members",
    "completion_members",
    "retry_exhaustion_members",
    "instances",
    "instance_visits",
    "instance_runs",
    "instance_events",
)
_LATENESS: Final = timedelta(seconds=2)  # of the demo's definition
_BOUNDS: Final = Bounds(seconds=3600)
_QUIET: Final = 3.0  # seconds without a merge


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One question once; seconds."""

    wall: float
    cpu: float
    rows: int


class _Process:
    """What the process of one history has open."""

    database: Database
    store: TenantStore


def _prepare(folder: Path, history: History, source: Source) -> dict[str, Any]:
    """Build and settle it, wait for its merges; tells what it is."""
    database = Database.open(f"chdb://{folder}")
    database.migrate(history.until)
    connection = database.connect(_BOUNDS)
    began = time.perf_counter()
    events = build(connection, history)
    built = time.perf_counter() - began
    began = time.perf_counter()
    if source == "settled":
        settle_all(connection, history.until + GRACE)
    settled = time.perf_counter() - began
    merged_after = _wait_for_merges(connection.query)
    _Process.database, _Process.store = database, TenantStore(connection, "default", source)
    parts = connection.query(
        "SELECT table, count() AS parts, sum(rows) AS rows FROM system.parts"
        " WHERE database = currentDatabase() AND active GROUP BY table ORDER BY table",
        {},
    )
    return {
        "events": events,
        "built_seconds": round(built, 1),
        "settled_seconds": round(settled, 1),
        "merged_after_seconds": round(merged_after, 1),
        "tables": {row["table"]: [int(row["parts"]), int(row["rows"])] for row in parts},
    }


def _ask(figure: str, parameters: dict[str, Any]) -> Asked:
    began, cpu = time.perf_counter(), time.process_time()
    rows = _Process.store.query(figure, **parameters)
    return Asked(wall=time.perf_counter() - began, cpu=time.process_time() - cpu, rows=len(rows))


def _close() -> None:
    _Process.database.close()


def _wait_for_merges(query: Callable[..., list[dict[str, Any]]]) -> float:
    began = since = time.perf_counter()
    while time.perf_counter() - since < _QUIET:
        if query("SELECT count() AS n FROM system.merges", {})[0]["n"]:
            since = time.perf_counter()
        time.sleep(0.1)
    return since - began


def measure(
    sizes: Sequence[int],
    open_: int,
    rounds: int,
    source: Source = "settled",
    window: float = 3600.0,
    figures: Sequence[str] = FIGURES,
    say: Callable[[str], object] = said,
) -> dict[str, Any]:
    """Milliseconds of every figure for each size, the sizes taking turns; medians.

    ``window``: seconds before the end of the histories that are asked about; the shortest history
    must reach further back (1,000 events a second), else the windows have not the same in them.
    """
    until = datetime.now(UTC) - GRACE
    parameters: dict[str, Any] = {
        "workflow": WORKFLOW,
        "environments": [],
        "flushed": until,
        "settled": until - _LATENESS,
        "from_": until - timedelta(seconds=window),
        "to": until,
        "percentile": 0.99,
        "limit": 100,
        "from_state": "payment_pending",
        "to_state": "paid",
        "action": "pay",
    }
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="donewatch-bench-")))
        machine = described(folder)
        pools = {}
        told = {}
        for size in sizes:
            pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
            pools[size] = stack.enter_context(pool)
            history = History(events=size, open_=open_, until=until)
            told[str(size)] = pool.submit(_prepare, folder / str(size), history, source).result()
            say(f"{size:,}: {told[str(size)]}")
        found = pools[sizes[0]].submit(_some_instance).result()
        parameters["instance_id"] = found
        taken: dict[str, dict[int, list[Asked]]] = {
            figure: {size: [] for size in sizes} for figure in figures
        }
        for number in range(rounds + 1):
            for figure in figures:
                given = dict(parameters)
                if not figure.startswith("instance_"):
                    del given["instance_id"]
                for size in sizes:
                    asked = pools[size].submit(_ask, figure, given).result()
                    if number:  # the first round warms up
                        taken[figure][size].append(asked)
            say(f"round {number} of {rounds}")
        for pool in pools.values():
            pool.submit(_close).result()
    return {
        "command": " ".join(["python -m benchmarks.figures", *sys.argv[1:]]),
        "machine": machine | {"load_average_at_end": described(Path.cwd())["load_average"]},
        "rounds": rounds,
        "source": source,
        "window_seconds": window,
        "open": open_,
        "histories": told,
        "figures": {
            "events": [min(sizes), max(sizes)],
            "of": {figure: _compared(each) for figure, each in taken.items()},
        },
    }


def _some_instance() -> str:
    """The one that has waited longest: it is in every history."""
    connection = _Process.database.connect()
    rows = connection.query(
        "SELECT argMin(instance_id, occurred_at) AS id FROM events WHERE instance_id LIKE 'o%'", {}
    )
    return str(rows[0]["id"])


def _compared(of: dict[int, list[Asked]]) -> dict[str, Any]:
    medians: dict[int, dict[str, Any]] = {
        size: {
            "wall_ms": round(statistics.median(each.wall for each in asked) * 1000, 1),
            "cpu_ms": round(statistics.median(each.cpu for each in asked) * 1000, 1),
            "rows": asked[0].rows,
            "walls_ms": [round(each.wall * 1000, 1) for each in asked],
        }
        for size, asked in of.items()
    }
    less, more = medians[min(of)], medians[max(of)]
    return {
        **{str(size): each for size, each in medians.items()},
        "ratio": round(more["wall_ms"] / less["wall_ms"], 2),
        "cpu_ratio": round(more["cpu_ms"] / less["cpu_ms"], 2),
    }


def main() -> None:
    """Measure, keep the results as JSON, and print them as a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.figures")
    parser.add_argument("--sizes", type=int, nargs=2, default=[5_000_000, 50_000_000])
    parser.add_argument("--open", dest="open_", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--source", choices=("settled", "events"), default="settled", help="events: the plain SQL"
    )
    parser.add_argument("--window", type=float, default=3600.0, help="seconds asked about")
    parser.add_argument("--figures", nargs="+", choices=FIGURES, default=FIGURES)
    parser.add_argument("--output", type=Path)
    given = vars(parser.parse_args())
    output: Path | None = given.pop("output")
    found = measure(**given)
    keep(found, output)


if __name__ == "__main__":
    main()
