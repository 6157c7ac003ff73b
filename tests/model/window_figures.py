"""What happened in a window: transitions, illegal ones, ended jobs (docs/figures.md, 5)."""

from lifecycle.events import Event
from tests.model.instance import effective_at
from tests.model.jobs import EndedJob, ended_jobs
from tests.model.question import Question, Row, instant


def edges(asked: Question, *, from_: int, to: int) -> list[Row]:
    taken: dict[tuple[str, str, str], list[bool | None]] = {}
    for event in _committed(asked, from_, to):
        edge = event.from_state, event.to_state, event.action
        taken.setdefault(edge, []).append(asked.judge.declared(event))
    rows = []
    for (from_state, to_state, action), judged in taken.items():
        verdicts = [each for each in judged if each is not None]
        rows.append(
            {
                "from_state": from_state,
                "to_state": to_state,
                "action": action,
                "count": len(judged),
                "declared": all(verdicts) if verdicts else None,
            }
        )
    return rows


def _committed(asked: Question, start: int, stop: int) -> list[Event]:
    return [
        event
        for each in asked.lives()
        for event in each.transitions
        if start <= effective_at(event) < stop
    ]


def illegal_transitions(asked: Question, *, from_: int, to: int, settled: int) -> list[Row]:
    verdicts = [asked.judge.declared(each) for each in _committed(asked, from_, min(to, settled))]
    illegal = verdicts.count(False)
    return [
        {
            "committed": len(verdicts),
            "unjudged": verdicts.count(None),
            "illegal": illegal,
            "rate": illegal / len(verdicts) if verdicts else None,
        }
    ]


def illegal_members(
    asked: Question, *, from_: int, to: int, settled: int, limit: int = 1000
) -> list[Row]:
    illegal = [
        event
        for event in _committed(asked, from_, min(to, settled))
        if asked.judge.declared(event) is False
    ]
    illegal.sort(key=lambda event: -effective_at(event))
    return [
        {
            "environment": event.environment,
            "instance_id": event.instance_id,
            "event_id": event.event_id,
            "from_state": event.from_state,
            "to_state": event.to_state,
            "action": event.action,
            "effective_at": instant(effective_at(event)),
            "workflow_version": event.workflow_version,
            "service": event.service,
            "service_version": event.service_version,
            "actor_type": event.actor_type,
            "trace_id": event.trace_id,
        }
        for event in illegal[:limit]
    ]


def retry_exhaustion(asked: Question, *, from_: int, to: int, settled: int) -> list[Row]:
    ended = _ended_jobs(asked, from_, to, settled)
    exhausted = sum(job.exhausted for job in ended)
    return [
        {
            "ended": len(ended),
            "exhausted": exhausted,
            "rate": exhausted / len(ended) if ended else None,
        }
    ]


def retry_exhaustion_members(
    asked: Question, *, from_: int, to: int, settled: int, limit: int = 1000
) -> list[Row]:
    exhausted = [job for job in _ended_jobs(asked, from_, to, settled) if job.exhausted]
    exhausted.sort(key=lambda job: -effective_at(job.last))
    return [
        {
            "environment": job.last.environment,
            "instance_id": job.last.instance_id,
            "job_id": job.last.job_id,
            "job_type": job.job_type,
            "attempt": job.last.attempt,
            "ended_at": instant(effective_at(job.last)),
            "error_type": job.last.error_type,
            "service": job.last.service,
            "trace_id": job.last.trace_id,
        }
        for job in exhausted[:limit]
    ]


def _ended_jobs(asked: Question, from_: int, to: int, settled: int) -> list[EndedJob]:
    return ended_jobs(asked.instances, asked.judge, start=from_, stop=min(to, settled))
