"""What stands open now: stuck instances and waiting outbox records (docs/figures.md, 5)."""

from tests.model.outbox import pending
from tests.model.question import Question, Row, instant, longer, seconds
from tests.model.runs import Life


def stuck(
    asked: Question,
    *,
    flushed: int,
    settled: int,
    longer_than: float | None = None,
    state: str = "",
    limit: int = 1000,
) -> list[Row]:
    facts = []
    for each in asked.lives(settled=settled):
        fact = _stuck_fact(asked, each, flushed, longer_than, with_run=not state)
        if fact is not None and state in ("", fact["state"]):
            facts.append(fact)
    facts.sort(key=lambda fact: -fact["age"])
    return [{**fact, "total": len(facts)} for fact in facts][:limit]


def _stuck_fact(
    asked: Question, each: Life, flushed: int, longer_than: float | None, *, with_run: bool
) -> Row | None:
    run, visit = each.present, each.present.last
    state_limit, run_limit = visit.limit, asked.judge.run_limit(visit.event)
    if longer_than is not None:
        state_limit, run_limit = longer_than, None
    if run.start_unseen or not with_run:
        run_limit = None
    for cause, since, limit in (
        ("state", visit.entered_at, state_limit),
        ("run", run.started_at, run_limit),
    ):
        if each.open and limit is not None and longer(flushed - since, limit):
            return {
                "environment": each.instance.environment,
                "instance_id": each.instance.instance_id,
                "run": run.number,
                "cause": cause,
                "state": visit.state,
                "status": visit.status,
                "workflow_version": visit.event.workflow_version,
                "entered_at": instant(visit.entered_at),
                "run_started_at": instant(run.started_at),
                "entering_event_id": visit.event.event_id,
                "age": seconds(flushed - since),
                "limit_seconds": limit,
                "service": visit.event.service,
                "trace_id": visit.event.trace_id,
            }
    return None


def open_by_state(asked: Question, *, flushed: int, settled: int) -> list[Row]:
    by_state: dict[str, list[Life]] = {}
    for each in asked.lives(settled=settled):
        if each.open:
            by_state.setdefault(each.present.last.state, []).append(each)
    rows = []
    for state, there in by_state.items():
        first = min(
            there,
            key=lambda each: (
                each.present.last.entered_at,
                each.instance.environment,
                each.instance.instance_id,
            ),
        ).present.last
        stuck = [_stuck_fact(asked, each, flushed, None, with_run=True) for each in there]
        rows.append(
            {
                "state": state,
                "status": first.status,
                "terminal": first.terminal,
                "open": len(there),
                "stuck": sum(fact is not None for fact in stuck),
                "oldest_entered_at": instant(first.entered_at),
            }
        )
    return rows


def outbox_lag(asked: Question, *, flushed: int) -> list[Row]:
    waiting = pending(asked.instances)
    since = waiting[0].recorded_at if waiting else None
    return [
        {
            "depth": len(waiting),
            "oldest_recorded_at": instant(since),
            "lag": 0.0 if since is None else seconds(flushed - since),
        }
    ]


def outbox_members(asked: Question, *, flushed: int, limit: int = 1000) -> list[Row]:
    return [
        {
            "environment": each.recorded.environment,
            "instance_id": each.recorded.instance_id,
            "outbox_id": each.recorded.outbox_id,
            "recorded_at": instant(each.recorded_at),
            "age": seconds(flushed - each.recorded_at),
            "service": each.recorded.service,
        }
        for each in pending(asked.instances)[:limit]
    ]
