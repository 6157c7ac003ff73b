"""A synthetic operation sent end to end: how long from acceptance until its owner sees it done?"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


class ProbeFailed(Exception):
    """The path did not do what it must; the message says where and how."""


class Path(Protocol):
    """The way a probe takes through an application: its entrance and its exit."""

    async def submit(self, operation_id: str) -> None:
        """Ask for the operation, marked as a probe. Raises ProbeFailed if it is not accepted."""

    async def visible(self, operation_id: str) -> bool:
        """Whether its owner can see it done. Raises ProbeFailed if it ended otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeRun:
    """One run of a probe. ``visible_at`` is None, and ``error`` says why, if it did not succeed."""

    probe: str
    operation_id: str
    started_at: datetime
    accepted_at: datetime | None = None
    visible_at: datetime | None = None
    error: str = ""

    @property
    def completion_lag(self) -> float | None:
        """Seconds from acceptance until visible; None if it never was."""
        if self.accepted_at is None or self.visible_at is None:
            return None
        return (self.visible_at - self.accepted_at).total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Sends one operation along ``path`` and watches for its end. Times in seconds."""

    name: str
    path: Path
    timeout: float = 60.0
    interval: float = 0.25

    async def run(
        self,
        operation_id: str,
        *,
        now: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]],
    ) -> ProbeRun:
        """One run; a path that fails is an answer, not an exception."""
        started = now()
        accepted: datetime | None = None
        try:
            await self.path.submit(operation_id)
            accepted = now()
            while not await self.path.visible(operation_id):
                if (now() - accepted).total_seconds() >= self.timeout:
                    raise ProbeFailed(f"not visible {self.timeout:g} s after it was accepted")
                await sleep(self.interval)
        except ProbeFailed as failure:
            return ProbeRun(
                probe=self.name,
                operation_id=operation_id,
                started_at=started,
                accepted_at=accepted,
                error=str(failure),
            )
        return ProbeRun(
            probe=self.name,
            operation_id=operation_id,
            started_at=started,
            accepted_at=accepted,
            visible_at=now(),
        )
