"""Telling receivers, each in order, again and again until they have taken it.

What is queued here is in memory only. It is not lost in a restart, because the keeper of the alerts
records an episode as told only when ``settled`` says so, and submits it again otherwise.
"""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from notify.notification import DeliveryError, Notification, Receiver

FIRST_WAIT: Final = 1.0  # seconds before the second attempt; doubles from there
LONGEST_WAIT: Final = 60.0
MAX_QUEUE: Final = 10_000  # notifications for one receiver
MAX_BATCH: Final = 64  # alerts told at once


@dataclass(slots=True)
class ReceiverStats:
    """Counts since the start, and what is wrong now (empty: nothing)."""

    delivered: int = 0
    failed_attempts: int = 0
    dead: int = 0  # refused for good, or pushed out of a full queue
    queued: int = 0
    last_error: str = ""


@dataclass(slots=True)
class _Line:
    """The queue before one receiver."""

    receiver: Receiver
    waiting: deque[Notification] = field(default_factory=deque)
    known: set[tuple[str, str]] = field(default_factory=set)
    filled: asyncio.Event = field(default_factory=asyncio.Event)
    stats: ReceiverStats = field(default_factory=ReceiverStats)
    alone: int = 0  # so many of the next are sent one by one


class Delivery:
    """One queue and one worker for each receiver; a slow one holds up nobody else.

    ``settled(receiver, fingerprint, episode)`` is called when a notification was taken, and when it
    is dead: refused for good. Everything here runs on one event loop.
    """

    def __init__(
        self,
        receivers: Sequence[Receiver],
        settled: Callable[[str, str, str], object],
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
        first_wait: float = FIRST_WAIT,
        longest_wait: float = LONGEST_WAIT,
        max_queue: int = MAX_QUEUE,
    ) -> None:
        names = [receiver.name for receiver in receivers]
        if len(set(names)) < len(names):
            raise ValueError(f"receivers must have names of their own: {', '.join(names)}")
        self._lines = {receiver.name: _Line(receiver) for receiver in receivers}
        self._settled = settled
        self._sleep = sleep
        self._jitter = jitter
        self._first_wait = first_wait
        self._longest_wait = longest_wait
        self._max_queue = max_queue

    @property
    def names(self) -> tuple[str, ...]:
        """The receivers."""
        return tuple(self._lines)

    @property
    def stats(self) -> dict[str, ReceiverStats]:
        """By receiver."""
        return {name: line.stats for name, line in self._lines.items()}

    def submit(self, receiver: str, notification: Notification) -> None:
        """Queue a notification. One that is already queued (same alert and episode) is not again.

        When the queue is full, its oldest makes room; it is not called settled, so whoever keeps
        the alerts will submit it again.
        """
        line = self._lines[receiver]
        key = (notification.fingerprint, notification.episode)
        if key in line.known:
            return
        if len(line.waiting) >= self._max_queue:
            oldest = line.waiting.popleft()
            line.known.discard((oldest.fingerprint, oldest.episode))
            line.stats.dead += 1
        line.waiting.append(notification)
        line.known.add(key)
        line.stats.queued = len(line.waiting)
        line.filled.set()

    async def run(self) -> None:
        """Deliver until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for line in self._lines.values():
                tasks.create_task(self._serve(line))

    async def _serve(self, line: _Line) -> None:
        failures = 0
        while True:
            if not line.waiting:
                line.filled.clear()
                await line.filled.wait()
            batch = _first_of(line.waiting, 1 if line.alone else MAX_BATCH)
            wait = None
            try:
                await line.receiver.send(batch)
            except DeliveryError as error:
                line.stats.failed_attempts += 1
                line.stats.last_error = str(error)
                if not error.permanent:
                    wait = self._wait(failures, error.retry_after)
                elif len(batch) > 1:
                    # One of them is not to its taste; the others need not die with it.
                    line.alone = len(batch)
                    continue
                else:
                    line.stats.dead += 1
            except Exception as error:  # noqa: BLE001 - a receiver's mistake must not end its line
                line.stats.failed_attempts += 1
                line.stats.last_error = f"{type(error).__name__}: {error}"
                wait = self._wait(failures, None)
            else:
                line.stats.delivered += len(batch)
                line.stats.last_error = ""
            if wait is None:
                failures = 0
                self._done(line, batch)
            else:
                failures += 1
                await self._sleep(wait)

    def _done(self, line: _Line, batch: list[Notification]) -> None:
        for notification in batch:
            key = (notification.fingerprint, notification.episode)
            if line.waiting and line.waiting[0] is notification:
                line.waiting.popleft()
            line.known.discard(key)
            self._settled(line.receiver.name, *key)
        line.alone = max(0, line.alone - len(batch))
        line.stats.queued = len(line.waiting)

    def _wait(self, failures: int, asked: float | None) -> float:
        """Twice as long each time, and up to half more at random, so that not all come at once."""
        wait = min(self._first_wait * 2.0 ** min(failures, 30), self._longest_wait)
        return max(wait, min(asked or 0.0, 10 * self._longest_wait)) * (1 + self._jitter() / 2)


def _first_of(waiting: deque[Notification], most: int) -> list[Notification]:
    """The first in line, and those right behind it that can be told in one breath."""
    batch: list[Notification] = []
    for notification in waiting:
        same = not batch or notification.labels.get("alertname") == batch[0].labels.get("alertname")
        # The same alert twice (firing, then resolved) must arrive in this order, so one at a time.
        again = any(each.fingerprint == notification.fingerprint for each in batch)
        if not same or again or len(batch) >= most:
            break
        batch.append(notification)
    return batch
