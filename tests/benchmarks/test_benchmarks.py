"""The benchmarks on tiny sizes: they run, check what they store, and say what they must."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.bodies import RECORDS, checked, encoded
from benchmarks.orders import ALL_KINDS, orders
from lifecycle.events import EventKind

ROOT = Path(__file__).parent.parent.parent
UNTIL = 1_772_366_400_000_000_000  # nanoseconds
FIGURES = {
    *("stuck", "open_by_state", "dwell", "edges", "illegal_transitions", "outbox_lag"),
    *("completion_lag", "retry_exhaustion", "instances", "instance_visits"),
}


def run(module: str, folder: Path, *arguments: str) -> dict[str, Any]:
    output = folder / "results.json"
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{module}", *arguments, "--output", str(output)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(output.read_text(encoding="utf-8"))
    return found


@pytest.mark.system
def test_ingest_is_measured_beside_raw_inserts(tmp_path: Path) -> None:
    found = run(
        "ingest",
        tmp_path,
        "--events",
        "1500",
        "--rounds",
        "1",
        "--connections",
        "2",
        "--quiet",
        "0.3",
    )

    assert found["machine"]["cores"] > 0
    assert found["events"] == 1500
    for measured in (found["service"], *found["raw"].values()):
        assert len(measured["rounds"]) == 1
        assert measured["median"]["events_per_second"] > 0
        assert measured["median"]["cpu_per_million"] > 0
    assert set(found["raw"]) == set(found["ratios"]) == {"columns", "native", "arrow"}
    assert all(each["service_cpu_of_raw"] > 0 for each in found["ratios"].values())
    steps = found["steps_cpu_per_million"]
    assert list(steps) == ["parse", "decode", "check", "columns", "client", "engine"]
    assert steps["decode"] > 0 and steps["check"] > 0


@pytest.mark.system
def test_figures_are_measured_over_each_size(tmp_path: Path) -> None:
    found = run("figures", tmp_path, "--sizes", "0", "300", "--rounds", "1")

    assert set(found["figures"]) == FIGURES
    for figure in found["figures"].values():
        assert figure["0"]["cpu_ms"] > 0 and figure["300"]["wall_ms"] > 0
    assert found["figures"]["edges"]["0"]["rows"] == 0
    assert found["figures"]["edges"]["300"]["rows"] > 0


@pytest.mark.parametrize(
    ("kinds", "kept"),
    [
        pytest.param(("transition",), {"transition"}, id="transitions alone"),
        pytest.param(ALL_KINDS, {*EventKind} - {"heartbeat"}, id="all that happens to an order"),
    ],
)
def test_made_up_orders_are_events_the_collector_takes(
    kinds: tuple[str, ...], kept: set[str]
) -> None:
    happenings = orders(700, UNTIL, kinds=kinds)
    bodies = encoded(happenings)
    events = checked(bodies, UNTIL // 1000)

    assert len(bodies) == -(-700 // RECORDS)
    assert len(events) == len({event.event_id for event in events}) == 700
    assert {event.event for event in events} == kept
    assert [event.occurred_at for event in events] == sorted(e.occurred_at for e in events)
    assert events[-1].occurred_at == UNTIL // 1000
    assert orders(700, UNTIL, kinds=kinds) == happenings
