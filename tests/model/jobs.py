"""Jobs, and whether their last permitted attempt has failed (docs/figures.md, 5)."""

from collections.abc import Sequence
from dataclasses import dataclass

from lifecycle.events import Event
from tests.model.instance import Instance, effective_at
from tests.model.judging import Judge

RANK = ("enqueued", "started", "failed", "succeeded", "cancelled", "exhausted")


@dataclass(frozen=True, slots=True)
class EndedJob:
    """A job by the event that ended it."""

    last: Event
    job_type: str
    exhausted: bool


def ended_jobs(
    instances: Sequence[Instance], judge: Judge, *, start: int, stop: int
) -> list[EndedJob]:
    """Jobs whose last event before ``stop`` ended them, at or after ``start`` (microseconds)."""
    found = []
    for instance in instances:
        jobs: dict[str, list[Event]] = {}
        for event in instance.events:
            if event.event == "job" and effective_at(event) < stop:
                jobs.setdefault(event.job_id, []).append(event)
        for events in jobs.values():
            last = max(events, key=_progress)
            typed = [event for event in events if event.job_type]
            latest_typed = max(typed, key=lambda e: (effective_at(e), e.event_id), default=last)
            job_type = latest_typed.job_type
            last_attempt = _is_last_attempt(last, events, job_type, judge)
            exhausted = last.job_state == "exhausted" or (
                last.job_state == "failed" and last_attempt
            )
            ended = exhausted or last.job_state in ("succeeded", "cancelled")
            if ended and effective_at(last) >= start:
                found.append(EndedJob(last, job_type, exhausted))
    return found


def _progress(event: Event) -> tuple[int, int, int, str]:
    attempt = -1 if event.attempt is None else event.attempt
    return effective_at(event), attempt, RANK.index(event.job_state), event.event_id


def _is_last_attempt(last: Event, events: Sequence[Event], job_type: str, judge: Judge) -> bool:
    named = [event.max_attempts for event in events if event.max_attempts is not None]
    permitted: int | None
    if last.max_attempts is not None:
        permitted = last.max_attempts
    elif named:
        permitted = max(named)
    else:
        definition = judge.definition(last)
        limits = definition.jobs.get(job_type) if definition else None
        permitted = limits.max_attempts if limits else None
    return permitted is not None and last.attempt is not None and last.attempt >= permitted
