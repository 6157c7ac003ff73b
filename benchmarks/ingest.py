"""Events through OTLP/HTTP into the store of the real service, beside the same rows inserted raw.

``.venv/bin/python -m benchmarks.ingest --output benchmarks/results/NAME.json``
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import bodies
from benchmarks.machine import described
from benchmarks.orders import orders
from benchmarks.raw import BATCH, Form, Inserted, alone, insert_round, prepare, stored
from benchmarks.served import Served, serve_round
from benchmarks.stages import measured

_WARM_BODIES = 8


def measure(
    *,
    events: int,
    rounds: int,
    connections: int,
    quiet: float,
    workflows: Path | None = None,
    say: Callable[[str], object] = print,
) -> dict[str, Any]:
    """All measurements of one run, the kinds taking turns, so that noise hits them alike."""
    found: dict[str, Any] = {
        "machine": described(),
        "events": events,
        "records_per_body": bodies.RECORDS,
        "connections": connections,
        "raw_batch": BATCH,
        "rules": workflows is not None,
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = bodies.encoded(
            orders(
                events + _WARM_BODIES * bodies.RECORDS,
                time.time_ns() - 60_000_000_000,
                kinds=("transition",),
            )
        )
        warm, file, prepared = folder / "warm", folder / "bodies", folder / "prepared"
        bodies.write(warm, made[:_WARM_BODIES])
        bodies.write(file, made[_WARM_BODIES:])
        found["bytes_per_event"] = round(file.stat().st_size / events)
        del made
        prepared.mkdir()
        received_at = time.time_ns() // 1000
        alone(prepare, prepared, file, received_at)
        served: list[dict[str, Any]] = []
        raw: dict[Form, list[dict[str, Any]]] = {form: [] for form in Form}
        for number in range(rounds):
            place = folder / f"round-{number}"
            round_ = serve_round(
                place / "served",
                warm,
                file,
                connections=connections,
                quiet=quiet,
                workflows=workflows,
            )
            in_store = alone(stored, place / "served" / "data" / "store")
            served.append(_of_service(round_, in_store, events))
            say(f"round {number + 1} service {_told(served[-1])}")
            for form in Form:
                inserted = alone(
                    insert_round, place / form, prepared, form, warm, received_at, quiet
                )
                raw[form].append(_of_raw(inserted, events))
                say(f"round {number + 1} {form:7} {_told(raw[form][-1])}")
        found["service"] = _medians(served)
        found["raw"] = {form.value: _medians(each) for form, each in raw.items()}
        batch = max(1, events // round(found["service"]["median"]["inserts"]))
        steps = alone(measured, folder / "stages", file, received_at, batch, rounds)
    found["steps_cpu_per_million"] = {name: round(each, 2) for name, each in steps.items()}
    found["steps_batch"] = batch
    found["ratios"] = {
        name: {
            "service_rate_of_raw": round(
                _median(found["service"], "events_per_second") / _median(each, "events_per_second"),
                4,
            ),
            "service_cpu_of_raw": round(
                _median(found["service"], "cpu_per_million") / _median(each, "cpu_per_million"), 1
            ),
        }
        for name, each in found["raw"].items()
    }
    return found


def _of_service(measured: Served, in_store: dict[str, int], events: int) -> dict[str, Any]:
    """One round in the units of the results.

    :raises RuntimeError: an event is not stored, or twice.
    """
    right = events + _WARM_BODIES * bodies.RECORDS
    if (in_store["rows"], in_store["events"], measured.sent.rejected) != (right, right, 0):
        raise RuntimeError(f"{right} events were sent, but the store has {in_store}")
    return {
        "events_per_second": round(events / measured.sent.seconds),
        "cpu_per_million": round(measured.cpu_until_settled / events * 1e6, 2),
        "cpu_per_million_until_answered": round(measured.cpu_until_answered / events * 1e6, 2),
        "cores_used": round(measured.cpu_until_answered / measured.sent.seconds, 2),
        "settling_seconds": _rounded(measured.settling),
        "idle_cores": round(measured.idle_cores, 3),
        "others_cores": round(measured.others_cores, 2),
        "load_generator_cpu_per_million": round(measured.sent.cpu_seconds / events * 1e6, 2),
        "answer_p50_seconds": round(measured.sent.answer_p50, 4),
        "answer_p99_seconds": round(measured.sent.answer_p99, 4),
        "told_to_wait": measured.sent.told_to_wait,
        "inserts": in_store["segments"],
        "rows_per_insert": round(right / in_store["segments"]),
        "parts_at_end": in_store["parts"],
        "stored_bytes_per_event": round(in_store["bytes_on_disk"] / right, 1),
        "peak_memory_mib": round(measured.peak_memory / 2**20),
    }


def _of_raw(measured: Inserted, events: int) -> dict[str, Any]:
    if measured.rows != events:
        raise RuntimeError(f"{events} rows were inserted, but the store has {measured.rows}")
    return {
        "events_per_second": round(events / measured.seconds),
        "cpu_per_million": round(measured.cpu_until_settled / events * 1e6, 2),
        "cpu_per_million_until_inserted": round(measured.cpu_until_inserted / events * 1e6, 2),
        "settling_seconds": _rounded(measured.settling),
        "parts_at_end": measured.parts,
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)


def _medians(rounds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {
        "median": {
            name: None
            if any(each[name] is None for each in rounds)
            else statistics.median(each[name] for each in rounds)
            for name in rounds[0]
        },
        "rounds": list(rounds),
    }


def _median(of: dict[str, Any], name: str) -> float:
    return float(of["median"][name])


def _told(found: dict[str, Any]) -> str:
    return (
        f"{found['events_per_second']:>9,} events/s, "
        f"{found['cpu_per_million']:6.2f} CPU-seconds per million"
    )


def main() -> None:
    """Measure, and print or keep the results as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ingest")
    parser.add_argument("--events", type=int, default=400 * bodies.RECORDS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument(
        "--quiet", type=float, default=2.0, help="seconds without work after which it has settled"
    )
    parser.add_argument("--workflows", type=Path, help="definitions in force, and their rules")
    parser.add_argument("--output", type=Path)
    given = vars(parser.parse_args())
    output: Path | None = given.pop("output")
    text = json.dumps(measure(**given), indent=2)
    if output is None:
        print(text)
    else:
        output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
