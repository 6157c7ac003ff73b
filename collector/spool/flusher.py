"""Inserts sealed segments, one after the other in the order of their numbers, and deletes them."""

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby
from typing import Final

import msgspec

from collector.limits import Limits
from collector.spool import disk, failpoint
from collector.spool.arrears import Arrears
from collector.spool.folder import Sealed, SpoolFolder
from collector.spool.quarantine import Quarantine, Quarantined
from collector.spool.recovery import read
from collector.spool.refusal import Bisection, Ledger, Refused, halved_rows
from collector.spool.segment import Frame, FrameKind
from collector.spool.sink import Sink
from collector.spool.tally import Tally, Watch
from lifecycle.errors import StoreError
from store.blocks import Block, block_of, events_of, halves
from store.events import RejectedEvent

_LOG: Final = logging.getLogger(__name__)
_ROWS: Final = msgspec.json.Decoder(list[RejectedEvent])
_FEW: Final = 4  # rows of a block that is not worth inserting as it is
_READS: Final = 4  # attempts at reading a file again before it is set aside
REFUSED_BY_STORE: Final = "refused_by_store"  # a reason in ``rejected_events``


class Flusher:
    """Works on a thread of its own until it is stopped. ``caught_up`` is called when none waits."""

    def __init__(
        self,
        folder: SpoolFolder,
        *,
        sink: Sink,
        collector: str,
        limits: Limits,
        arrears: Arrears,
        tally: Tally,
        watch: Watch,
        quarantine: Quarantine,
        clock: Callable[[], int],
        caught_up: Callable[[], None] = lambda: None,
    ) -> None:
        self._folder = folder
        self._sink = sink
        self._collector = collector
        self._limits = limits
        self._arrears = arrears
        self._tally = tally
        self._watch = watch
        self._quarantine = quarantine
        self._clock = clock
        self._caught_up = caught_up
        self._queue: deque[Sealed] = deque()
        self._wake = threading.Condition()
        self._begun = False
        self._busy = False
        self._draining = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="donewatch-flush", daemon=True)
        self.flushed = 0  # all segments of this number and below are in the store

    @property
    def behind(self) -> bool:
        """Whether a segment waits for another to be inserted."""
        return bool(self._queue)

    @property
    def waiting(self) -> int:
        """Sealed segments that are not in the store."""
        return len(self._queue) + self._busy

    @property
    def empty(self) -> bool:
        """Whether nothing is left."""
        with self._wake:
            return not self._queue and not self._busy

    def start(self) -> None:
        """Begin to insert."""
        self._begun = True
        self._thread.start()

    def add(self, sealed: Sealed) -> None:
        """Take a segment; its number is higher than all before."""
        with self._wake:
            self._queue.append(sealed)
            self._wake.notify()

    def stop(self, seconds: float) -> None:
        """Insert what is left for at most so long, not waiting for a store that is away."""
        if not self._begun:
            return
        with self._wake:
            self._draining = True
            self._wake.notify_all()
        self._thread.join(seconds)
        self._stop.set()
        with self._wake:
            self._wake.notify_all()

    def _run(self) -> None:
        while not self._stop.is_set():
            with self._wake:
                while not self._queue and not self._draining and not self._stop.is_set():
                    self._wake.wait()
                if not self._queue:
                    return
                sealed = self._queue.popleft()
                self._busy = True
                rest = bool(self._queue)
            if not rest:
                self._caught_up()
            done = self._flush(sealed)
            with self._wake:
                self._busy = False
                if not done:
                    self._queue.appendleft(sealed)
                    return

    def _flush(self, sealed: Sealed) -> bool:
        """Insert a segment however long it takes; false if told to stop before it was done."""
        loaded: tuple[bytes, Sequence[Frame]] | None = None
        attempt = 0
        while True:
            try:
                loaded = loaded or read(self._folder, sealed, self._tally)
                self._insert(sealed, *loaded)
            except (StoreError, OSError) as error:
                self._tally.add(failed_inserts=1)
                self._tally.trouble = str(error)[:1000]
                if loaded is None and attempt >= _READS:
                    self._put_away(sealed, error)
                    return True
                # a store that is away for an hour needs no thousand lines
                loud = attempt in (0, 5) or attempt % 100 == 0
                level = logging.WARNING if loud else logging.DEBUG
                _LOG.log(level, "segment %s waits: %s", sealed.number, error)
            except Exception as error:  # noqa: BLE001 - one segment must not hold back the others
                self._put_away(sealed, error)
                return True
            else:
                self._delete(sealed)
                return True
            if self._pause(attempt):
                return False
            attempt += 1

    def _pause(self, attempt: int) -> bool:
        """Wait before the next attempt; true if there shall be none."""
        longest = min(self._limits.retry_longest, self._limits.retry_first * 2 ** min(attempt, 16))
        with self._wake:
            if not self._draining:
                # spread out: several collectors come back to the same store
                self._wake.wait_for(lambda: self._draining, random.uniform(0.5, 1.0) * longest)  # noqa: S311
            return self._draining or self._stop.is_set()

    def _insert(self, sealed: Sealed, id_: bytes, frames: Sequence[Frame]) -> None:
        failpoint.reach("insert")
        began = time.monotonic()
        ledger = Ledger(self._folder.refused(sealed.number))
        blocks = [Block(each.rows, each.data) for each in frames if each.kind is FrameKind.EVENTS]
        Bisection(
            kind="event",
            ledger=ledger,
            rows=lambda block: block.rows,
            halve=halves,
            insert=partial(self._insert_blocks, sealed, id_.hex()),
            check=self._sink.check,
            refused=partial(self._refused_block, sealed),
        ).run(blocks)
        rows = _rejected_rows(frames)
        rows += self._told(blocks, ledger)
        Bisection(
            kind="rejection",
            ledger=ledger,
            rows=len,
            halve=halved_rows,
            insert=partial(self._insert_rejected, id_.hex()),
            check=self._sink.check,
            refused=partial(self._refused_rows, sealed),
        ).run([rows])
        if frames:
            self._watch.inserted(sum(each.rows for each in frames), time.monotonic() - began)
        failpoint.reach("inserted")

    def _insert_blocks(
        self, sealed: Sealed, id_: str, blocks: Sequence[Block], first: int, last: int
    ) -> None:
        token = f"{id_}-{first}-{last}"
        # here, not before: what is halved stays as it was written, whatever version halves it
        self._sink.insert_blocks(_joined(blocks), segment=sealed.number, first=first, token=token)

    def _insert_rejected(
        self, id_: str, pieces: Sequence[Sequence[RejectedEvent]], first: int, last: int
    ) -> None:
        rows = [row for piece in pieces for row in piece]
        self._sink.insert_rejected(rows, f"{id_}-rejected-{first}-{last}")

    def _refused_block(self, sealed: Sealed, block: Block, found: Refused) -> None:
        (event,) = events_of(block)
        self._keep(
            Quarantined.of(
                event,
                segment=sealed.number,
                position=found.first,
                now=self._clock(),
                reason=found.reason,
            )
        )

    def _refused_rows(self, sealed: Sealed, rows: Sequence[RejectedEvent], found: Refused) -> None:
        self._keep(
            Quarantined.of(
                rows[0],
                segment=sealed.number,
                position=found.first,
                now=self._clock(),
                reason=found.reason,
            )
        )

    def _keep(self, found: Quarantined) -> None:
        self._quarantine.add(found)
        self._tally.quarantined(found.kind)
        _LOG.error(
            "record %s of segment %s is in quarantine: %s",
            found.position,
            found.segment,
            found.reason,
        )

    def _told(self, blocks: Sequence[Block], ledger: Ledger) -> list[RejectedEvent]:
        """Rows for ``rejected_events`` of the events that the store refused."""
        if not ledger:
            return []
        events = [event for block in blocks for event in events_of(block)]
        return [
            RejectedEvent(
                tenant=events[each.first].tenant,
                received_at=events[each.first].received_at,
                collector=self._collector,
                door="store",
                position=each.first,
                field="",
                reason=REFUSED_BY_STORE,
                detail=each.reason[:1000],
                raw=msgspec.json.encode(events[each.first]).decode(),
            )
            for each in ledger.single("event")
        ]

    def _delete(self, sealed: Sealed) -> None:
        self._stored(sealed)
        self._tally.add(segments=1)
        try:
            disk.remove(sealed.path)
            disk.remove(self._folder.refused(sealed.number))
        except OSError as error:
            # the next start inserts it under the same token, which adds nothing
            _LOG.warning("%s is stored and could not be deleted: %s", sealed.path, error)
        failpoint.reach("deleted")

    def _put_away(self, sealed: Sealed, error: Exception) -> None:
        _LOG.error(
            "segment %s cannot be read or inserted; it is set aside in %s",
            sealed.number,
            self._folder.damaged,
            exc_info=error,
        )
        self._stored(sealed)
        self._tally.add(damaged=1, damaged_bytes=sealed.contents.size)
        try:
            sealed.path.replace(self._folder.damaged / sealed.path.name)
            disk.sync_directory(self._folder.path)
        except OSError as error:
            _LOG.error("%s could not be set aside: %s", sealed.path, error)

    def _stored(self, sealed: Sealed) -> None:
        self.flushed = sealed.number
        self._tally.trouble = ""
        self._tally.add(pending=-sealed.contents.rows, pending_bytes=-sealed.contents.size)
        self._arrears.let_go(sealed.number)


def _joined(blocks: Sequence[Block]) -> Sequence[Block]:
    """The same rows, with neighbouring blocks of very few joined into larger ones.

    The engine takes 0.6 ms for a block, whatever is in it; to read a row again costs 0.1 ms.
    """
    found: list[Block] = []
    for few, group in groupby(blocks, lambda block: block.rows <= _FEW):
        these = list(group)
        if few and len(these) > 1:
            found.append(block_of([event for block in these for event in events_of(block)]))
        else:
            found += these
    return found


def _rejected_rows(frames: Sequence[Frame]) -> list[RejectedEvent]:
    found: list[RejectedEvent] = []
    for frame in frames:
        if frame.kind is FrameKind.REJECTED:
            found += _ROWS.decode(frame.data)
    return found
