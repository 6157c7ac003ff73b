"""Bodies that come at once are decoded together, and each is answered as if it had come alone."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from collector.decoder import Decoded, Decoder, Form, Keeper
from collector.limits import Limits
from collector.records import BodyError
from collector.spool import SpoolUnavailable
from collector.window import Engine, Transform, Window
from lifecycle.errors import StoreRefused, StoreUnavailable
from lifecycle.events import Event
from store import Database
from store.blocks import block_of, events_of
from store.engine import Engine as EmbeddedEngine
from tests.collector.running import collecting
from tests.collector.senders import HEARTBEAT, NOW, TRANSITION, Body, otlp_protobuf

# everything goes through the engine
EAGER = Limits(alone_bytes=0, window_records=0)


@pytest.fixture(scope="module")
def engine(embedded_database: Database) -> Iterator[Engine]:
    found = EmbeddedEngine.at(embedded_database.location)
    assert found is not None
    yield found
    found.close()


def body(name: str, count: int = 3, **fields: Any) -> Body:
    return otlp_protobuf(
        [
            TRANSITION | {"event_id": f"{name}-{number}", "instance_id": name} | fields
            for number in range(count)
        ]
    )


def ids(events: Sequence[Event]) -> list[str]:
    return sorted(event.event_id for event in events)


@dataclass
class Watched:
    """An engine that counts, and does as told."""

    engine: Engine
    calls: int = 0
    error: Exception | None = None
    gate: threading.Event = field(default_factory=threading.Event)
    entered: threading.Event = field(default_factory=threading.Event)
    garble: Callable[[bytes], bytes] = lambda block: block

    def transform(self, sql: str) -> Transform:
        return _Watched(self, self.engine.transform(sql))


@dataclass
class _Watched:
    told: Watched
    inner: Transform

    def __call__(self, message: Sequence[bytes], hopeless: Callable[[], bool]) -> bytes:
        self.told.calls += 1
        self.told.entered.set()
        assert self.told.gate.wait(20)
        if self.told.error is not None:
            raise self.told.error
        return self.told.garble(self.inner(message, hopeless))

    def abort(self) -> None:
        self.inner.abort()


@pytest.fixture
def watched(engine: Engine) -> Watched:
    found = Watched(engine)
    found.gate.set()
    return found


@pytest.fixture
def decoder(watched: Watched) -> Iterator[Decoder]:
    found = Decoder(EAGER, watched)
    yield found
    watched.gate.set()
    found.close()


class Sending:
    """Bodies given to a decoder while it is held back, so that all but the first wait."""

    def __init__(self, decoder: Decoder, watched: Watched) -> None:
        self._decoder = decoder
        self._watched = watched
        self._tasks: list[asyncio.Task[Decoded]] = []

    async def send(self, body: Body, tenant: str = "t1") -> None:
        self._watched.gate.clear()
        decoding = self._decoder.decode(
            body.content, form=Form.LOGS_PROTOBUF, tenant=tenant, received_at=NOW
        )
        self._tasks.append(asyncio.create_task(decoding))
        await asyncio.sleep(0)  # it is in line
        if len(self._tasks) == 1:
            assert await asyncio.to_thread(self._watched.entered.wait, 20)

    async def results(self) -> list[Decoded | BaseException]:
        self._watched.gate.set()
        return await asyncio.gather(*self._tasks, return_exceptions=True)


@pytest.fixture
def sending(decoder: Decoder, watched: Watched) -> Sending:
    return Sending(decoder, watched)


def all_events(results: Sequence[Decoded | BaseException]) -> list[Event]:
    decoded = [each for each in results if isinstance(each, Decoded)]
    windows = {each.window for each in decoded if each.window is not None}
    blocks = [window.block for window in windows]
    blocks += [block for each in decoded for block in each.blocks]
    return [event for block in blocks for event in events_of(block)]


async def test_what_waits_is_decoded_together(sending: Sending, watched: Watched) -> None:
    names = [f"n{number}" for number in range(6)]
    for name in names:
        await sending.send(body(name))
    results = await sending.results()
    assert watched.calls == 2
    windows = [each.window for each in results if isinstance(each, Decoded)]
    assert windows[0] not in windows[1:]
    assert len(set(windows)) == 2
    assert ids(all_events(results)) == sorted(f"{name}-{at}" for name in names for at in range(3))


async def test_a_bad_body_is_told_alone_and_each_keeps_its_tenant(sending: Sending) -> None:
    whole = body("o")
    bodies = {
        "first": body("first"),
        "good": body("good"),
        "odd": body("odd", to=""),
        "cut": replace(body("cut"), content=body("cut").content[:-3]),
        "overrun": Body(whole.path, whole.content.replace(b"\n\x03o-1", b"\n\x7fo-1"), ""),
        "half": otlp_protobuf([HEARTBEAT, HEARTBEAT | {"event_id": "h", "sequence": "7"}]),
        "typed": body("typed", attributes={"share": 0.5}),
        "untold": otlp_protobuf([HEARTBEAT | {"event_id": "", "producer": "p"}]),
        "empty": otlp_protobuf([]),
        "last": body("last"),
    }
    for name, each in bodies.items():
        await sending.send(each, tenant=name)
    results = dict(zip(bodies, await sending.results(), strict=True))
    assert {name for name, each in results.items() if isinstance(each, BodyError)} == {
        "cut",
        "overrun",
    }
    told = {
        name: (each.accepted, [(refusal.index, refusal.field) for refusal in each.refused])
        for name, each in results.items()
        if isinstance(each, Decoded)
    }
    assert told == {
        "first": (3, []),
        "good": (3, []),
        "odd": (0, [(at, "donewatch.transition.to") for at in range(3)]),
        "half": (1, [(1, "donewatch.sequence")]),
        "typed": (3, []),
        "untold": (1, []),
        "empty": (0, []),
        "last": (3, []),
    }
    assert Counter(event.tenant for event in all_events(list(results.values()))) == {
        name: accepted for name, (accepted, _) in told.items() if accepted
    }


@pytest.mark.parametrize(
    "flaw",
    [
        pytest.param({"error": StoreRefused("unreadable")}, id="the engine refuses"),
        pytest.param({"error": StoreUnavailable("gone")}, id="there is no engine"),
        pytest.param({"error": ValueError("a fault")}, id="a fault of ours"),
        pytest.param({"garble": lambda block: block[:-8]}, id="an answer cut short"),
        pytest.param({"garble": lambda block: b""}, id="no answer"),
        pytest.param(
            {"garble": lambda block: block[:-8] + bytes(7) + b"\x01"}, id="of other bodies"
        ),
    ],
)
async def test_without_the_engine_it_goes_on(
    sending: Sending, watched: Watched, flaw: dict[str, Any]
) -> None:
    for name, value in flaw.items():
        setattr(watched, name, value)
    await sending.send(body("one"))
    await sending.send(body("two"))
    results = await sending.results()
    assert ids(all_events(results)) == sorted(
        f"{n}-{at}" for n in ("one", "two") for at in range(3)
    )


async def test_an_engine_that_is_not_there_is_left_alone_for_a_while(
    sending: Sending, watched: Watched
) -> None:
    watched.error = StoreUnavailable("gone")
    await sending.send(body("one"))
    await sending.results()
    await sending.send(body("two"))
    results = await sending.results()
    assert len(all_events(results)) == 6
    assert watched.calls == 1


async def test_an_engine_that_hangs_is_not_waited_for(watched: Watched) -> None:
    decoder = Decoder(replace(EAGER, engine_seconds=0.05), watched)
    watched.gate.clear()
    try:
        for name in ("one", "two"):
            decoded = await decoder.decode(
                body(name).content, form=Form.LOGS_PROTOBUF, tenant="t", received_at=NOW
            )
            assert ids(all_events([decoded])) == [f"{name}-{at}" for at in range(3)]
    finally:
        watched.gate.set()
        decoder.close()


async def test_small_bodies_need_no_engine_while_nothing_waits(watched: Watched) -> None:
    decoder = Decoder(Limits(), watched)
    try:
        for count, calls in ((1, 0), (49, 0), (60, 1)):
            decoded = await decoder.decode(
                body("n", count).content, form=Form.LOGS_PROTOBUF, tenant="t", received_at=NOW
            )
            assert decoded.accepted == count
            assert watched.calls == calls
    finally:
        decoder.close()


async def test_a_closed_decoder_leaves_nobody_waiting(sending: Sending, decoder: Decoder) -> None:
    await sending.send(body("one"))
    await sending.send(body("two"))
    decoder.close()
    results = await sending.results()
    assert len(results) == 2


async def test_a_window_is_on_disk_once_for_all_of_its_bodies(watched: Watched) -> None:
    async with collecting(engine=watched, limits=EAGER) as service:
        answers = await asyncio.gather(*(service.post(body(f"n{each}")) for each in range(20)))
        await service.stored()
        assert {(each.status_code, each.content) for each in answers} == {(200, b"")}
        assert ids(service.sink.events) == sorted(
            f"n{each}-{at}" for each in range(20) for at in range(3)
        )
        assert service.spool.counts().accepted == 60


def _window() -> Window:
    return Window(block_of([]), NOW)


async def test_who_leaves_does_not_take_a_window_from_the_others() -> None:
    gate = asyncio.Event()
    kept: list[Window] = []

    async def keep(window: Window) -> None:
        await gate.wait()
        kept.append(window)

    keeper, window = Keeper(keep), _window()
    first, second = (asyncio.create_task(keeper.kept(window)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    gate.set()
    await second
    assert kept == [window]


async def test_what_is_not_kept_is_not_kept_for_anyone() -> None:
    async def keep(window: Window) -> None:
        raise SpoolUnavailable("the disk is full")

    keeper, window = Keeper(keep), _window()
    for result in await asyncio.gather(
        *(keeper.kept(window) for _ in range(3)), return_exceptions=True
    ):
        assert isinstance(result, SpoolUnavailable)
