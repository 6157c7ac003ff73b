"""Which part of the path holds an operation now, and how to say so in words.

An operation travels accept → outbox → queue → execution (→ retry wait, external wait, manual wait)
→ read model. Several may apply at once; the first of this list is the one that holds it:

1. **execution**: a job of the present visit has started and not ended. In a state that waits for
   somebody outside, and within the job's own limit, running *is* waiting: **external wait**. Beyond
   the limit it is execution again: the worker may be lost, and nobody outside is to blame.
2. **retry wait**: a job of the present visit failed and has attempts left, or is enqueued for
   later.
3. **queue**: a job of the present visit is enqueued and no worker has taken it.
4. **outbox**: a record is written and not dispatched, so nothing further down knows of it.
5. **manual wait**: the present visit's job has used up its attempts, or the status is ``blocked``.
6. **read model**: the work is finished and not yet visible to its user.
7. **external wait**: the definition says that the state waits for somebody.
8. **queue**: a message was dispatched during this visit and nothing has answered it.
9. legs 1 to 3 again, from jobs of earlier visits: weak evidence (their last event may be lost).
10. **accept**: it is accepted and nothing has been heard since.
11. **unknown**: nothing recorded says.

A job belongs to the present visit if the definition binds its type to the present state or,
unbound, if its last event is not older than the visit (less a second, the skew figures tolerate).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from lifecycle.definitions import Definition, JobLimits, Status
from lifecycle.durations import format_duration

_SKEW: Final = timedelta(seconds=1)
_NO_LIMITS: Final = JobLimits()


class Leg(StrEnum):
    """One part of the path of an operation."""

    ACCEPT = "accept"
    OUTBOX = "outbox"
    QUEUE = "queue"
    EXECUTION = "execution"
    RETRY_WAIT = "retry_wait"
    EXTERNAL_WAIT = "external_wait"
    MANUAL_WAIT = "manual_wait"
    READ_MODEL = "read_model"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where an open instance stands: its present visit. ``first`` is the first visit of its run."""

    state: str
    status: Status | None
    terminal: bool
    entered_at: datetime
    first: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job of an instance, folded from its events; ``since`` is the moment of its last event.

    ``state`` is that of the last event, ``failures`` counts failed attempts, ``errors`` are their
    distinct error types, the latest first. ``scheduled_at``: when its next attempt is planned.
    """

    job_id: str
    job_type: str
    state: str
    since: datetime
    enqueued_at: datetime | None = None
    scheduled_at: datetime | None = None
    attempt: int | None = None
    max_attempts: int | None = None
    failures: int = 0
    errors: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What to call it in a sentence."""
        return self.job_type or f"job {self.job_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxRecord:
    """One intent to publish; ``state`` is that of its last event, at ``since``."""

    outbox_id: str
    state: str
    recorded_at: datetime | None
    since: datetime

    @property
    def pending(self) -> bool:
        """Written, and not known to have left."""
        return self.state in ("recorded", "failed")


@dataclass(frozen=True, slots=True)
class Holding:
    """A leg, since when it holds the instance, and a sentence (no capital, no full stop)."""

    leg: Leg
    since: datetime
    sentence: str


def holding(
    position: Position,
    definition: Definition | None,
    jobs: Sequence[Job],
    outbox: Sequence[OutboxRecord],
    at: datetime,
) -> Holding:
    """The leg that holds an open instance at the moment ``at``, by the precedence above."""
    return legs(position, definition, jobs, outbox, at)[0]


def legs(
    position: Position,
    definition: Definition | None,
    jobs: Sequence[Job],
    outbox: Sequence[OutboxRecord],
    at: datetime,
) -> list[Holding]:
    """Every leg that applies, the one that holds the instance first; never empty."""
    scene = _Scene(position, definition, at)
    own = [job for job in jobs if scene.owns(job)]
    rest = [job for job in jobs if job not in own and not scene.bound_elsewhere(job)]
    found = [
        *scene.working(own),
        *scene.publishing(outbox),
        *scene.manual(own),
        *scene.reading(),
        *scene.outside(),
        *scene.unanswered(outbox, own),
        *scene.working(rest),
    ] or scene.accepting()
    first_of_each = {each.leg: each for each in reversed(found)}
    unique = [each for each in found if first_of_each[each.leg] is each]
    return unique or [scene.unknown()]


class _Scene:
    """One question about one instance; methods answer for one leg each, in words."""

    def __init__(self, position: Position, definition: Definition | None, at: datetime) -> None:
        self.position = position
        self.definition = definition
        self.at = at
        self.declared = definition.state(position.state) if definition else None

    def owns(self, job: Job) -> bool:
        bound = self._limits(job).states
        if bound:
            return self.position.state in bound
        return job.since >= self.position.entered_at - _SKEW

    def bound_elsewhere(self, job: Job) -> bool:
        bound = self._limits(job).states
        return bool(bound) and self.position.state not in bound

    def working(self, jobs: Sequence[Job]) -> list[Holding]:
        """Legs 1 to 3; of several jobs in the same leg the one that has been there longest."""
        oldest_first = sorted(jobs, key=lambda job: job.since)
        running = [job for job in oldest_first if job.state == "started"]
        retrying = [job for job in oldest_first if self._retries(job)]
        waiting = [job for job in oldest_first if job.state == "enqueued" and job not in retrying]
        return [
            *(self._running(job) for job in running[:1]),
            *(self._retry(job) for job in retrying[:1]),
            *(self._queued(job) for job in waiting[:1]),
        ]

    def publishing(self, outbox: Sequence[OutboxRecord]) -> list[Holding]:
        pending = [record for record in outbox if record.pending]
        if not pending:
            return []
        oldest = min(pending, key=lambda record: record.recorded_at or record.since)
        since = oldest.recorded_at or oldest.since
        text = f"its message has waited {self._ago(since)} in the outbox to be dispatched"
        if oldest.state == "failed":
            text += "; the last attempt to dispatch it failed"
        limit = self.definition.outbox_max_lag if self.definition else None
        return [Holding(Leg.OUTBOX, since, text + self._beyond(since, limit))]

    def manual(self, own: Sequence[Job]) -> list[Holding]:
        given_up = [job for job in own if self._gave_up(job)]
        if given_up:
            job = max(given_up, key=lambda each: each.since)
            text = f"{job.name} gave up {self._ago(job.since)} ago"
            text += f" after {_times(job.failures or job.attempt or 1, 'attempt')}"
            text += f" ({', '.join(job.errors)})" if job.errors else ""
            return [Holding(Leg.MANUAL_WAIT, job.since, text + f"; it needs {self._person()}")]
        if self.position.status is Status.BLOCKED:
            return [
                Holding(
                    Leg.MANUAL_WAIT,
                    self.position.entered_at,
                    f"waiting {self._stay()} for {self._awaited() or self._person()}",
                )
            ]
        return []

    def reading(self) -> list[Holding]:
        if not self.position.terminal:
            return []
        text = f"finished {self._stay()} ago and not yet visible to its user: the read model lags"
        return [Holding(Leg.READ_MODEL, self.position.entered_at, text)]

    def outside(self) -> list[Holding]:
        if not self._awaited() or self.position.status is Status.BLOCKED:
            return []
        text = f"waiting {self._stay()} for {self._awaited()}"
        return [Holding(Leg.EXTERNAL_WAIT, self.position.entered_at, text)]

    def unanswered(self, outbox: Sequence[OutboxRecord], own: Sequence[Job]) -> list[Holding]:
        sent = [
            record
            for record in outbox
            if record.state == "dispatched" and record.since >= self.position.entered_at - _SKEW
        ]
        if own or not sent:
            return []
        last = max(sent, key=lambda record: record.since)
        text = f"its message was dispatched {self._ago(last.since)} ago and no worker has answered"
        return [Holding(Leg.QUEUE, last.since, text)]

    def accepting(self) -> list[Holding]:
        if not (self.position.first and self.position.status is Status.ACCEPTED):
            return []
        text = f"accepted {self._stay()} ago; nothing has been heard of it since"
        return [Holding(Leg.ACCEPT, self.position.entered_at, text)]

    def unknown(self) -> Holding:
        text = (
            f"in {self.position.state} for {self._stay()}; nothing recorded says what it waits for"
        )
        return Holding(Leg.UNKNOWN, self.position.entered_at, text)

    def _running(self, job: Job) -> Holding:
        limit = self._limits(job).max_run
        late = limit is not None and self._seconds(job.since) > limit
        text = f"{job.name} has been running for {self._ago(job.since)}{self._attempt(job)}"
        text += self._failures(job)
        if late:
            text += f"; silent beyond its limit of {format_duration(limit or 0)}: "
            text += "its worker may be lost"
        elif self._awaited():
            text = f"waiting {self._stay()} for {self._awaited()}; {text}"
            return Holding(Leg.EXTERNAL_WAIT, self.position.entered_at, text)
        return Holding(Leg.EXECUTION, job.since, text)

    def _retry(self, job: Job) -> Holding:
        awaited = self._awaited()
        text = (
            f"waiting {self._stay()} for {awaited}"
            if awaited
            else f"{job.name} waits to be retried"
        )
        text += self._failures(job)
        if job.scheduled_at is None:
            text += "; next retry unknown"
        elif job.scheduled_at > self.at:
            text += (
                f"; next retry in {format_duration((job.scheduled_at - self.at).total_seconds())}"
            )
        else:
            text += f"; its next retry was due {self._ago(job.scheduled_at)} ago"
        return Holding(Leg.RETRY_WAIT, job.since, text)

    def _queued(self, job: Job) -> Holding:
        since = max(filter(None, (job.since, job.scheduled_at)))
        text = f"{job.name} has waited {self._ago(since)} for a worker{self._failures(job)}"
        return Holding(Leg.QUEUE, since, text + self._beyond(since, self._limits(job).max_wait))

    def _limits(self, job: Job) -> JobLimits:
        known = self.definition.jobs if self.definition else {}
        return known.get(job.job_type, _NO_LIMITS)

    def _retries(self, job: Job) -> bool:
        if job.state == "failed":
            return not self._gave_up(job)
        return (
            job.state == "enqueued" and job.scheduled_at is not None and job.scheduled_at > self.at
        )

    def _gave_up(self, job: Job) -> bool:
        if job.state == "exhausted":
            return True
        allowed = job.max_attempts or self._limits(job).max_attempts
        return job.state == "failed" and allowed is not None and (job.attempt or 0) >= allowed

    def _awaited(self) -> str:
        name = self.declared.waits_for if self.declared else ""
        if (
            not name
            or not name[0].islower()
            or name.split()[0] in ("the", "a", "an", "its", "your")
        ):
            return name
        return f"the {name}"

    def _person(self) -> str:
        owner = self.declared.owner if self.declared else ""
        owner = owner or (self.definition.owner if self.definition else "")
        return f"a person of {owner}" if owner else "a person"

    def _attempt(self, job: Job) -> str:
        if job.attempt is None:
            return ""
        allowed = job.max_attempts or self._limits(job).max_attempts
        return f" (attempt {job.attempt} of {allowed})" if allowed else f" (attempt {job.attempt})"

    @staticmethod
    def _failures(job: Job) -> str:
        if not job.failures:
            return ""
        text = f"; {_times(job.failures, 'attempt')} failed"
        if len(job.errors) == 1:
            return f"{text} with {job.errors[0]}"
        return f"{text}, the last with {job.errors[0]}" if job.errors else text

    def _beyond(self, since: datetime, limit: float | None) -> str:
        if limit is None or self._seconds(since) <= limit:
            return ""
        return f", beyond its limit of {format_duration(limit)}"

    def _seconds(self, since: datetime) -> float:
        return (self.at - since).total_seconds()

    def _ago(self, since: datetime) -> str:
        # A clock that runs ahead of ours would read as "-2 s ago".
        return format_duration(max(0.0, self._seconds(since)))

    def _stay(self) -> str:
        return self._ago(self.position.entered_at)


def _times(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
