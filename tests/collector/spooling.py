"""A spool in a folder of its own, with a store that does as told."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from collector.limits import Limits
from collector.spool import Spool, failpoint
from lifecycle.events import Event
from store.blocks import block_of
from store.events import RejectedEvent
from tests.collector.running import FakeSink


def events(count: int, received_at: int = 10, name: str = "e") -> list[Event]:
    return [
        Event(
            tenant="t",
            event="heartbeat",
            event_id=f"{name}-{each}",
            occurred_at=received_at,
            received_at=received_at,
        )
        for each in range(count)
    ]


def rejected(count: int, name: str = "f") -> list[RejectedEvent]:
    return [
        RejectedEvent(
            tenant="t",
            received_at=1,
            collector="c",
            door="native",
            position=each,
            field=name,
            reason="type",
            detail="d",
            raw="{}",
        )
        for each in range(count)
    ]


def spool_of(
    folder: Path,
    sink: FakeSink | None = None,
    *,
    new: bool = True,
    clock: Callable[[], int] = lambda: 100,
    **limits: Any,
) -> Spool:
    chosen = {"seal_seconds": 0.0, "retry_first": 0.001, "retry_longest": 0.01, "free_bytes": 0}
    return Spool(
        folder,
        collector="c",
        sink=sink or FakeSink(),
        clock=clock,
        limits=Limits(**{**chosen, **limits}),
        new=new,
    )


@asynccontextmanager
async def spooling(
    folder: Path, sink: FakeSink | None = None, *, flush: bool = True, **more: Any
) -> AsyncIterator[Spool]:
    """A spool that works; stopped at the end, which waits for a held-back sink no longer."""
    spool = spool_of(folder, sink, **more)
    spool.start()
    if flush:
        spool.flush()
    try:
        yield spool
    finally:
        if sink is not None and sink.gate is not None:
            sink.gate.set()
        await spool.stop()


async def take(
    spool: Spool,
    sent: Sequence[Event],
    refused: Sequence[RejectedEvent] = (),
    received_at: int = 10,
    **reasons: int,
) -> None:
    """Submit as one body."""
    blocks = [block_of(sent)] if sent else []
    await spool.submit(blocks, refused, received_at=received_at, reasons=reasons)


async def eventually(look: Callable[[], Any], what: str = "it") -> None:
    async with asyncio.timeout(20):
        while not look():
            await asyncio.sleep(0.001)


async def stored(spool: Spool) -> None:
    await eventually(lambda: spool.empty)


@contextmanager
def failing(text: str) -> Iterator[None]:
    """Failpoints armed inside the block."""
    failpoint.arm(text)
    try:
        yield
    finally:
        failpoint.arm("")


def ids(sink: FakeSink) -> list[str]:
    return [event.event_id for event in sink.events]


def files(folder: Path, suffix: str) -> list[Path]:
    return sorted(folder.glob(f"*.{suffix}"))
