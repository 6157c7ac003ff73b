"""The benchmarks on tiny sizes: they run, check what they store, and say what they must."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from benchmarks import bodies, postgres
from benchmarks.bodies import Body, Form
from benchmarks.decoder import decoded
from benchmarks.orders import ALL_KINDS, orders
from benchmarks.report import Goal, figure_goals, ingest_goals, rendered

ROOT = Path(__file__).parent.parent.parent
UNTIL = 1_772_366_400_000_000_000  # nanoseconds
LATER = UNTIL + 86_400_123_456_000


def run(module: str, folder: Path, *arguments: str) -> tuple[dict[str, Any], str]:
    """What it keeps, and what it prints."""
    output = folder / f"{module}.json"
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
    return found, done.stdout


@pytest.mark.system
def test_the_service_is_measured_beside_its_peers(tmp_path: Path) -> None:
    rows = ["embedded/otlp-50", "bulk-embedded", "decoder/otlp-512", "postgres"]

    found, told = run(
        "ingest",
        tmp_path,
        *("--events", "600", "--rounds", "1", "--connections", "2", "--quiet", "0.2"),
        *("--postgres-connections", "2", "--all-kinds", "--only", *rows),
    )

    assert found["machine"]["cores"] > 0 and found["machine"]["fsync_ms"] > 0
    assert "PostgreSQL" in found["postgres"]
    assert sorted(found["rows"]) == sorted(rows)
    for name, row in found["rows"].items():
        assert len(row["rounds"]) == 1
        assert row["median"]["events_per_second"] > 0
        assert name in told
    ours = found["rows"]["embedded/otlp-50"]["median"]
    assert 0 < ours["counted_events_per_second"] < ours["events_per_second"]
    assert ours["cpu_per_million"] >= ours["cpu_per_million_until_answered"] > 0
    assert "not measured" in told  # without the row that a goal is about


@pytest.mark.system
def test_figures_are_measured_over_two_histories_with_the_same_end(tmp_path: Path) -> None:
    names = ["stuck", "open_by_state", "outbox_lag", "instance_visits"]

    found, told = run(
        "figures",
        tmp_path,
        *("--sizes", "2000", "6000", "--open", "100", "--rounds", "1", "--figures", *names),
    )

    assert found["histories"]["6000"]["events"] > 2 * found["histories"]["2000"]["events"]
    figures = found["figures"]["of"]
    for name in names:
        less, more = figures[name]["2000"], figures[name]["6000"]
        assert less["rows"] == more["rows"] > 0
        assert less["wall_ms"] > 0 and figures[name]["ratio"] > 0
        assert f"figure {name}" in told


@pytest.mark.system
def test_settling_is_measured_at_a_steady_rate_and_when_catching_up(tmp_path: Path) -> None:
    found, told = run(
        "settling",
        tmp_path,
        *("--open", "50", "--rate", "400", "--seconds", "1", "--events", "3000"),
        *("--rounds", "1", "--draining", "1.5"),
    )

    assert found["catching_up"]["median"]["events_per_second"] > 0
    assert found["share"]["median"]["cores_with"] > 0
    assert found["share"]["median"]["settlements"] > 0
    assert "settling: per cent of a core" in told


@pytest.mark.parametrize("kinds", [("transition",), ALL_KINDS], ids=["transitions", "all kinds"])
def test_made_up_orders_are_the_same_again(kinds: Sequence[str]) -> None:
    made = orders(700, UNTIL, kinds=kinds)

    assert len({each["event_id"] for each in made}) == len(made) == 700
    assert {each["event"] for each in made} == set(kinds)
    assert made[-1]["occurred_at"] == UNTIL
    assert orders(700, UNTIL, kinds=kinds) == made


def _otlp(body: Body) -> Iterator[tuple[str, int, int]]:
    request = ExportLogsServiceRequest.FromString(bytes(body.content))
    for log in request.resource_logs[0].scope_logs[0].log_records:
        ids = [pair.value.string_value for pair in log.attributes if pair.key.endswith("event.id")]
        yield ids[0], log.time_unix_nano, log.observed_time_unix_nano


def _ndjson(body: Body) -> Iterator[tuple[str, int, int]]:
    for line in bytes(body.content).splitlines():
        event = json.loads(line)
        second, _, rest = event["occurred_at"].partition(".")
        assert second == "2026-03-02T12:00:00"
        at = (UNTIL + 86_400_000_000_000) + int(rest.removesuffix("Z")) * 1000
        yield event["event_id"], at, at


@pytest.mark.parametrize(
    ("form", "make", "read"),
    [
        pytest.param(Form.OTLP, bodies.otlp, _otlp, id="OTLP"),
        pytest.param(Form.NDJSON, bodies.ndjson, _ndjson, id="NDJSON"),
    ],
)
def test_the_events_of_a_body_happen_when_it_is_sent(
    tmp_path: Path, form: Form, make: Any, read: Any
) -> None:
    made = orders(120, UNTIL)
    bodies.write(tmp_path / "bodies", make(made, 50))
    kept = list(bodies.read(tmp_path / "bodies"))

    assert [body.events for body in kept] == [50, 50, 20]
    for body, first in zip(kept, (0, 50, 100), strict=True):
        body.happens(LATER, form)
        found = list(read(body))
        ends = [LATER - (body.events - 1 - at) * 1000 for at in range(body.events)]
        ids = [each["event_id"] for each in made[first : first + body.events]]
        assert found == [(name, at, at) for name, at in zip(ids, ends, strict=True)]


def test_the_decoder_walks_every_attribute() -> None:
    made = orders(20, UNTIL)
    (body,) = bodies.otlp(made, 20)

    found = decoded(bytes(body.content))

    assert [each[0] for each in found] == [f"donewatch.{each['event']}" for each in made]
    names = [each[5]["donewatch.event.id"] for each in found]
    assert names == [each["event_id"] for each in made]
    assert found[0][4]["service.name"] == "checkout"
    assert found[0][5]["donewatch.sequence"] == 1


@pytest.mark.system
@pytest.mark.parametrize("way", postgres.Way)
def test_postgres_keeps_each_event_once(tmp_path: Path, way: postgres.Way) -> None:
    made = orders(700, UNTIL)
    postgres.prepare(tmp_path / "batches", [*made, *made[:300]])

    filled = postgres.fill_round(tmp_path / "batches", way, 2, 0.1, indexed=True)

    assert filled.rows == 700
    assert filled.seconds > 0 and filled.cpu_until_rest >= filled.cpu_until_answered


def _row(rate: float, **more: float) -> dict[str, Any]:
    each = {"events_per_second": rate, **more}
    return {"median": each, "rounds": [each]}


def _met(goals: Sequence[Goal], start: str) -> bool | None:
    (goal,) = (each for each in goals if each.what.startswith(start))
    return goal.met


@pytest.mark.parametrize(
    ("rows", "what", "met"),
    [
        pytest.param(
            {"embedded/otlp-512": _row(1200), "postgres": _row(100)},
            "embedded: acknowledged, times PostgreSQL",
            True,
            id="just as fast as asked",
        ),
        pytest.param(
            {"embedded/otlp-512": _row(1199), "postgres": _row(100)},
            "embedded: acknowledged, times PostgreSQL",
            False,
            id="a little slower",
        ),
        pytest.param(
            {"embedded/otlp-512": _row(1200)},
            "embedded: acknowledged, times PostgreSQL",
            None,
            id="nothing to compare with",
        ),
        pytest.param(
            {"server/otlp-512": _row(1, cpu_per_million=10.01)},
            "server: CPU-seconds per million, all told",
            False,
            id="a little dearer",
        ),
    ],
)
def test_a_goal_is_met_missed_or_not_measured(
    rows: Mapping[str, Any], what: str, met: bool | None
) -> None:
    of = [each for each in ingest_goals(rows) if each.what == what]

    assert [each.met for each in of] == [met]


def test_a_figure_whose_cost_grows_misses_its_goal() -> None:
    figures = {"events": [5, 50], "of": {"dwell": {"ratio": 1.31}, "stuck": {"ratio": 1.3}}}

    goals = figure_goals(figures)

    assert _met(goals, "figure dwell") is False
    assert _met(goals, "figure stuck") is True


def test_committed_results_are_shown_with_every_goal() -> None:
    kept = sorted((ROOT / "benchmarks" / "results").glob("*.json"))

    told = [rendered(json.loads(file.read_text(encoding="utf-8"))) for file in kept]

    assert kept
    for file, text in zip(kept, told, strict=True):
        assert "goal" in text and "commit" in text
        # the table beside it is of these data
        assert file.with_suffix(".txt").read_text(encoding="utf-8") == text + "\n"
