"""How long things take: dwell and completion lag (docs/figures.md, 5)."""

from collections.abc import Sequence

from tests.model.product_limit import Interval, oldest, percentile, watched
from tests.model.question import Question, Row, instant, longer, seconds
from tests.model.runs import Run


def dwell(asked: Question, *, from_: int, to: int, flushed: int) -> list[Row]:
    by_state: dict[str, list[Interval]] = {}
    for each in asked.lives():
        for visit in each.visits:
            left = visit.exited_at
            if visit.terminal or visit.entered_at >= to or (left is not None and left < from_):
                continue
            by_state.setdefault(visit.state, []).append(
                watched(
                    start=visit.entered_at,
                    end=left,
                    exits=True,
                    window=(from_, to),
                    flushed=flushed,
                )
            )
    rows = []
    for state, seen in by_state.items():
        intervals = [each for each in seen if each.start <= each.end]
        ended = sum(each.exited for each in intervals)
        rows.append(
            {
                "state": state,
                "visits": len(intervals),
                "ended": ended,
                "censored": len(intervals) - ended,
                "skewed": len(seen) - len(intervals),
                **_percentiles(intervals),
            }
        )
    return rows


def completion_lag(
    asked: Question, *, from_: int, to: int, flushed: int, percentile: float = 0.5
) -> list[Row]:
    unseen, seen = 0, list[tuple[Run, Interval]]()
    for run in (run for each in asked.lives() for run in each.runs):
        start = run.started_at if run.start_unseen else run.clock_start(asked.judge)
        ended_before = run.ended_at is not None and run.ended_at < from_
        if start is None or start >= to or ended_before:
            continue
        if run.start_unseen:
            unseen += 1
            continue
        seen.append(
            (
                run,
                watched(
                    start=start,
                    end=run.ended_at,
                    exits=run.ended_how == "completed",
                    window=(from_, to),
                    flushed=flushed,
                ),
            )
        )
    alive = [(run, interval) for run, interval in seen if interval.start <= interval.end]
    how = [
        "open" if run.ended_at is None or run.ended_at >= to else run.ended_how for run, _ in alive
    ]
    intervals = [interval for _, interval in alive]
    return [
        {
            "runs": len(alive),
            "completed": how.count("completed"),
            "ended_otherwise": how.count("ended_otherwise"),
            "open": how.count("open"),
            "unseen": unseen,
            "skewed": len(seen) - len(alive),
            **_percentiles(intervals),
            "percentile": _percentile(intervals, percentile),
        }
    ]


def completion_members(
    asked: Question, *, flushed: int, longer_than: float, limit: int = 1000
) -> list[Row]:
    rows: list[Row] = []
    for each in asked.lives():
        run = each.present
        start = run.clock_start(asked.judge)
        if not each.open or run.start_unseen or start is None:
            continue
        if longer(flushed - start, longer_than):
            rows.append(
                {
                    "environment": each.instance.environment,
                    "instance_id": each.instance.instance_id,
                    "run": run.number,
                    "state": run.last.state,
                    "started_at": instant(start),
                    "age": seconds(flushed - start),
                }
            )
    rows.sort(key=lambda row: -row["age"])
    return rows[:limit]


def _percentile(intervals: Sequence[Interval], share: float) -> float | None:
    return seconds(percentile(intervals, share))


def _percentiles(intervals: Sequence[Interval]) -> Row:
    return {
        "p50": _percentile(intervals, 0.5),
        "p95": _percentile(intervals, 0.95),
        "p99": _percentile(intervals, 0.99),
        "oldest": seconds(oldest(intervals)),
    }
