"""The collector of this process: its name, its spool, its way into the store, its marks."""

import asyncio
import contextlib
import logging
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Final

from starlette.applications import Starlette

from api.ports import CollectorView
from collector.app import create_app
from collector.limits import Limits
from collector.metrics import Metrics
from collector.spool import Spool
from lifecycle.access import Access
from lifecycle.errors import StoreError, StoreUnavailable
from service.background import background
from service.clock import now, now_us
from service.mappings import MappingFolder
from service.settings import Settings
from store import Database
from store.blocks import Block, stamped
from store.connection import from_microseconds, to_microseconds
from store.events import RejectedEvent, insert_block, insert_rejected
from store.reports import Report
from store.watermark import Mark, last_mark, last_segment, publish_mark

_LOG: Final = logging.getLogger(__name__)
_SHORT_ABSENCE: Final = 10_000_000  # microseconds


def collector_name(data_dir: Path) -> tuple[str, bool]:
    """The name of the collector of a data directory, the same after a restart; and if it is new."""
    file = data_dir / "collector"
    name = file.read_text(encoding="utf-8").strip() if file.exists() else ""
    if name:
        return name, False
    name = f"collector-{uuid.uuid4().hex[:12]}"
    # whole or not at all: a crash must leave neither half a name nor none
    data_dir.mkdir(parents=True, exist_ok=True)
    draft = data_dir / "collector.draft"
    draft.write_text(f"{name}\n", encoding="utf-8")
    draft.replace(file)
    return name, True


class StoreSink:
    """The collector's way into the store, on a connection of its own."""

    def __init__(self, database: Database, collector: str) -> None:
        self._connection = database.connect()
        self._collector = collector

    def insert_blocks(
        self, blocks: Sequence[Block], *, segment: int, first: int, token: str
    ) -> None:
        """Insert all or nothing, as rows of that segment."""
        insert_block(self._connection, stamped(blocks, self._collector, segment, first), token)

    def insert_rejected(self, rows: Sequence[RejectedEvent], token: str) -> None:
        """Keep what was refused."""
        insert_rejected(self._connection, rows, token)

    def check(self) -> None:
        """Insert nothing: raises if the table or the right to write to it is not there."""
        insert_block(self._connection, b"", "")


class Collecting:
    """The spool of this process and the marks it publishes.

    It accepts before the store is there; its first mark registers it, and only then does anything
    that it has accepted go to the store.
    """

    def __init__(
        self,
        database: Database,
        data_dir: Path,
        *,
        mark_interval: float = 1.0,
        limits: Limits | None = None,
        mappings: MappingFolder | None = None,
        reload_interval: float = 2.0,
    ) -> None:
        """:raises StoreLocked: another process has the spool."""
        self._mappings = mappings or MappingFolder(None)
        self._mappings.reload()
        self._reload_interval = reload_interval
        self._connection = database.connect()
        self._engine = database.engine()
        self._interval = mark_interval
        self._limits = limits or Limits()
        self._started = now_us()
        self._last: Mark | None = None
        name, new = collector_name(data_dir)
        self.metrics = Metrics()
        self.spool = Spool(
            data_dir / "spool",
            collector=name,
            sink=StoreSink(database, name),
            clock=now_us,
            limits=self._limits,
            watch=self.metrics,
            new=new,
        )
        self._registered = False

    @classmethod
    def of(cls, settings: Settings, database: Database) -> "Collecting":
        """The collector of the data directory."""
        chosen = settings.collector
        limits = Limits(
            spool_bytes=chosen.spool_bytes,
            free_bytes=chosen.free_bytes,
            segment_rows=chosen.segment_rows,
            seal_seconds=chosen.seal_seconds,
            drain_seconds=chosen.drain_seconds,
        )
        return cls(
            database,
            settings.data_dir,
            mark_interval=settings.mark_interval,
            limits=limits,
            mappings=MappingFolder(settings.mappings_dir, chosen.mappings),
            reload_interval=settings.reload_interval,
        )

    def register(self) -> None:
        """Publish the first mark, and begin to insert.

        :raises StoreError: the store is away; call it again.
        """
        if self._last is None:
            self._last = last_mark(self._connection, self.spool.collector)
            self.spool.numbers_from(last_segment(self._connection, self.spool.collector) + 1)
            if self._last is not None:
                seen = to_microseconds(self._last.flushed_at)
                # Else the first look after a restart would take all that went on meanwhile for
                # stuck. What this process has taken since it started was not missed.
                if self._started - seen > _SHORT_ABSENCE:
                    self.spool.absent(seen, self._started)
        self.publish()
        self.spool.flush()
        self._registered = True

    def publish(self, *, leaving: bool = False) -> None:
        """Say how far everything received is stored. The first time it registers this collector.

        ``leaving``: it has stopped; if nothing waits it holds no watermark back until it is back.
        """
        present = now()
        # in this order: the segments then counted hold everything received before that moment
        flushed = self.spool.flushed_at(to_microseconds(present))
        segment = self.spool.counts().segment
        marked_at = present
        if self._last is not None:
            # the latest mark counts, also after the clock was stepped back
            marked_at = max(present, self._last.marked_at + timedelta(microseconds=1))
        mark = Mark(
            collector=self.spool.collector,
            marked_at=marked_at,
            flushed_at=from_microseconds(flushed),
            segment=segment,
            retired=leaving and self.spool.empty,
        )
        publish_mark(self._connection, mark, self._report())
        self._last = mark

    def app(self, access: Access) -> Starlette:
        """What listens for it; starts and stops the spool."""
        return create_app(
            spool=self.spool,
            access=access,
            limits=self._limits,
            metrics=self.metrics,
            engine=self._engine,
            clock=now_us,
            mapper=lambda: self._mappings.mapper,
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Insert, and publish marks, the last one once all is stored."""
        with contextlib.suppress(StoreUnavailable):
            await asyncio.to_thread(self.register)
        try:
            async with background(self.run(), self._reload()):
                yield
        finally:
            try:
                await asyncio.to_thread(self.publish, leaving=True)
            except StoreError as error:
                _LOG.warning("the last mark is not published: %s", error)

    async def run(self) -> None:
        """Publish marks until cancelled; the watermark stands while the store is away."""
        away = tried = False
        while True:
            try:
                await asyncio.to_thread(self.publish if self._registered else self.register)
                away = False
            except StoreError as error:
                if not away:
                    _LOG.warning("the watermark stands still: %s", error)
                away = True
            if not tried or self.spool.quarantine.asked():
                tried = True
                await asyncio.to_thread(self.spool.retry)
            await asyncio.sleep(self._interval)

    async def _reload(self) -> None:
        while True:
            await asyncio.sleep(self._reload_interval)
            try:
                await asyncio.to_thread(self._mappings.reload)
            except OSError as error:
                _LOG.warning("mappings cannot be looked at, those in force stay: %s", error)

    def _report(self) -> Report:
        counts = self.spool.counts()
        return Report(
            started_at=from_microseconds(self._started),
            accepted=counts.accepted,
            rejected=counts.rejected,
            quarantined=counts.quarantined,
            quarantine_files=counts.quarantined_now,
            pending=max(0, counts.pending),
            pending_bytes=max(0, counts.pending_bytes),
            limit_bytes=self._limits.spool_bytes,
            waiting_segments=counts.waiting,
            oldest_at=None if counts.oldest is None else from_microseconds(counts.oldest),
            resent_since=(
                None if counts.resent_since is None else from_microseconds(counts.resent_since)
            ),
            segments=counts.segments,
            failed_inserts=counts.failed_inserts,
            failed_writes=counts.failed_writes,
            damaged=counts.damaged,
            torn_bytes=counts.torn_bytes,
            trouble=counts.trouble,
        )

    def collectors(self) -> Sequence[CollectorView]:
        """How it fares at this moment, for the API."""
        present = now()
        flushed = self.spool.flushed_at(to_microseconds(present))
        return [
            CollectorView(
                collector=self.spool.collector,
                marked_at=present,
                flushed_at=from_microseconds(flushed),
                **asdict(self._report()),
            )
        ]
