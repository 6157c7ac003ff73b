"""A thread that decodes windows: what comes while one is decoded makes the next."""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from collector.limits import Limits
from collector.window import Arrival, Part, WindowDecoder
from lifecycle.errors import StoreUnavailable

_LOG: Final = logging.getLogger(__name__)
_PAUSE: Final = 30.0  # seconds to do without an engine that does not start


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    arrival: Arrival
    loop: asyncio.AbstractEventLoop
    answer: "asyncio.Future[Part | None]"


class Gatherer:
    """Gives each body its part of a window, or none where it is better decoded by itself."""

    def __init__(self, decoder: WindowDecoder, limits: Limits) -> None:
        self._decoder = decoder
        self._limits = limits
        self._queue: deque[_Waiting] = deque()
        self._wake = threading.Condition()
        self._busy = False
        self._closed = False
        self._paused_until = 0.0
        self._thread = threading.Thread(target=self._run, name="donewatch-window", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End; whoever waits gets no part."""
        with self._wake:
            self._closed = True
            self._wake.notify()

    async def part(self, arrival: Arrival) -> Part | None:
        """The body's part of a window; ``None`` if it has to be decoded by itself.

        That is a body that is not ordinary, a small one while nothing else waits, or any if there
        is no engine just now.
        """
        if not self._busy and len(arrival.body) < self._limits.alone_bytes:
            return None
        loop = asyncio.get_running_loop()
        waiting = _Waiting(arrival, loop, loop.create_future())
        with self._wake:
            if self._closed or time.monotonic() < self._paused_until:
                return None
            self._queue.append(waiting)
            self._wake.notify()
        try:
            async with asyncio.timeout(self._limits.engine_seconds):
                return await waiting.answer
        except TimeoutError:
            _LOG.warning("the embedded engine takes too long to decode")
            self._decoder.abort()
            return None

    def _run(self) -> None:
        while True:
            with self._wake:
                self._busy = bool(self._queue)
                while not self._queue and not self._closed:
                    self._wake.wait()
                self._busy = True
                if self._closed:
                    _answer(self._queue, [None] * len(self._queue))
                    return
            chosen, counts, others = self._chosen()
            _answer(others, [None] * len(others))
            parts: Sequence[Part | None] = [None] * len(chosen)
            try:
                if chosen:
                    parts = self._decoder([each.arrival for each in chosen], counts)
            except StoreUnavailable as error:
                _LOG.warning("bodies are decoded one by one for %g s: %s", _PAUSE, error)
                self._paused_until = time.monotonic() + _PAUSE
            except Exception:  # noqa: BLE001 - whatever it is, they are decoded one by one
                _LOG.exception("a window could not be decoded")
            _answer(chosen, parts)

    def _chosen(self) -> tuple[list[_Waiting], list[int], list[_Waiting]]:
        """The next window with its counts of records, and those that are not for a window."""
        chosen: list[_Waiting] = []
        counts: list[int] = []
        others: list[_Waiting] = []
        size = records = 0
        while self._queue:
            waiting = self._queue[0]
            size += len(waiting.arrival.body)
            if chosen and size > self._limits.window_bytes:
                break
            self._queue.popleft()
            count = self._decoder.count(waiting.arrival)
            if count is None:
                others.append(waiting)
                continue
            chosen.append(waiting)
            counts.append(count)
            records += count
        if records < self._limits.window_records:
            return [], [], [*others, *chosen]
        return chosen, counts, others


def _answer(waiting: Sequence[_Waiting], parts: Sequence[Part | None]) -> None:
    pairs = list(zip(waiting, parts, strict=True))
    for loop in {each.loop for each in waiting}:
        mine = [(each.answer, part) for each, part in pairs if each.loop is loop]
        try:
            loop.call_soon_threadsafe(_settle, mine)
        except RuntimeError:
            continue  # it has ended, and with it whoever waited


def _settle(answers: Sequence[tuple["asyncio.Future[Part | None]", Part | None]]) -> None:
    for answer, part in answers:
        if not answer.done():
            answer.set_result(part)
