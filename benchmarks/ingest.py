"""Events into the real service, beside what else could take them, in one run.

``make bench``, or ``.venv/bin/python -m benchmarks.ingest --output benchmarks/results/ingest.json``
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from benchmarks import bodies, bulk, postgres
from benchmarks.bodies import Form
from benchmarks.bulk import BATCH, alone, insert_embedded, insert_server
from benchmarks.load import Sent
from benchmarks.machine import cpu_seconds, described
from benchmarks.orders import ALL_KINDS, Happening, orders
from benchmarks.report import keep, said
from benchmarks.served import ROOT, Served, Setup, serve_round

_WARM: Final = 4096  # events
Row = dict[str, Any]
Measure = Callable[[Path], Row]


@dataclass(frozen=True, slots=True)
class Door:
    """How events are sent."""

    form: Form
    records: int  # of one body

    @property
    def name(self) -> str:
        """As rows of the results are called."""
        return f"{self.form}-{self.records}"


DOORS: Final = (Door(Form.OTLP, 512), Door(Form.OTLP, 50), Door(Form.NDJSON, 512))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is measured, and how much of it."""

    events: int
    events_of_decoder: int
    events_of_postgres: int
    rounds: int
    connections: int
    postgres_connections: int
    quiet: float  # seconds without work after which it is at rest
    all_kinds: bool
    only: Sequence[str]  # names of rows; all when empty


class _Prepared:
    """Everything that is sent or inserted, made before any time is taken."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        self._folder = folder
        kinds = ALL_KINDS if plan.all_kinds else ("transition",)
        made = orders(plan.events + _WARM, time.time_ns() - 60_000_000_000, kinds=kinds)
        warm, rest = made[:_WARM], made[_WARM:]
        # what moves nothing is stored with what does; what is counted is what moves
        self.transitions = sum(each["event"] == "transition" for each in rest)
        for door in DOORS:
            bodies.write(self.warm(door), _bodies(door, warm))
            bodies.write(self.bodies(door), _bodies(door, rest))
        bodies.write(self.few, _bodies(DOORS[0], rest[: plan.events_of_decoder]))
        self.bytes_per_event = {
            door.name: round(self.bodies(door).stat().st_size / plan.events) for door in DOORS
        }
        postgres.prepare(self.batches, rest[: plan.events_of_postgres])
        self.rows = folder / "rows"

    def warm(self, door: Door) -> Path:
        return self._folder / f"{door.name}.warm"

    def bodies(self, door: Door) -> Path:
        return self._folder / f"{door.name}.bodies"

    @property
    def few(self) -> Path:
        """Bodies for what is slower."""
        return self._folder / "few.bodies"

    @property
    def batches(self) -> Path:
        return self._folder / "postgres.batches"


def _bodies(door: Door, happenings: Sequence[Happening]) -> Iterator[bodies.Body]:
    make = bodies.otlp if door.form is Form.OTLP else bodies.ndjson
    return make(happenings, door.records)


def measure(plan: Plan, say: Callable[[str], object] = said) -> dict[str, Any]:
    """All measurements of one run, taking turns, so that noise hits them alike."""
    with tempfile.TemporaryDirectory(prefix="donewatch-bench-") as name:
        folder = Path(name)
        found: dict[str, Any] = {
            "command": " ".join(["python -m benchmarks.ingest", *sys.argv[1:]]),
            "machine": described(folder),
            "postgres": postgres.version(),
            "events": plan.events,
            "events_of_decoder": plan.events_of_decoder,
            "events_of_postgres": plan.events_of_postgres,
            "events_are": "all that happens to orders" if plan.all_kinds else "transitions",
            "rounds": plan.rounds,
            "connections": plan.connections,
            "postgres_connections": plan.postgres_connections,
            "rows_of_a_bulk_insert": BATCH,
        }
        prepared = _Prepared(folder, plan)
        found["bytes_per_event"] = prepared.bytes_per_event
        rows: dict[str, list[Row]] = {}
        kinds = _kinds(plan, prepared)
        for number in range(plan.rounds):
            for kind, measured in kinds.items():
                if plan.only and kind not in plan.only:
                    continue
                with tempfile.TemporaryDirectory(dir=folder) as place:
                    row = measured(Path(place))
                rows.setdefault(kind, []).append(row)
                say(f"round {number + 1} {kind:28} {_told(row)}")
    found["rows"] = {kind: _medians(each) for kind, each in rows.items()}
    found["machine"]["load_average_at_end"] = described(ROOT)["load_average"]
    return found


def _kinds(plan: Plan, prepared: _Prepared) -> dict[str, Measure]:
    """Every row of the table, by its name, the peers among ours."""
    kinds: dict[str, Measure] = {}

    def served(door: Door, setup: Setup) -> None:
        kinds[f"{setup}/{door.name}"] = lambda place: _served(plan, prepared, door, setup, place)

    for door in DOORS:
        served(door, Setup.EMBEDDED)
    kinds["decoder/otlp-512"] = lambda _: _answered(plan, prepared, "decode")
    kinds["postgres"] = lambda _: _postgres(plan, prepared, plan.postgres_connections)
    for door in (DOORS[0], DOORS[2]):
        served(door, Setup.EMBEDDED_STORED)
    kinds["bulk-embedded"] = lambda place: _bulk(plan, prepared, insert_embedded, place)
    kinds["postgres-indexed"] = lambda _: _postgres(
        plan, prepared, plan.postgres_connections, indexed=True
    )
    for door in DOORS:
        served(door, Setup.SERVER)
    kinds["postgres-one-connection"] = lambda _: _postgres(plan, prepared, 1, way=postgres.Way.ROWS)
    for door in (DOORS[0], DOORS[2]):
        served(door, Setup.SERVER_STORED)
    kinds["bulk-server"] = lambda place: _bulk(plan, prepared, insert_server, place)
    for door in DOORS:
        kinds[f"null/{door.name}"] = lambda _, door=door: _answered(  # type: ignore[misc]
            plan, prepared, "null", door
        )
    return kinds


def _served(plan: Plan, prepared: _Prepared, door: Door, setup: Setup, place: Path) -> Row:
    """One round of the service in the units of the results.

    :raises RuntimeError: an event is not stored, or twice.
    """
    measured = serve_round(
        place,
        setup,
        door.form,
        prepared.warm(door),
        prepared.bodies(door),
        transitions=prepared.transitions,
        connections=plan.connections,
        quiet=plan.quiet,
    )
    right = plan.events + _WARM
    there = measured.in_store["rows"], measured.in_store["events"], measured.sent.rejected
    if there != (right, right, 0):
        raise RuntimeError(
            f"{right} events were sent, but the store has {measured.in_store}, and "
            f"{measured.sent.rejected} were rejected"
        )
    if not prepared.rows.exists() and setup is Setup.EMBEDDED:
        draft = prepared.rows.with_suffix(".draft")
        draft.mkdir()
        alone(bulk.prepare, place / "data" / "store", draft)
        draft.rename(prepared.rows)
    return _of_service(measured, plan.events, right)


def _of_service(measured: Served, events: int, right: int) -> Row:
    seconds, counted = measured.sent.seconds, measured.counted_seconds
    row: Row = {
        "events_per_second": round(events / seconds),
        "cpu_per_million": round(measured.cpu_until_merged / events * 1e6, 2),
        "cpu_per_million_until_answered": round(measured.cpu_until_answered / events * 1e6, 2),
        "cores_used": round(measured.cpu_until_answered / seconds, 2),
        "answer_p50_seconds": round(measured.sent.answer_p50, 4),
        "answer_p99_seconds": round(measured.sent.answer_p99, 4),
        "told_to_wait": measured.sent.told_to_wait,
        "load_generator_cpu_per_million": round(measured.sent.cpu_seconds / events * 1e6, 2),
        "merged_after_seconds": _rounded(measured.merged_after),
        "idle_cores": round(measured.idle_cores, 3),
        "others_cores": round(measured.others_cores, 2),
        "inserts": measured.in_store["segments"],
        "rows_per_insert": round(right / measured.in_store["segments"]),
        "parts_at_end": measured.in_store["parts"],
        "stored_bytes_per_event": round(measured.in_store["bytes_on_disk"] / right, 1),
        "all_bytes_per_event": round(measured.in_store["bytes_of_all_tables"] / right, 1),
        "peak_memory_mib": round(measured.peak_memory / 2**20),
    }
    if counted is not None and measured.cpu_until_counted is not None:
        row["counted_events_per_second"] = round(events / counted)
        row["counted_after_seconds"] = round(counted - seconds, 2)
        row["cpu_per_million_until_counted"] = round(measured.cpu_until_counted / events * 1e6, 2)
    return row


def _answered(plan: Plan, prepared: _Prepared, what: str, door: Door = DOORS[0]) -> Row:
    """One round of a server of our own making that stores nothing."""
    file = prepared.few if what == "decode" else prepared.bodies(door)
    with _started("benchmarks.decoder", what) as (process, told):
        address = f"http://127.0.0.1:{told}"
        arguments = [address, door.form, str(prepared.warm(door)), str(file)]
        with _started("benchmarks.load", *arguments, str(plan.connections)) as (load, _):
            before = cpu_seconds(psutil.Process(process.pid))
            assert load.stdin is not None and load.stdout is not None
            load.stdin.write("go\n")
            load.stdin.flush()
            sent = Sent(**json.loads(load.stdout.readline()))
        used = cpu_seconds(psutil.Process(process.pid)) - before
    return {
        "events_per_second": round(sent.events / sent.seconds),
        "cpu_per_million": round(used / sent.events * 1e6, 2),
        "load_generator_cpu_per_million": round(sent.cpu_seconds / sent.events * 1e6, 2),
        "answer_p99_seconds": round(sent.answer_p99, 4),
    }


@contextmanager
def _started(*module: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """A module as a process that says a line when it is ready, and ends with its input."""
    command = [sys.executable, "-m", *module]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            told = process.stdout.readline().strip()
            if not told:
                raise RuntimeError(f"{module[0]} did not get ready")
            yield process, told
        finally:
            if process.stdin is not None:
                process.stdin.close()


def _postgres(
    plan: Plan,
    prepared: _Prepared,
    connections: int,
    *,
    way: postgres.Way = postgres.Way.COPY,
    indexed: bool = False,
) -> Row:
    filled = postgres.fill_round(prepared.batches, way, connections, plan.quiet, indexed=indexed)
    if filled.rows != plan.events_of_postgres:
        raise RuntimeError(f"{plan.events_of_postgres} sent, PostgreSQL has {filled.rows}")
    return {
        "events_per_second": round(filled.rows / filled.seconds),
        "cpu_per_million": round(filled.cpu_until_rest / filled.rows * 1e6, 2),
        "cpu_per_million_until_answered": round(filled.cpu_until_answered / filled.rows * 1e6, 2),
        "load_generator_cpu_per_million": round(filled.client_cpu / filled.rows * 1e6, 2),
    }


def _bulk(
    plan: Plan,
    prepared: _Prepared,
    insert: Callable[[Path, Path, float], bulk.Inserted],
    place: Path,
) -> Row:
    if not prepared.rows.exists():
        _served(plan, prepared, DOORS[0], Setup.EMBEDDED, place / "first")
    inserted = alone(insert, place, prepared.rows, plan.quiet)
    rows = inserted.in_store["rows"]
    if rows != plan.events + _WARM:
        raise RuntimeError(f"{plan.events + _WARM} rows were inserted, but the store has {rows}")
    return {
        "events_per_second": round(rows / inserted.seconds),
        "cpu_per_million": round(inserted.cpu_until_merged / rows * 1e6, 2),
        "cpu_per_million_until_answered": round(inserted.cpu_until_inserted / rows * 1e6, 2),
        "merged_after_seconds": _rounded(inserted.merged_after),
        "parts_at_end": inserted.in_store["parts"],
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)


def _medians(rounds: Sequence[Row]) -> dict[str, Any]:
    """Each number's median; ``None`` where a round has none."""
    return {
        "median": {
            name: None
            if any(each[name] is None for each in rounds)
            else statistics.median(each[name] for each in rounds)
            for name in rounds[0]
        },
        "rounds": list(rounds),
    }


def _told(row: Mapping[str, Any]) -> str:
    told = f"{row['events_per_second']:>9,} events/s"
    if "counted_events_per_second" in row:
        told += f", counted {row['counted_events_per_second']:>7,}"
    return f"{told}, {row['cpu_per_million']:6.2f} CPU-seconds per million"


def main() -> None:
    """Measure, keep the results as JSON, and print them as a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ingest")
    parser.add_argument("--events", type=int, default=1_024_000)
    parser.add_argument("--events-of-decoder", type=int, default=512_000)
    parser.add_argument("--events-of-postgres", type=int, default=204_800)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--postgres-connections", type=int, default=8)
    parser.add_argument("--quiet", type=float, default=2.0)
    parser.add_argument("--all-kinds", action="store_true", help="jobs and outbox too")
    parser.add_argument("--only", nargs="+", default=(), metavar="ROW", help="these rows alone")
    parser.add_argument("--output", type=Path)
    given = vars(parser.parse_args())
    output: Path | None = given.pop("output")
    plan = Plan(**given)
    plan = Plan(
        **{
            **given,
            "events_of_decoder": min(plan.events, plan.events_of_decoder),
            "events_of_postgres": min(plan.events, plan.events_of_postgres),
        }
    )
    found = measure(plan)
    keep(found, output)


if __name__ == "__main__":
    main()
