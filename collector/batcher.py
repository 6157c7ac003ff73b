"""Group commit: what arrives while one insert runs goes into the next.

An insert costs the same 10 to 20 ms whether it has one row or ten thousand, so there is one at a
time, and each takes all that waits. A request is answered when the insert that holds its events has
committed.
"""

import asyncio
import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from collector.limits import Limits
from lifecycle.errors import DonewatchError, StoreRefused, StoreUnavailable
from lifecycle.events import Event
from store.events import RejectedEvent

_LOG = logging.getLogger(__name__)


class Sink(Protocol):
    """Where batches go; both methods block and are called from one worker thread.

    They raise ``StoreUnavailable`` where a second attempt may succeed, else ``StoreRefused``.
    """

    def insert_events(self, events: Sequence[Event], token: str) -> None:
        """Insert all or nothing; the same token again adds nothing."""
        ...

    def insert_rejected(self, rows: Sequence[RejectedEvent]) -> None:
        """Keep what was refused."""
        ...


class Overloaded(DonewatchError):
    """Too many events wait to be stored; the producer should come again later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Counters since the start; ``oldest`` is when the oldest event not yet stored came, in µs."""

    accepted: int
    rejected: Mapping[str, int]  # by reason
    rejected_lost: (
        int  # refused records that could not be kept; their producers were told all the same
    )
    pending: int
    batches: int
    segment: int  # the last one used
    failed_inserts: int
    oldest: int | None


@dataclass(slots=True, eq=False)
class _Waiting:
    events: Sequence[Event]
    done: "asyncio.Future[None]"


class Batcher:
    """Collects events of many requests into batches, each one segment and one insert.

    Tokens are made of ``collector`` and the segment's number, and the store ignores a token that it
    has seen: ``first_segment`` must be higher than any this collector ever used.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        collector: str,
        first_segment: int,
        clock: Callable[[], int],
        limits: Limits | None = None,
        observe: Callable[[int, float], None] = lambda rows, seconds: None,
        absent_since: int | None = None,
    ) -> None:
        """``clock`` in microseconds; ``observe`` is told the rows and seconds of each insert.

        ``absent_since`` (microseconds): nobody took events since then, so they will be sent again.
        """
        self.collector = collector
        self._sink = sink
        self._segment = first_segment - 1
        self._clock = clock
        self._limits = limits or Limits()
        self._observe = observe
        self._waiting: deque[_Waiting] = deque()
        self._refused: deque[RejectedEvent] = deque()
        self._pending = 0
        self._accepted = 0
        self._batches = 0
        self._failed = 0
        self._rejected: Counter[str] = Counter()
        self._rejected_lost = 0
        # flushed_at and counts are read from other threads
        self._lock = threading.Lock()
        self._unstored: dict[object, int] = {}
        # since when producers were told to send again, and when the last of them was
        self._turned_away: tuple[int, int] | None = None
        if absent_since is not None:
            self._turned_away = absent_since, clock()
        self._wake = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        self._thread: ThreadPoolExecutor | None = None

    def start(self) -> None:
        """Begin to store; inside the running loop."""
        self._stopping = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="donewatch-ingest")
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self, timeout: float = 10.0) -> None:  # noqa: ASYNC109 - what remains is told why
        """Store what waits, for at most ``timeout`` seconds; answer the rest as unavailable."""
        self._stopping = True
        self._wake.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=timeout)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        while self._waiting:
            self._finish(self._waiting.popleft(), StoreUnavailable("the collector is stopping"))
        if self._thread is not None:
            self._thread.shutdown(wait=False)

    @contextmanager
    def receiving(self) -> Iterator[int]:
        """The moment of receipt, in microseconds, for the events of one body being decoded.

        ``flushed_at`` stays at or before it until the block is left; ``submit`` inside the block.
        """
        mark = object()
        with self._lock:
            received_at = self._unstored[mark] = self._clock()
        try:
            yield received_at
        finally:
            with self._lock:
                del self._unstored[mark]

    def admit(self) -> None:
        """Whether more may come now, asked before a body is read.

        :raises Overloaded: no room. :raises StoreUnavailable: stopping.
        """
        if self._stopping:
            raise StoreUnavailable("the collector is stopping; send it again in a moment")
        if self._pending >= self._limits.pending_rows:
            raise Overloaded(
                f"{self._pending} events wait to be stored, which is all that is kept waiting;"
                " send it again later"
            )

    async def submit(self, events: Sequence[Event]) -> None:
        """Return once all these events are stored. They were all received at the same moment.

        If the caller is cancelled meanwhile, they are stored all the same.

        :raises Overloaded: too many events wait; none of these was taken.
        :raises StoreUnavailable: several attempts failed; they may be stored or not: send again.
        :raises StoreRefused: the store will not take them.
        """
        if not events:
            return
        self.admit()
        if self._pending and self._pending + len(events) > self._limits.pending_rows:
            raise Overloaded(
                f"{self._pending} events wait to be stored, too many to add {len(events)};"
                " send it again later"
            )
        waiting = _Waiting(events, asyncio.get_running_loop().create_future())
        with self._lock:
            self._unstored[waiting] = events[0].received_at
        self._pending += len(events)
        self._waiting.append(waiting)
        self._wake.set()
        await waiting.done

    def keep_rejected(self, rows: Sequence[RejectedEvent], reasons: Mapping[str, int]) -> None:
        """Count what was refused, by reason, and store ``rows`` with the next batch."""
        self._rejected.update(reasons)
        room = self._limits.pending_refusals - len(self._refused)
        self._refused.extend(rows[:room])
        self._rejected_lost += max(0, len(rows) - room)
        self._wake.set()

    def flushed_at(self, now: int) -> int:
        """Everything received before this moment is stored or was refused for good.

        While the store was away producers were told to send again: for as long as they may take
        for it after the last was told so, what they sent first counts as not stored, or all that
        went on meanwhile would look stuck. ``now`` must have been read from the clock before the
        call. From any thread.
        """
        with self._lock:
            oldest = min(self._unstored.values(), default=now)
            if self._turned_away is None:
                return oldest
            since, last = self._turned_away
            if abs(now - last) < self._limits.resend_seconds * 1e6:
                return min(since, oldest)
            self._turned_away = None  # also when the clock was stepped back
            return oldest

    def counts(self) -> Counts:
        """The counters; from any thread."""
        with self._lock:
            oldest = min(self._unstored.values(), default=None)
        return Counts(
            accepted=self._accepted,
            rejected=dict(self._rejected),
            rejected_lost=self._rejected_lost,
            pending=self._pending,
            batches=self._batches,
            segment=self._segment,
            failed_inserts=self._failed,
            oldest=oldest,
        )

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                batch = self._take()
                error: Exception | None = None
                try:
                    error = await self._store(batch)
                except Exception:  # noqa: BLE001 - the loop must live
                    _LOG.exception("a batch could not be stored")
                    error = StoreRefused("a fault in donewatch; its log has the details")
                except asyncio.CancelledError:
                    error = StoreUnavailable("the collector stopped while storing this")
                    raise
                finally:
                    for each in batch:
                        self._finish(each, error)
            if self._refused:
                await self._store_refused()
            if self._stopping and not self._waiting:
                return

    def _take(self) -> list[_Waiting]:
        batch = [self._waiting.popleft()]
        rows = len(batch[0].events)
        while self._waiting:
            rows += len(self._waiting[0].events)
            if rows > self._limits.batch_rows:
                break
            batch.append(self._waiting.popleft())
        return batch

    async def _store(self, batch: Sequence[_Waiting]) -> Exception | None:
        error = await self._insert(batch)
        if isinstance(error, StoreRefused) and len(batch) > 1:
            # One request's events must not cost the others theirs. None was stored, so new segments
            # cannot double any.
            for each in batch:
                self._finish(each, await self._insert([each]))
        return error

    async def _insert(self, batch: Sequence[_Waiting]) -> Exception | None:
        self._segment += 1
        segment = self._segment
        rows = [event for each in batch for event in each.events]
        for position, event in enumerate(rows):
            # Nobody else has seen these events yet; a changed copy of each would cost as much as
            # checking it did
            object.__setattr__(event, "segment", segment)
            object.__setattr__(event, "position", position)
        token = f"{self.collector}-{segment}"
        error: Exception | None = None
        for delay in (*self._limits.retry_delays, None):
            began = self._clock()
            error = await self._call(lambda: self._sink.insert_events(rows, token))
            if error is None:
                self._batches += 1
                self._observe(len(rows), (self._clock() - began) / 1e6)
                return None
            self._failed += 1
            _LOG.warning("segment %s of %s rows was not stored: %s", token, len(rows), error)
            if delay is None or not isinstance(error, StoreUnavailable):
                break
            await asyncio.sleep(delay)
        return error

    async def _store_refused(self) -> None:
        rows = list(self._refused)
        self._refused.clear()
        error = await self._call(lambda: self._sink.insert_rejected(rows))
        if error is None:
            return
        _LOG.warning("%s refused records were not stored: %s", len(rows), error)
        if isinstance(error, StoreUnavailable) and not self._stopping:
            room = self._limits.pending_refusals - len(self._refused)
            self._refused.extendleft(reversed(rows[:room]))
            self._rejected_lost += max(0, len(rows) - room)
            # no event waits for these, so nothing else may come to wake us
            asyncio.get_running_loop().call_later(1.0, self._wake.set)
        else:
            self._rejected_lost += len(rows)

    async def _call(self, insert: Callable[[], None]) -> Exception | None:
        assert self._thread is not None
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, insert)
        except StoreUnavailable as error:
            return error
        except Exception as error:  # noqa: BLE001 - whatever it is, the loop must live and answer
            if isinstance(error, StoreRefused):
                return error
            _LOG.exception("the store failed in a way it does not declare")
            return StoreRefused(f"the store failed: {type(error).__name__}")
        return None

    def _finish(self, waiting: _Waiting, error: Exception | None) -> None:
        with self._lock:
            received_at = self._unstored.pop(waiting, None)
            if received_at is None:
                return  # was already finished on its own
            if isinstance(error, StoreUnavailable):
                since = self._turned_away[0] if self._turned_away else received_at
                self._turned_away = min(since, received_at), self._clock()
        self._pending -= len(waiting.events)
        if error is None:
            self._accepted += len(waiting.events)
        if not waiting.done.done():  # the request may have gone away
            if error is None:
                waiting.done.set_result(None)
            else:
                waiting.done.set_exception(error)
