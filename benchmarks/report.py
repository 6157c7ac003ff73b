"""Results as a table, each goal beside what was measured.

``.venv/bin/python -m benchmarks.report benchmarks/results/NAME.json…``
"""

import json
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

# when the goals were set, on a machine of the same kind
_POSTGRES_THEN: Final = 14_200
_DECODER_THEN: Final = 108_000


@dataclass(frozen=True, slots=True)
class Goal:
    """``measured`` is ``None`` where the run had not what it takes."""

    what: str
    at_least: bool
    bound: float
    measured: float | None
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether it is met, as measured; ``None``: not measured."""
        if self.measured is None:
            return None
        return self.measured >= self.bound if self.at_least else self.measured <= self.bound


def rendered(found: Mapping[str, Any]) -> str:
    """The text of one run's results, whichever command made them."""
    parts = [_head(found)]
    goals: list[Goal] = []
    if "rows" in found:
        parts.append("\n".join(_rows(found["rows"])))
        goals += ingest_goals(found["rows"])
    if "share" in found:
        parts.append("\n".join(_settling(found)))
        goals += settling_goals(found)
    if "figures" in found:
        parts.append("\n".join(_figures(found["figures"])))
        goals += figure_goals(found["figures"])
    parts.append("\n".join(_goals(goals)))
    return "\n\n".join(parts)


def said(text: str) -> None:
    """Tell how far a run is, at once."""
    print(text, flush=True)


def keep(found: Mapping[str, Any], output: Path | None) -> None:
    """Print the tables; with ``output``, keep the data there and the tables beside it."""
    told = rendered(found)
    print(told)
    if output is not None:
        output.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        output.with_suffix(".txt").write_text(told + "\n", encoding="utf-8")


def ingest_goals(rows: Mapping[str, Any]) -> list[Goal]:
    """The goals of the ingest path, each for every way donewatch is run."""

    def ratio(ours: str, theirs: str, name: str = "events_per_second") -> float | None:
        """Median of the rounds' ratios: what disturbs a round disturbs both sides of it."""
        if ours not in rows or theirs not in rows:
            return None
        pairs = zip(rows[ours]["rounds"], rows[theirs]["rounds"], strict=True)
        found: list[float] = [
            mine[name] / other["events_per_second"] for mine, other in pairs if name in mine
        ]
        if not found:
            return None
        return round(statistics.median(found), 2)

    def value(row: str, name: str) -> float | None:
        found: float | None = rows[row]["median"].get(name) if row in rows else None
        return found

    def then(row: str, name: str, of: int) -> str:
        found = value(row, name)
        return "" if found is None else f"{found / of:.1f} times the {of:,}/s measured then"

    goals = []
    for setup in ("embedded", "server"):
        mine = f"{setup}/otlp-512"
        counted = "counted_events_per_second"
        for peer, named in (
            ("postgres", "PostgreSQL"),
            ("postgres-one-connection", "PostgreSQL over one connection"),
        ):
            goals += [
                Goal(
                    f"{setup}: acknowledged, times {named}",
                    True,
                    12,
                    ratio(mine, peer),
                    then(mine, "events_per_second", _POSTGRES_THEN),
                ),
                Goal(
                    f"{setup}: counted in figures, times {named}",
                    True,
                    7,
                    ratio(mine, peer, counted),
                    then(mine, counted, _POSTGRES_THEN),
                ),
            ]
        goals += [
            Goal(
                f"{setup}: acknowledged, times the decoder that stores nothing",
                True,
                1.5,
                ratio(mine, "decoder/otlp-512"),
                then(mine, "events_per_second", _DECODER_THEN),
            ),
            Goal(
                f"{setup}: NDJSON acknowledged, times OTLP",
                True,
                1,
                ratio(f"{setup}/ndjson-512", mine),
            ),
            Goal(
                f"{setup}: CPU-seconds per million, accepted and stored",
                False,
                5,
                value(f"{setup}-stored/otlp-512", "cpu_per_million"),
                "settling and rules switched off",
            ),
            Goal(
                f"{setup}: CPU-seconds per million, all told",
                False,
                10,
                value(mine, "cpu_per_million"),
            ),
        ]
    return goals


def settling_goals(found: Mapping[str, Any]) -> list[Goal]:
    """The goals of settling."""
    share, catching_up = found["share"], found.get("catching_up")
    open_ = f"{share['open_instances']:,} instances open, {share['events_per_second']:,} events/s"
    return [
        Goal("settling: per cent of a core", False, 5, share["median"]["per_cent"], open_),
        Goal(
            "settling: events per second when catching up",
            True,
            300_000,
            catching_up and catching_up["median"]["events_per_second"],
        ),
    ]


def figure_goals(figures: Mapping[str, Any]) -> list[Goal]:
    """One goal for each figure."""
    less, more = figures["events"]
    return [
        Goal(
            f"figure {name}: time at {_short(more)} events, times at {_short(less)}",
            False,
            1.3,
            each["ratio"],
        )
        for name, each in figures["of"].items()
    ]


def _head(found: Mapping[str, Any]) -> str:
    machine = found["machine"]
    versions = ", ".join(f"{name} {each}" for name, each in machine["packages"].items())
    told = [
        f"{found['command']}",
        f"{machine['measured_at']}, commit {machine['commit']}, {machine['cores']} cores"
        f" ({machine['processor']}), {machine['memory_gib']} GiB, fsync {machine['fsync_ms']} ms,"
        f" Linux {machine['kernel']}, Python {machine['python']}",
        f"{versions}{', ' + found['postgres'] if 'postgres' in found else ''}",
        f"load average before {machine['load_average']},"
        f" after {machine.get('load_average_at_end')}: the machine is shared",
    ]
    if "rows" in found:
        told.append(
            f"{found['rounds']} rounds of {found['events']:,} events ({found['events_are']}),"
            f" {found['connections']} connections"
        )
    return "\n".join(told)


def _rows(rows: Mapping[str, Any]) -> Iterator[str]:
    yield from _table(
        ("", "events/s", "counted/s", "CPU-s/M", "until ack", "p99 s", "generator CPU-s/M"),
        [
            (
                name,
                _shown(each["median"].get("events_per_second")),
                _shown(each["median"].get("counted_events_per_second")),
                _shown(each["median"].get("cpu_per_million")),
                _shown(each["median"].get("cpu_per_million_until_answered")),
                _shown(each["median"].get("answer_p99_seconds")),
                _shown(each["median"].get("load_generator_cpu_per_million")),
            )
            for name, each in rows.items()
        ],
    )


def _settling(found: Mapping[str, Any]) -> Iterator[str]:
    yield from _table(
        ("settling", *found["share"]["median"]),
        [("median", *(_shown(each) for each in found["share"]["median"].values()))],
    )
    if "catching_up" in found:
        yield ""
        median = found["catching_up"]["median"]
        yield from _table(
            ("catching up", *median), [("median", *(_shown(each) for each in median.values()))]
        )


def _figures(figures: Mapping[str, Any]) -> Iterator[str]:
    less, more = figures["events"]
    yield from _table(
        ("figure", f"ms at {_short(less)}", f"ms at {_short(more)}", "ratio", "CPU ratio"),
        [
            (
                name,
                _shown(each[str(less)]["wall_ms"]),
                _shown(each[str(more)]["wall_ms"]),
                _shown(each["ratio"]),
                _shown(each["cpu_ratio"]),
            )
            for name, each in figures["of"].items()
        ],
    )


def _goals(goals: Sequence[Goal]) -> Iterator[str]:
    yield from _table(
        ("goal", "bound", "measured", "", ""),
        [
            (
                goal.what,
                f"{'at least' if goal.at_least else 'at most'} {goal.bound:,g}",
                _shown(goal.measured),
                {True: "met", False: "MISSED", None: "not measured"}[goal.met],
                goal.note,
            )
            for goal in goals
        ],
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, ["-" * width for width in widths], *rows):
        adjust: list[Callable[[str, int], str]] = [str.ljust, *[str.rjust] * (len(row) - 1)]
        if len(row) == 5 and head[0] == "goal":
            adjust[3:] = [str.ljust, str.ljust]
        cells = [
            change(cell, width) for change, cell, width in zip(adjust, row, widths, strict=True)
        ]
        yield "  ".join(cells).rstrip()


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,g}"


def _short(events: int) -> str:
    return f"{events / 1e6:g} M" if events >= 100_000 else f"{events:,}"


def main() -> None:
    """Print the tables of result files."""
    for name in sys.argv[1:]:
        print(rendered(json.loads(Path(name).read_text(encoding="utf-8"))), end="\n\n")


if __name__ == "__main__":
    main()
