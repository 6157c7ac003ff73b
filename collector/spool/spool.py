"""The spool: accepted bodies are on disk before producers are told so, then go to the store."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from collector.limits import Limits
from collector.spool.arrears import Arrears
from collector.spool.errors import Overloaded, SpoolUnavailable
from collector.spool.flusher import Flusher
from collector.spool.folder import SpoolFolder
from collector.spool.numbers import SegmentNumbers
from collector.spool.quarantine import Quarantine
from collector.spool.recovery import recover
from collector.spool.segment import LONGEST_NAME, Frame, FrameKind
from collector.spool.sink import Sink
from collector.spool.space import Space
from collector.spool.tally import Counts, Tally, Unwatched, Watch
from collector.spool.writer import Entry, Writer
from lifecycle.errors import SettingsError
from lifecycle.events import Event
from store.blocks import Block, block_of
from store.events import RejectedEvent
from store.lock import DirectoryLock

_LOG: Final = logging.getLogger(__name__)


class Spool:
    """Everything between an accepted body and the store.

    ``start`` begins to accept, ``flush`` to insert; the store need not be there for the first.
    """

    def __init__(
        self,
        folder: Path,
        *,
        collector: str,
        sink: Sink,
        clock: Callable[[], int],
        limits: Limits | None = None,
        watch: Watch | None = None,
        new: bool = True,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the folder, and see what an earlier process left there. ``clock`` in microseconds.

        ``new``: no collector of this name has ever used a segment number. Otherwise, in a folder
        that does not know how far they went, numbers begin at the milliseconds since 1970.

        :raises StoreLocked: another process has the folder; names it.
        :raises SettingsError: the folder cannot be used, or the collector's name is too long.
        """
        if len(collector.encode()) > LONGEST_NAME:
            raise SettingsError(
                f"the collector's name {collector[:40]!r}… has more than {LONGEST_NAME} bytes;"
                " shorten it"
            )
        self.collector = collector
        self._clock = clock
        self._limits = limits = limits or Limits()
        self._folder = SpoolFolder(folder)
        self._lock = DirectoryLock(folder, "spool")
        self._lock.acquire()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped = False
        self._arrears = Arrears(limits.resend_seconds)
        self._tally = Tally()
        self.quarantine = Quarantine(self._folder.quarantine)
        try:
            self._folder.make()
            left = recover(self._folder, self._tally)
            begin = max((each.number + 1 for each in left), default=1)
            if not new and not SegmentNumbers.kept(folder):
                begin = max(begin, clock() // 1000)
            self._numbers = SegmentNumbers(folder, begin)
        except (OSError, ValueError) as error:
            self._lock.release()
            raise SettingsError(f"the spool in {folder} cannot be used: {error}") from error
        watch = watch or Unwatched()
        self._flusher = Flusher(
            self._folder,
            sink=sink,
            collector=collector,
            limits=limits,
            arrears=self._arrears,
            tally=self._tally,
            watch=watch,
            quarantine=self.quarantine,
            clock=clock,
            caught_up=lambda: self._writer.nudge(),
        )
        self._writer = Writer(
            self._folder,
            collector=collector,
            numbers=self._numbers,
            limits=limits,
            space=Space(folder, limits.free_bytes, monotonic),
            arrears=self._arrears,
            tally=self._tally,
            watch=watch,
            sealed=self._flusher.add,
            behind=lambda: self._flusher.behind,
            answer=self._answer,
            clock=clock,
            monotonic=monotonic,
        )
        for each in left:
            self._arrears.hold(each.number, each.contents.received_at)
            self._tally.add(pending=each.contents.rows, pending_bytes=each.contents.size)
            self._flusher.add(each)
        # what is below the first of them is in the store, or never was anywhere
        self._flusher.flushed = (left[0].number if left else self._numbers.upcoming) - 1

    def start(self) -> None:
        """Begin to accept, for those who ``submit`` in the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._writer.start()

    def flush(self) -> None:
        """Begin to insert: the store is there."""
        self._flusher.start()

    async def stop(self) -> None:
        """Accept no more; insert what is left for as long as is set; leave the rest on disk."""
        await asyncio.to_thread(self.close)

    def close(self) -> None:
        """As ``stop``, blocking."""
        if self._stopped:
            return
        self._stopped = True
        if not self._writer.stop(self._limits.drain_seconds):
            _LOG.warning("the disk does not answer; what was not acknowledged is not kept")
        self._flusher.stop(self._limits.drain_seconds)
        if not self.empty:
            _LOG.warning(
                "%s records wait in %s for the next start",
                self.counts().pending,
                self._folder.path,
            )
        self._lock.release()

    @property
    def empty(self) -> bool:
        """Whether everything accepted is in the store."""
        return self._tally["pending"] == 0

    @contextmanager
    def receiving(self) -> Iterator[int]:
        """The moment of receipt, in microseconds, for what comes with one body.

        ``flushed_at`` stays at or before it until the block is left; ``submit`` inside the block.
        """
        received_at = self._clock()
        with self._arrears.receiving(received_at):
            yield received_at

    def admit(self) -> None:
        """Whether more may come now, asked before a body is read.

        :raises Overloaded: no room. :raises SpoolUnavailable: the disk is full, or the end is near.
        """
        try:
            self._writer.admit()
        except (Overloaded, SpoolUnavailable):
            self.turn_away(self._clock())
            raise

    def turn_away(self, since: int) -> None:
        """A producer is told to send again what came at ``since``: it holds the watermark."""
        self._arrears.turn_away(since, self._clock())

    async def submit(
        self,
        blocks: Sequence[Block],
        rejected: Sequence[RejectedEvent],
        *,
        received_at: int,
        reasons: Mapping[str, int],
    ) -> None:
        """Return once all of it is on disk. ``reasons`` count every record refused, kept or not.

        If the caller is cancelled meanwhile, it is kept all the same.

        :raises Overloaded: no room; nothing of it was taken.
        :raises SpoolUnavailable: it is not kept, or not for certain: it shall be sent again.
        """
        frames = _frames(blocks, rejected, received_at)
        if not frames:
            return
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = Entry(
            frames=frames,
            received_at=received_at,
            accepted=sum(block.rows for block in blocks),
            reasons=reasons,
            unkept=sum(reasons.values()) - len(rejected),
            done=partial(_settle, waiting),
        )
        try:
            self._writer.put(entry)
        except (Overloaded, SpoolUnavailable):
            self.turn_away(received_at)
            raise
        await waiting

    def flushed_at(self, now: int) -> int:
        """Everything received before this moment is stored or was refused for good.

        ``now`` (microseconds) must have been read from the clock before the call.
        """
        return self._arrears.flushed_at(now)

    def absent(self, since: int, until: int) -> None:
        """Nobody took events from then to then (microseconds), so they are sent again after it."""
        self._arrears.turn_away(since, until)

    def numbers_from(self, number: int) -> None:
        """The store has seen all numbers below this one: use none of them again."""
        self._numbers.raise_to(number)
        if self.empty:
            self._flusher.flushed = max(self._flusher.flushed, number - 1)

    def counts(self) -> Counts:
        """The counters."""
        return self._tally.counts(
            oldest=self._arrears.oldest,
            quarantined_now=len(self.quarantine),
            segment=self._flusher.flushed,
            waiting=self._flusher.waiting,
            resent_since=self._arrears.resent_since,
        )

    def retry(self) -> int:
        """Put every record of the quarantine into the spool again; how many there were.

        They get a new segment number, and keep the moment at which they were received.
        """
        count = 0
        for path, found in self.quarantine.entries():
            try:
                record = found.restored()
            except TypeError as error:
                _LOG.warning("%s is of another version and stays: %s", path, error)
                continue
            done: Future[None] = Future()
            blocks = [block_of([record])] if isinstance(record, Event) else []
            rejected = [record] if isinstance(record, RejectedEvent) else []
            # now: what was received long ago and refused does not hold the watermark back again
            entry = Entry(
                frames=_frames(blocks, rejected, self._clock()),
                received_at=self._clock(),
                done=partial(_settle_future, done),
                own=True,
            )
            try:
                self._writer.put(entry)
                done.result(timeout=self._limits.store_seconds)
            except (Overloaded, SpoolUnavailable, TimeoutError) as error:
                _LOG.warning("the quarantine waits: %s", error)
                break
            try:
                self.quarantine.remove(path)
            except OSError as error:
                _LOG.warning("%s is in the spool and could not be removed: %s", path, error)
            count += 1
        if count:
            _LOG.info("%s records of the quarantine are tried again", count)
        return count

    def _answer(self, entries: Sequence[Entry], error: Exception | None) -> None:
        """One call into the event loop for the whole group."""
        bound = [entry for entry in entries if not entry.own]
        _tell([entry for entry in entries if entry.own], error)
        if not bound:
            return
        assert self._loop is not None, "who submits has an event loop"
        try:
            self._loop.call_soon_threadsafe(_tell, bound, error)
        except RuntimeError:
            _LOG.debug("nobody waits any more for the answer to %s bodies", len(bound))


def _frames(
    blocks: Sequence[Block], rejected: Sequence[RejectedEvent], received_at: int
) -> list[Frame]:
    frames = [
        Frame(FrameKind.EVENTS, block.rows, received_at, block.data)
        for block in blocks
        if block.rows
    ]
    if rejected:
        data = msgspec.json.encode(rejected)
        frames.append(Frame(FrameKind.REJECTED, len(rejected), received_at, data))
    return frames


def _tell(entries: Sequence[Entry], error: Exception | None) -> None:
    for entry in entries:
        entry.done(error)


def _settle(waiting: "asyncio.Future[None]", error: Exception | None) -> None:
    if waiting.done():
        return  # the request has gone away
    if error is None:
        waiting.set_result(None)
    else:
        waiting.set_exception(error)


def _settle_future(done: "Future[None]", error: Exception | None) -> None:
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
