"""A collector in this process, with a store that does as told."""

import itertools
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx

from collector.app import create_app
from collector.batcher import Batcher
from collector.limits import Limits
from collector.metrics import Metrics
from lifecycle.access import Access
from lifecycle.events import Event
from store.events import RejectedEvent
from tests.collector.senders import NOW, Body


@dataclass
class FakeSink:
    """Keeps what it is given. ``errors`` are raised first, one a call; ``gate`` holds back."""

    inserts: list[tuple[str, list[Event]]] = field(default_factory=list)
    tokens_tried: list[str] = field(default_factory=list)
    rejected: list[RejectedEvent] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    rejected_errors: list[Exception] = field(default_factory=list)
    refuse: Callable[[Sequence[Event]], Exception | None] = lambda events: None
    gate: threading.Event | None = None
    entered: threading.Event = field(default_factory=threading.Event)

    def insert_events(self, events: Sequence[Event], token: str) -> None:
        self.tokens_tried.append(token)
        self.entered.set()
        if self.gate is not None:
            assert self.gate.wait(20)
        if self.errors:
            raise self.errors.pop(0)
        if error := self.refuse(events):
            raise error
        self.inserts.append((token, list(events)))

    def insert_rejected(self, rows: Sequence[RejectedEvent]) -> None:
        if self.rejected_errors:
            raise self.rejected_errors.pop(0)
        self.rejected.extend(rows)

    @property
    def events(self) -> list[Event]:
        return [event for _, events in self.inserts for event in events]


@dataclass
class Service:
    """A collector that is running, and what came out of it."""

    client: httpx.AsyncClient
    sink: FakeSink
    batcher: Batcher

    async def send(self, body: Body, **headers: str) -> httpx.Response:
        return await self.client.post(
            body.path, content=body.content, headers={**body.all_headers, **headers}
        )


@asynccontextmanager
async def collecting(
    sink: FakeSink | None = None,
    limits: Limits | None = None,
    access: Access | None = None,
    clock: Callable[[], int] | None = None,
) -> AsyncIterator[Service]:
    ticks = itertools.count(NOW)
    clock = clock or ticks.__next__
    sink = sink or FakeSink()
    limits = limits or Limits(retry_delays=(0.0, 0.0))
    metrics = Metrics()
    batcher = Batcher(
        sink,
        collector="c1",
        first_segment=1,
        clock=clock,
        limits=limits,
        observe=metrics.inserted,
    )
    app = create_app(
        batcher=batcher, access=access or Access(), limits=limits, metrics=metrics, clock=clock
    )
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://collector") as client,
    ):
        yield Service(client, sink, batcher)
