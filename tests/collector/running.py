"""A collector in this process, with a spool on disk and a store that does as told."""

import asyncio
import itertools
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx

from collector.app import create_app
from collector.limits import Limits
from collector.mapping import Mapper
from collector.metrics import Metrics
from collector.spool import Spool
from collector.window import Engine
from lifecycle.access import Access
from lifecycle.events import Event
from store.blocks import Block, events_of
from store.events import RejectedEvent
from tests.collector.senders import NOW, Body


@dataclass
class FakeSink:
    """Keeps what it is given, as the store does: the same token again adds nothing.

    ``errors`` are raised first, one a call; ``gate`` holds back; ``away`` refuses whatever comes.
    """

    inserts: list[tuple[str, list[Event]]] = field(default_factory=list)
    tokens_tried: list[str] = field(default_factory=list)
    positions: list[tuple[int, int]] = field(default_factory=list)  # segment, first row
    rejected: list[RejectedEvent] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    rejected_errors: list[Exception] = field(default_factory=list)
    refuse: Callable[[Sequence[Event]], Exception | None] = lambda events: None
    refuse_rejected: Callable[[Sequence[RejectedEvent]], Exception | None] = lambda rows: None
    away: Exception | None = None
    gate: threading.Event | None = None
    entered: threading.Event = field(default_factory=threading.Event)
    _tokens: set[str] = field(default_factory=set)

    def insert_blocks(
        self, blocks: Sequence[Block], *, segment: int, first: int, token: str
    ) -> None:
        self.tokens_tried.append(token)
        self.entered.set()
        if self.gate is not None:
            assert self.gate.wait(20)
        if self.away is not None:
            raise self.away
        if self.errors:
            raise self.errors.pop(0)
        events = [event for block in blocks for event in events_of(block)]
        if error := self.refuse(events):
            raise error
        if token not in self._tokens:
            self._tokens.add(token)
            self.inserts.append((token, events))
            self.positions.append((segment, first))

    def insert_rejected(self, rows: Sequence[RejectedEvent], token: str) -> None:
        if self.away is not None:
            raise self.away
        if self.rejected_errors:
            raise self.rejected_errors.pop(0)
        if error := self.refuse_rejected(rows):
            raise error
        if token not in self._tokens:
            self._tokens.add(token)
            self.rejected.extend(rows)

    def check(self) -> None:
        if self.away is not None:
            raise self.away

    @property
    def events(self) -> list[Event]:
        return [event for _, events in self.inserts for event in events]


@dataclass
class Service:
    """A collector that is running, and what came out of it."""

    client: httpx.AsyncClient
    sink: FakeSink
    spool: Spool

    async def post(self, body: Body, **headers: str) -> httpx.Response:
        return await self.client.post(
            body.path, content=body.content, headers={**body.all_headers, **headers}
        )

    async def send(self, body: Body, **headers: str) -> httpx.Response:
        """Post, and wait until all that was accepted is in the store."""
        answer = await self.post(body, **headers)
        await self.stored()
        return answer

    async def stored(self) -> None:
        async with asyncio.timeout(20):
            while not self.spool.empty:
                await asyncio.sleep(0.001)


@asynccontextmanager
async def collecting(
    sink: FakeSink | None = None,
    limits: Limits | None = None,
    access: Access | None = None,
    clock: Callable[[], int] | None = None,
    free_bytes: int = 0,
    engine: Engine | None = None,
    mapper: Callable[[], Mapper] = Mapper,
) -> AsyncIterator[Service]:
    ticks = itertools.count(NOW)
    clock = clock or ticks.__next__
    sink = sink or FakeSink()
    limits = limits or Limits()
    limits = replace(limits, seal_seconds=0.0, retry_first=0.001, free_bytes=free_bytes)
    metrics = Metrics()
    with tempfile.TemporaryDirectory() as folder:
        spool = Spool(
            Path(folder), collector="c1", sink=sink, clock=clock, limits=limits, watch=metrics
        )
        app = create_app(
            spool=spool,
            access=access or Access(),
            limits=limits,
            metrics=metrics,
            engine=engine,
            clock=clock,
            mapper=mapper,
        )
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://collector") as client,
        ):
            spool.flush()
            yield Service(client, sink, spool)
