"""The collector of this process: its name, its way into the store, its marks."""

import asyncio
import contextlib
import logging
import uuid
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from starlette.applications import Starlette

from api.ports import CollectorView
from collector.app import create_app
from collector.batcher import Batcher
from collector.metrics import Metrics
from lifecycle.access import Access
from lifecycle.errors import StoreError
from lifecycle.events import Event
from service.background import background
from service.clock import now, now_us
from service.settings import Settings
from store import Database
from store.connection import from_microseconds, to_microseconds
from store.events import RejectedEvent, insert_events, insert_rejected
from store.watermark import Mark, last_mark, last_segment, publish_mark

_LOG: Final = logging.getLogger(__name__)
_SHORT_ABSENCE: Final = 10.0  # seconds


def collector_name(data_dir: Path) -> str:
    """The name of the collector of a data directory: made once, the same after a restart."""
    file = data_dir / "collector"
    name = file.read_text(encoding="utf-8").strip() if file.exists() else ""
    if not name:
        name = f"collector-{uuid.uuid4().hex[:12]}"
        # whole or not at all: a crash must leave neither half a name nor none
        data_dir.mkdir(parents=True, exist_ok=True)
        draft = data_dir / "collector.draft"
        draft.write_text(f"{name}\n", encoding="utf-8")
        draft.replace(file)
    return name


class StoreSink:
    """The collector's way into the store, on a connection of its own."""

    def __init__(self, database: Database, started: int) -> None:
        self._connection = database.connect()
        self._started = started

    def insert_events(self, events: Sequence[Event], token: str) -> None:
        """The token names this start as well: what a killed process left under way at a server
        must not make the store take a batch of ours, of the same number, for its copy."""
        insert_events(self._connection, events, f"{token}-{self._started}")

    def insert_rejected(self, rows: Sequence[RejectedEvent]) -> None:
        """Keep what was refused."""
        insert_rejected(self._connection, rows)


def _absent_since(last: Mark | None, present: datetime) -> int | None:
    """Since when nobody took events, in microseconds, where that was long enough to matter.

    Else the first look after a restart would take all that went on meanwhile for stuck.
    """
    if last is None or (present - last.flushed_at).total_seconds() <= _SHORT_ABSENCE:
        return None
    return to_microseconds(last.flushed_at)


class Collecting:
    """The batcher of this process and the marks it publishes."""

    def __init__(self, database: Database, name: str, mark_interval: float) -> None:
        self._connection = database.connect()
        self._interval = mark_interval
        last = last_mark(self._connection, name)
        self._marked_at = None if last is None else last.marked_at
        self.metrics = Metrics()
        self.batcher = Batcher(
            StoreSink(database, now_us()),
            collector=name,
            first_segment=last_segment(self._connection, name) + 1,
            clock=now_us,
            observe=self.metrics.inserted,
            absent_since=_absent_since(last, now()),
        )

    def publish(self, *, leaving: bool = False) -> None:
        """Say how far everything received is stored. The first time it registers this collector.

        ``leaving``: it has stopped; if nothing waits it holds no watermark back until it is back.
        """
        present = now()
        flushed = self.batcher.flushed_at(to_microseconds(present))
        marked_at = present
        if self._marked_at is not None:
            # the latest mark counts, also after the clock was stepped back
            marked_at = max(present, self._marked_at + timedelta(microseconds=1))
        counts = self.batcher.counts()
        mark = Mark(
            collector=self.batcher.collector,
            marked_at=marked_at,
            flushed_at=from_microseconds(flushed),
            segment=counts.segment,
            retired=leaving and counts.pending == 0,
        )
        publish_mark(self._connection, mark)
        self._marked_at = marked_at

    @classmethod
    def of(cls, settings: Settings, database: Database) -> "Collecting":
        """The collector of the data directory."""
        return cls(database, collector_name(settings.data_dir), settings.mark_interval)

    def app(self, access: Access) -> Starlette:
        """What listens for it; starts and stops the batcher."""
        return create_app(batcher=self.batcher, access=access, metrics=self.metrics, clock=now_us)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Publish marks; the first before anything is accepted, the last once all is stored."""
        await asyncio.to_thread(self.publish)
        try:
            async with background(self.run()):
                yield
        finally:
            try:
                await asyncio.to_thread(self.publish, leaving=True)
            except StoreError as error:
                _LOG.warning("the last mark is not published: %s", error)

    async def run(self) -> None:
        """Publish marks until cancelled; the watermark stands while the store is away."""
        away = False
        while True:
            await asyncio.sleep(self._interval)
            try:
                await asyncio.to_thread(self.publish)
                away = False
            except StoreError as error:
                if not away:
                    _LOG.warning("the watermark stands still: %s", error)
                away = True

    def collectors(self) -> Sequence[CollectorView]:
        """The counters, for the API."""
        counts = self.batcher.counts()
        return [
            CollectorView(
                collector=self.batcher.collector,
                accepted=counts.accepted,
                rejected=counts.rejected,
                pending=counts.pending,
                segments=counts.batches,
            )
        ]
