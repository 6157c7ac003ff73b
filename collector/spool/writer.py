"""Group commit: what arrives while one sync runs is written and synced together with the next.

A sync costs the same whether it covers one body or hundreds. Producers are answered when the sync
that covers their frames has returned.
"""

import logging
import os
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from collector.limits import Limits
from collector.spool import disk, failpoint
from collector.spool.arrears import Arrears
from collector.spool.errors import Overloaded, SpoolUnavailable
from collector.spool.folder import Sealed, SpoolFolder
from collector.spool.numbers import SegmentNumbers
from collector.spool.segment import (
    FRAME_BYTES,
    Contents,
    Frame,
    encode_frame,
    encode_header,
)
from collector.spool.space import Space
from collector.spool.tally import Tally, Watch
from store.blocks import BLOCK_FORMAT

_LOG: Final = logging.getLogger(__name__)

Done = Callable[[Exception | None], None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Entry:
    """What one body left: its frames are written together. ``done`` is called once they are synced,
    or with what went wrong; then nothing of them is kept. ``own``: it is
    no producer's, and ``done`` may be called on any thread.
    """

    frames: Sequence[Frame]
    received_at: int  # microseconds
    done: Done
    accepted: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)  # of what the check refused
    unkept: int = 0
    own: bool = False

    @property
    def rows(self) -> int:
        """Rows of all frames."""
        return sum(each.rows for each in self.frames)

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return sum(len(each.data) + FRAME_BYTES for each in self.frames)


@dataclass(slots=True)
class _Open:
    """The segment being written; ``size`` is synced."""

    number: int
    id: bytes
    path: Path
    fd: int
    born: float  # monotonic seconds
    size: int = 0
    rows: int = 0
    received_at: int = 2**63 - 1
    frames: list[Frame] = field(default_factory=list)


class Writer:
    """Writes entries to segments on a thread of its own, and seals the segments.

    ``sealed`` is given each sealed segment, ``behind`` says whether others wait already; then a
    segment is sealed by size alone, so that catching up takes few, large inserts. ``answer`` is
    given each group of entries that has been dealt with.
    """

    def __init__(
        self,
        folder: SpoolFolder,
        *,
        collector: str,
        numbers: SegmentNumbers,
        limits: Limits,
        space: Space,
        arrears: Arrears,
        tally: Tally,
        watch: Watch,
        sealed: Callable[[Sealed], None],
        behind: Callable[[], bool],
        answer: Callable[[Sequence[Entry], Exception | None], None],
        clock: Callable[[], int],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._collector = collector
        self._numbers = numbers
        self._limits = limits
        self._space = space
        self._arrears = arrears
        self._tally = tally
        self._watch = watch
        self._sealed = sealed
        self._behind = behind
        self._answer = answer
        self._clock = clock
        self._monotonic = monotonic
        self._queue: deque[Entry] = deque()
        self._waiting_bytes = 0
        self._wake = threading.Condition()
        self._stopping = False
        self._open: _Open | None = None
        self._full = False  # what comes next has no room in the open segment
        self._thread = threading.Thread(target=self._run, name="donewatch-spool", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self, timeout: float) -> bool:
        """Write what waits, seal, end; false if that took longer than ``timeout`` seconds."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread.ident is None:
            return True
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def nudge(self) -> None:
        """Look again whether the open segment is due: the store has caught up."""
        with self._wake:
            self._wake.notify()

    def admit(self, size: int = 0) -> None:
        """Whether more may come: ``size`` bytes, or if unknown yet, anything at all.

        :raises Overloaded: no room. :raises SpoolUnavailable: the disk is full, or the end is near.
        """
        if self._stopping:
            raise SpoolUnavailable("the collector is stopping")
        waiting = self._waiting_bytes
        if waiting and waiting + size > self._limits.waiting_bytes:
            raise Overloaded(
                f"{waiting} bytes wait to be written to disk, which is all that is kept waiting"
            )
        spooled = self._tally["pending_bytes"] + waiting
        if spooled + size > self._limits.spool_bytes:
            raise Overloaded(
                f"{spooled} bytes wait on disk for the store, and at most"
                f" {self._limits.spool_bytes} may (DONEWATCH_COLLECTOR__SPOOL_BYTES)"
            )
        self._space.check()

    def put(self, entry: Entry) -> None:
        """Take an entry; ``done`` is called later. From any thread.

        :raises Overloaded: no room. :raises SpoolUnavailable: the disk is full, or the end is near.
        """
        size = entry.size
        with self._wake:
            self.admit(size)
            self._arrears.hold(entry, entry.received_at)
            self._tally.add(pending=entry.rows)
            self._waiting_bytes += size
            self._queue.append(entry)
            self._wake.notify()

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._queue and not self._stopping:
                    patience = self._patience()
                    if patience is not None and patience <= 0:
                        break
                    self._wake.wait(patience)
                entries = self._group()
                ending = self._stopping and not self._queue and not entries
            if entries:
                self._commit(entries)
            if self._open is not None and (ending or self._due(self._open)):
                self._seal(self._open)
            if ending:
                return

    def _patience(self) -> float | None:
        """Seconds until the open segment has to be sealed, ``None`` for no such time."""
        if self._open is None or not self._open.rows or self._behind():
            return None
        return self._open.born + self._limits.seal_seconds - self._monotonic()

    def _due(self, segment: _Open) -> bool:
        if (
            self._full
            or segment.rows >= self._limits.segment_rows
            or segment.size >= self._limits.segment_bytes
        ):
            return True
        patience = self._patience()
        return patience is not None and patience <= 0

    def _group(self) -> list[Entry]:
        """What waits, as far as the open segment has room for it; an empty one takes any entry."""
        segment = self._open
        rows = self._limits.segment_rows - (segment.rows if segment else 0)
        size = self._limits.segment_bytes - (segment.size if segment else 0)
        found: list[Entry] = []
        while self._queue:
            entry = self._queue[0]
            rows -= entry.rows
            size -= entry.size
            if (rows < 0 or size < 0) and (found or (segment and segment.rows)):
                self._full = segment is not None and not found
                break
            found.append(self._queue.popleft())
        return found

    def _commit(self, entries: Sequence[Entry]) -> None:
        try:
            segment, size = self._write(entries)
        except Exception as error:  # noqa: BLE001 - whatever it is, they are answered
            self._fail(entries, error)
            return
        segment.size += size
        for entry in entries:
            segment.rows += entry.rows
            segment.received_at = min(segment.received_at, entry.received_at)
            segment.frames += entry.frames
            self._tally.rejected(entry.reasons)
        # under the segment's key before the entries' own are let go
        self._arrears.hold(segment.number, segment.received_at)
        self._tally.add(
            pending_bytes=size,
            accepted=sum(entry.accepted for entry in entries),
            rejected_unkept=sum(entry.unkept for entry in entries),
        )
        self._finish(entries, None)
        failpoint.reach("answered")

    def _write(self, entries: Sequence[Entry]) -> tuple[_Open, int]:
        """Write and sync; the segment and by how much it has grown."""
        self._space.check()
        fresh = self._open is None
        segment = self._open or self._create()
        parts: list[bytes] = []
        if fresh:
            parts.append(encode_header(segment.id, segment.number, self._collector, BLOCK_FORMAT))
        for entry in entries:
            for frame in entry.frames:
                parts += encode_frame(segment.id, frame)
        data = b"".join(parts)
        failpoint.reach("append")
        disk.write_at(segment.fd, data, segment.size)
        failpoint.reach("appended")
        began = self._monotonic()
        try:
            failpoint.reach("fsync")
            disk.sync(segment.fd)
            if fresh:
                disk.sync_directory(self._folder.path)
        except OSError:
            self._abandon(segment)
            raise
        self._watch.synced(self._monotonic() - began)
        failpoint.reach("synced")
        return segment, len(data)

    def _create(self) -> _Open:
        number = self._numbers.take()
        path = self._folder.open(number)
        segment = _Open(number, secrets.token_bytes(16), path, disk.create(path), self._monotonic())
        self._open = segment
        return segment

    def _fail(self, entries: Sequence[Entry], error: Exception) -> None:
        """Nothing of these entries is kept, nor half of one."""
        self._tally.add(failed_writes=1)
        known = isinstance(error, OSError | SpoolUnavailable)
        _LOG.error(
            "%s bodies were not written to the spool: %s",
            len(entries),
            error,
            exc_info=None if known else error,
        )
        segment = self._open
        if segment is not None:
            try:
                os.ftruncate(segment.fd, segment.size)
            except OSError:
                self._abandon(segment)
            else:
                if not segment.rows:
                    self._discard(segment)
        told = error if isinstance(error, SpoolUnavailable) else _told(self._folder.path, error)
        self._finish(entries, told)

    def _abandon(self, segment: _Open) -> None:
        """Write no more to a file that the disk has failed; what was synced before is in it."""
        try:
            os.ftruncate(segment.fd, segment.size)
        except OSError as error:
            # what follows was not acknowledged; whoever reads it reads events sent twice
            _LOG.warning("%s keeps an end that was not synced: %s", segment.path, error)
        if segment.rows:
            self._seal(segment)
        else:
            self._discard(segment)

    def _discard(self, segment: _Open) -> None:
        self._open = None
        try:
            os.close(segment.fd)
            disk.remove(segment.path)
        except OSError as error:
            _LOG.warning("%s could not be removed: %s", segment.path, error)

    def _seal(self, segment: _Open) -> None:
        failpoint.reach("seal")
        self._open = None
        self._full = False
        path = self._folder.sealed(segment.number)
        try:
            os.close(segment.fd)
        except OSError as error:
            _LOG.warning("%s: %s", segment.path, error)
        try:
            segment.path.replace(path)
            disk.sync_directory(self._folder.path)
        except OSError as error:
            # the next start will find it as it is called now
            _LOG.warning("%s could not be renamed: %s", segment.path, error)
            path = path if path.exists() else segment.path
        failpoint.reach("sealed")
        contents = Contents(segment.rows, segment.received_at, segment.size)
        # not held in memory while others wait before it: it can be read again
        frames = None if self._behind() else segment.frames
        self._sealed(Sealed(segment.number, path, contents, segment.id, frames))

    def _finish(self, entries: Sequence[Entry], error: Exception | None) -> None:
        size = sum(entry.size for entry in entries)
        with self._wake:
            self._waiting_bytes -= size
        for entry in entries:
            if error is not None:
                self._tally.add(pending=-entry.rows)
                if not entry.own:
                    self._arrears.turn_away(entry.received_at, self._clock())
            self._arrears.let_go(entry)
        self._answer(entries, error)


def _told(folder: Path, error: Exception) -> SpoolUnavailable:
    reason = error.strerror if isinstance(error, OSError) else "a fault in donewatch; see its log"
    return SpoolUnavailable(f"the spool in {folder} cannot be written: {reason}")
