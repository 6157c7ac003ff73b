"""What became of every event: nothing is lost without being counted here."""

import itertools
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Reason(StrEnum):
    """Why an event was dropped."""

    INVALID = "invalid"  # the arguments made no event
    QUEUE_FULL = "queue_full"  # emitted faster than the endpoint takes them
    FAILED = "failed"  # the endpoint stayed away through all retries
    REFUSED = "refused"  # the endpoint refused the request, or is no OTLP endpoint
    REJECTED = "rejected"  # the endpoint took the request without this event (partial success)
    UNSENT = "unsent"  # still waiting when the time to flush at exit was over
    SHUTDOWN = "shutdown"  # emitted after shutdown
    DISABLED = "disabled"  # OTEL_SDK_DISABLED=true
    ERROR = "error"  # donewatch could not work: see the log


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """Counts since this process began (a forked child begins anew); heartbeats are not among them.

    ``emitted == exported + dropped + pending``, and nothing is pending after a successful flush.
    """

    emitted: int = 0
    exported: int = 0  # accepted by the endpoint
    dropped: int = 0
    pending: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)  # of ``dropped``; see ``Reason``


class Tally:
    """Counts by one without holding a lock.

    A signal handler or a finalizer may emit in the middle of an emission of the same thread; a lock
    would end that in a deadlock. Advancing an iterator is one step, and looking is corrected for by
    counting the looks.
    """

    __slots__ = ("_lock", "_looks", "_steps")

    def __init__(self) -> None:
        self._steps = itertools.count()
        self._looks = 0
        self._lock = threading.RLock()

    def add(self) -> None:
        """Count one more."""
        next(self._steps)

    def value(self) -> int:
        """How many there have been."""
        with self._lock:
            seen = next(self._steps) - self._looks
            self._looks += 1
            return seen


class Ledger:
    """The account of one pipeline. Every event is emitted, then either dropped at the entry or
    admitted; what is admitted is settled once: exported, or lost on the way.

    Callers only ever touch tallies; the lock is for the exporting thread and for those who wait for
    it.
    """

    def __init__(self) -> None:
        self.emitted = Tally()
        self.admitted = Tally()
        self._turned_away = {reason: Tally() for reason in Reason}
        self._changed = threading.Condition()
        self._exported = 0
        self._lost: Counter[Reason] = Counter()
        self._settled = 0
        self._closed = False

    def turn_away(self, reason: Reason) -> None:
        """Count one emitted event that goes no further."""
        self._turned_away[reason].add()

    def settle(self, exported: int, lost: Mapping[Reason, int]) -> None:
        """Count the fate of admitted events; ignored once the ledger is closed (they count as
        unsent)."""
        with self._changed:
            if self._closed:
                return
            self._exported += exported
            self._lost.update(lost)
            self._settled += exported + sum(lost.values())
            self._changed.notify_all()

    def wait_settled(self, admitted: int, timeout: float) -> bool:
        """Wait until that many admitted events are settled, at most ``timeout`` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: self._settled >= admitted, timeout)

    def close(self) -> int:
        """Count whatever is not settled as unsent, for good. May be repeated; returns how many it
        were."""
        with self._changed:
            self._closed = True
            unsent = self.admitted.value() - self._settled
            self._lost[Reason.UNSENT] += unsent
            self._settled += unsent
            self._changed.notify_all()
            return unsent

    def stats(self) -> Stats:
        """The account so far."""
        with self._changed:
            reasons = Counter({str(reason): count for reason, count in self._lost.items() if count})
            exported = self._exported
        for reason, tally in self._turned_away.items():
            if count := tally.value():
                reasons[str(reason)] += count
        dropped = sum(reasons.values())
        # Emitted is read last: an event is counted there first, so pending is never negative.
        emitted = self.emitted.value()
        return Stats(
            emitted=emitted,
            exported=exported,
            dropped=dropped,
            pending=emitted - exported - dropped,
            reasons=dict(reasons),
        )


def total(parts: Iterable[Stats]) -> Stats:
    """The sum of several accounts."""
    emitted = exported = dropped = pending = 0
    reasons: Counter[str] = Counter()
    for part in parts:
        emitted += part.emitted
        exported += part.exported
        dropped += part.dropped
        pending += part.pending
        reasons.update(part.reasons)
    return Stats(
        emitted=emitted, exported=exported, dropped=dropped, pending=pending, reasons=dict(reasons)
    )
