"""Counting what happens to events, for operators."""

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Counters since the start; ``pending…``, ``oldest`` and ``…_now`` are of this moment."""

    accepted: int  # events on disk, their producers told so
    rejected: Mapping[str, int]  # records refused by the check, by reason
    rejected_unkept: int  # of these, the ones whose content is not kept
    pending: int  # events and refused records that are not in the store yet
    pending_bytes: int  # of segments on disk
    oldest: int | None  # when the oldest of them came, µs
    segments: int  # inserted
    segment: int  # all of this number and below are in the store
    failed_inserts: int
    failed_writes: int  # to the spool
    quarantined: Mapping[str, int]  # records the store refused, by kind
    quarantined_now: int  # files in quarantine
    damaged: int  # places in files that could not be read
    damaged_bytes: int
    torn_bytes: int  # never acknowledged, cut off at the start
    waiting: int = 0  # segments sealed and not yet in the store
    resent_since: int | None = None  # producers are to send again what came since then, µs
    trouble: str = ""  # why inserts fail now; empty while they do not


class Watch(Protocol):
    """Is told how long things take."""

    def synced(self, seconds: float) -> None:
        """A group was synced to disk."""
        ...

    def inserted(self, rows: int, seconds: float) -> None:
        """A segment was inserted."""
        ...


class Unwatched:
    """Nobody wants to know."""

    def synced(self, seconds: float) -> None:
        """Nothing."""

    def inserted(self, rows: int, seconds: float) -> None:
        """Nothing."""


class Tally:
    """The counters; every method from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers: Counter[str] = Counter()
        self._rejected: Counter[str] = Counter()
        self._quarantined: Counter[str] = Counter()
        self.trouble = ""  # why inserts fail now

    def add(self, **numbers: int) -> None:
        """Add to counters by name; negative to take away."""
        with self._lock:
            self._numbers.update(numbers)

    def rejected(self, reasons: Mapping[str, int]) -> None:
        """Records were refused by the check."""
        with self._lock:
            self._rejected.update(reasons)

    def quarantined(self, kind: str) -> None:
        """A record was refused by the store."""
        with self._lock:
            self._quarantined[kind] += 1

    def __getitem__(self, name: str) -> int:
        with self._lock:
            return self._numbers[name]

    def counts(
        self,
        *,
        oldest: int | None,
        quarantined_now: int,
        segment: int,
        waiting: int = 0,
        resent_since: int | None = None,
    ) -> Counts:
        """All of them."""
        with self._lock:
            numbers = self._numbers
            return Counts(
                accepted=numbers["accepted"],
                rejected=dict(self._rejected),
                rejected_unkept=numbers["rejected_unkept"],
                pending=numbers["pending"],
                pending_bytes=numbers["pending_bytes"],
                oldest=oldest,
                segments=numbers["segments"],
                segment=segment,
                failed_inserts=numbers["failed_inserts"],
                failed_writes=numbers["failed_writes"],
                quarantined=dict(self._quarantined),
                quarantined_now=quarantined_now,
                damaged=numbers["damaged"],
                damaged_bytes=numbers["damaged_bytes"],
                torn_bytes=numbers["torn_bytes"],
                waiting=waiting,
                resent_since=resent_since,
                trouble=self.trouble,
            )
