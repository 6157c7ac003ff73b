"""The queue between dispatcher and worker: jobs under a lease, retried with growing pauses."""

import sqlite3
from dataclasses import dataclass, replace

from demo.app.journal import Change, Journal

QUEUE = "payments"
MAX_ATTEMPTS = 4
LEASE = 4.0  # seconds; longer than one attempt may take, so a live worker never loses its job
BACKOFF = 0.4  # seconds before the second attempt; then twice, three times as long


@dataclass(frozen=True, slots=True)
class Job:
    """One job, taken for its ``attempt``-th attempt."""

    job_id: str
    order_id: str
    job_type: str
    cause_key: str
    attempt: int
    max_attempts: int

    @property
    def effect_key(self) -> str:
        """The business key of the side effect: one order is charged once."""
        return f"charge/{self.order_id}"


class JobQueue:
    """All writes to the database of jobs, by the dispatcher and the worker."""

    def __init__(self, connection: sqlite3.Connection, journal: Journal) -> None:
        self._connection = connection
        self._journal = journal

    def enqueue(self, job_id: str, order_id: str, job_type: str, cause_key: str) -> bool:
        """Add a job; False if it is known already (its outbox record was dispatched twice)."""
        with self._journal.change() as change:
            added = change.connection.execute(
                "INSERT OR IGNORE INTO jobs"
                " (job_id, order_id, job_type, cause_key, state, max_attempts, ready_at)"
                " VALUES (?, ?, ?, ?, 'waiting', ?, ?)",
                (job_id, order_id, job_type, cause_key, MAX_ATTEMPTS, change.at),
            )
            if added.rowcount == 0:
                return False
            job = Job(job_id, order_id, job_type, cause_key, 0, MAX_ATTEMPTS)
            self._report(change, job, "enqueued")
            return True

    def take(self, limit: int) -> list[Job]:
        """Lease up to ``limit`` jobs that are due, also those whose worker died with the lease.

        A job lost with its last permitted attempt comes back too, its attempt above
        ``max_attempts``: it is for the worker to give it up together with its order.
        """
        if limit <= 0 or not self._due():
            return []
        taken: list[Job] = []
        with self._journal.change() as change:
            rows = change.connection.execute(
                "SELECT job_id, order_id, job_type, cause_key, attempt, max_attempts FROM jobs"
                " WHERE state <> 'done' AND ready_at <= ? ORDER BY ready_at LIMIT ?",
                (change.at, limit),
            ).fetchall()
            for row in rows:
                lost = Job(*row)
                job = replace(lost, attempt=lost.attempt + 1)
                change.connection.execute(
                    "UPDATE jobs SET state = 'leased', attempt = ?, ready_at = ? WHERE job_id = ?",
                    (job.attempt, change.at + int(LEASE * 1e6), job.job_id),
                )
                taken.append(job)
                if job.attempt <= job.max_attempts:
                    self._report(change, job, "started")
        return taken

    def succeed(self, job: Job) -> None:
        """The work is done."""
        self._end(job, "succeeded")

    def exhaust(self, job: Job, error_type: str) -> None:
        """The last permitted attempt has failed."""
        self._end(job, "exhausted", error_type=error_type)

    def fail(self, job: Job, error_type: str) -> None:
        """This attempt has failed; the next one follows after a pause."""
        with self._journal.change() as change:
            pause = int(BACKOFF * job.attempt * 1e6)
            freed = change.connection.execute(
                "UPDATE jobs SET state = 'waiting', ready_at = ?"
                " WHERE job_id = ? AND state = 'leased' AND attempt = ?",
                (change.at + pause, job.job_id, job.attempt),
            )
            if freed.rowcount:
                self._report(change, job, "failed", error_type=error_type)

    def _due(self) -> bool:
        # A plain read first: most rounds find nothing, and need no write lock to learn it.
        row = self._connection.execute(
            "SELECT 1 FROM jobs WHERE state <> 'done' AND ready_at <= ? LIMIT 1",
            (self._journal.now(),),
        ).fetchone()
        return row is not None

    def _end(self, job: Job, state: str, *, error_type: str = "") -> None:
        with self._journal.change() as change:
            # The attempt is part of the condition: who has lost the lease has no say any more.
            ended = change.connection.execute(
                "UPDATE jobs SET state = 'done', result = ?"
                " WHERE job_id = ? AND state = 'leased' AND attempt = ?",
                (state, job.job_id, job.attempt),
            )
            if ended.rowcount:
                self._report(change, job, state, error_type=error_type)

    @staticmethod
    def _report(change: Change, job: Job, state: str, *, error_type: str = "") -> None:
        details: dict[str, str | int] = {
            "type": job.job_type,
            "queue": QUEUE,
            "max_attempts": job.max_attempts,
            "effect_key": job.effect_key,
            "cause_key": job.cause_key,
        }
        if job.attempt:
            details["attempt"] = min(job.attempt, job.max_attempts)
        if error_type:
            details["error_type"] = error_type
        change.job(job.order_id, job.job_id, state, **details)
