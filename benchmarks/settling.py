"""What settling costs beside ingest, and how fast it catches up.

``.venv/bin/python -m benchmarks.settling --output benchmarks/results/settling.json``
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from benchmarks import bodies
from benchmarks.bodies import Form
from benchmarks.bulk import alone, opened
from benchmarks.history import GRACE, History, build, settle_all
from benchmarks.machine import at_rest, cpu_seconds, described
from benchmarks.orders import ALL_KINDS, orders
from benchmarks.report import keep, said
from benchmarks.served import ROOT, Setup, service
from store.connection import Bounds
from store.settling import Settler

_BOUNDS: Final = Bounds(seconds=3600)
_NEVER: Final = "86400"  # seconds
_RECORDS: Final = 50  # of a body


def share(
    open_: int,
    rate: int,
    seconds: int,
    rounds: int,
    draining: float,
    say: Callable[[str], object] = said,
) -> dict[str, Any]:
    """Cores that settling takes at a steady rate: those of the service, less those without it.

    One store, in which ``open_`` orders are open, under `donewatch up` again and again, with
    settling and without in turn; rules are not evaluated. What is sent is all that happens to
    orders as it happens, in bodies of 50. ``draining``: seconds after the last event, within which
    it is settled, and which are counted as well.
    """
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="donewatch-bench-") as name:
        folder = Path(name)
        alone(_preload, folder / "data" / "store", open_)
        for number in range(rounds):
            taken = {}
            for settles in (True, False):
                seed = 2 * number + settles + 100
                file, warm = folder / "bodies", folder / "warm"
                made = orders(
                    rate * seconds, time.time_ns(), over=float(seconds), kinds=ALL_KINDS, seed=seed
                )
                bodies.write(file, bodies.otlp(made[_RECORDS:], _RECORDS))
                bodies.write(warm, bodies.otlp(made[:_RECORDS], _RECORDS))
                taken[settles] = _cores(folder, warm, file, rate, draining, settles)
            settlements = alone(_settlements, folder / "data" / "store", taken[True]["began"])
            found.append(
                {
                    "per_cent": round((taken[True]["cores"] - taken[False]["cores"]) * 100, 2),
                    "cores_with": round(taken[True]["cores"], 4),
                    "cores_without": round(taken[False]["cores"], 4),
                    **settlements,
                }
            )
            say(f"round {number + 1} share {found[-1]}")
    return {
        "open_instances": open_,
        "events_per_second": rate,
        "seconds": seconds,
        "median": _median(found),
        "rounds": found,
    }


def catching_up(
    events: int, open_: int, rounds: int, say: Callable[[str], object] = said
) -> dict[str, Any]:
    """Events a second when so many wait to be settled, and nothing else is done."""
    found = []
    for number in range(rounds):
        with tempfile.TemporaryDirectory(prefix="donewatch-bench-") as name:
            found.append(alone(_catch_up, Path(name) / "store", events, open_))
        say(f"round {number + 1} catching up {found[-1]}")
    return {"events": events, "open": open_, "median": _median(found), "rounds": found}


def _preload(folder: Path, open_: int) -> None:
    with opened(folder) as database:
        connection = database.connect(_BOUNDS)
        history = History(events=0, open_=open_, until=datetime.now(UTC) - GRACE)
        build(connection, history)
        settle_all(connection, datetime.now(UTC))


def _catch_up(folder: Path, events: int, open_: int) -> dict[str, Any]:
    with opened(folder) as database:
        connection = database.connect(_BOUNDS)
        until = datetime.now(UTC) - GRACE
        there = build(connection, History(events=events, open_=open_, until=until))
        while connection.query("SELECT count() AS n FROM system.merges", {})[0]["n"]:
            time.sleep(0.2)
        settler = Settler(connection)
        cpu, began = time.process_time(), time.perf_counter()
        steps = 0
        behind = True
        while behind:
            passed = timedelta(seconds=time.perf_counter() - began)
            settlement = settler.settle(until + GRACE + passed)
            steps += 1
            behind = settlement.behind
        seconds, used = time.perf_counter() - began, time.process_time() - cpu
        (found,) = connection.query(_sql("settled"), {})
    if found["settled"] != found["orders"]:
        raise RuntimeError(f"of {found['orders']} orders {found['settled']} are settled")
    return {
        "events_per_second": round(there / seconds),
        "cpu_per_million": round(used / there * 1e6, 2),
        "settlements": steps,
        "seconds": round(seconds, 2),
    }


def _cores(
    folder: Path, warm: Path, file: Path, rate: int, draining: float, settles: bool
) -> dict[str, Any]:
    settings = {"RULES__INTERVAL": _NEVER} | ({} if settles else {"SETTLE_INTERVAL": _NEVER})
    with service(folder, Setup.EMBEDDED, **settings) as running:
        (process,) = running.processes
        command = [sys.executable, "-m", "benchmarks.load", running.otlp, Form.OTLP, str(warm)]
        with subprocess.Popen(
            [*command, str(file), "4", str(rate)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as load:
            assert load.stdin is not None and load.stdout is not None
            if load.stdout.readline() != "ready\n":
                raise RuntimeError("the load generator did not get through")
            at_rest(running.cpu, 0.25, quiet=min(2.0, draining), timeout=120)
            before, at = cpu_seconds(process), time.time()
            load.stdin.write("go\n")
            load.stdin.flush()
            sent = json.loads(load.stdout.readline())
        time.sleep(draining)
        used = cpu_seconds(process) - before
    if sent["rejected"]:
        raise RuntimeError(f"{sent['rejected']} events were rejected")
    return {"cores": used / sent["seconds"], "began": at}


def _settlements(folder: Path, began: float) -> dict[str, Any]:
    with opened(folder) as database:
        (row,) = database.connect().query(
            _sql("settlements"), {"began": datetime.fromtimestamp(began, UTC)}
        )
    return {name: round(float(value), 3) for name, value in row.items()}


def _sql(name: str) -> str:
    return (Path(__file__).parent / f"{name}.sql").read_text(encoding="utf-8")


def _median(rounds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}


def measure(
    *,
    open_: int,
    rate: int,
    seconds: int,
    events: int,
    rounds: int,
    draining: float,
    say: Callable[[str], object] = said,
) -> dict[str, Any]:
    """Both, in one run."""
    machine = described(Path(tempfile.gettempdir()))
    found = {
        "command": " ".join(["python -m benchmarks.settling", *sys.argv[1:]]),
        "machine": machine,
        "rounds": rounds,
        "catching_up": catching_up(events, min(open_, events // 30), rounds, say),
        "share": share(open_, rate, seconds, rounds, draining, say),
    }
    machine["load_average_at_end"] = described(ROOT)["load_average"]
    return found


def main() -> None:
    """Measure, keep the results as JSON, and print them as a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.settling")
    parser.add_argument("--open", dest="open_", type=int, default=1_000_000)
    parser.add_argument("--rate", type=int, default=1_000, help="events a second")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--events", type=int, default=3_000_000, help="to catch up with")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--draining", type=float, default=15.0, help="seconds after the load")
    parser.add_argument("--output", type=Path)
    given = vars(parser.parse_args())
    output: Path | None = given.pop("output")
    found = measure(**given)
    keep(found, output)


if __name__ == "__main__":
    main()
