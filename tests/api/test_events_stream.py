"""The stream of events, listened to without a network."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from fastapi import FastAPI

from api import ApiSettings, create_app, end_streams
from lifecycle.access import Access, Token, hash_token
from lifecycle.errors import StoreUnavailable
from tests.api.world import NOW, ORDER, World, ago, event

PATH = "/api/v1/events/stream"
QUICK = ApiSettings(stream_poll=0.01, stream_heartbeat=0.05, stream_listeners=2)
PLACE = {"producer": "", "emitted": None, "dropped": None}
Row = dict[str, Any]


def arrived(number: int, seconds_ago: float, **given: Any) -> Row:
    at = ago(seconds_ago)
    base = event("transition", at, number, to_state="submitted", instance_id=f"o-{number}")
    return base | PLACE | {"received_at": at, "position": number, "segment": 1} | given


@dataclass
class Arrivals:
    """A store that holds rows, and answers as ``recent_events.sql`` does."""

    rows: list[Row] = field(default_factory=list)
    away: str = ""
    asked: list[Row] = field(default_factory=list)

    def query(self, name: str, /, **asked: Any) -> list[Row]:
        assert name == "recent_events"
        self.asked.append(asked)
        if self.away:
            raise StoreUnavailable(self.away)
        after = (
            asked["from_"],
            asked["after_collector"],
            asked["after_segment"],
            asked["after_position"],
        )
        found = sorted(self.rows, key=_position)
        return [
            row for row in found if _position(row) > after and row["received_at"] < asked["to"]
        ][: asked["limit"]]


def _position(row: Row) -> tuple[datetime, str, int, int]:
    return (row["received_at"], row["collector"], row["segment"], row["position"])


@dataclass
class Block:
    """One block of the stream: its fields, comments left out."""

    fields: Mapping[str, str]

    @property
    def data(self) -> Any:
        return json.loads(self.fields["data"])


class Listener:
    """Reads one stream, block by block."""

    def __init__(self, chunks: "asyncio.Queue[bytes]") -> None:
        self._chunks = chunks
        self._text = ""

    async def block(self) -> Block:
        while "\n\n" not in self._text:
            self._text += (await asyncio.wait_for(self._chunks.get(), 5)).decode()
        text, _, self._text = self._text.partition("\n\n")
        lines = [line.partition(": ") for line in text.split("\n")]
        return Block({name: value for name, _, value in lines if name})

    async def event(self, name: str = "") -> Block:
        """The next block with data, of that name."""
        while "data" not in (found := await self.block()).fields:
            pass
        assert found.fields.get("event", "") == name
        return found

    async def ids(self, count: int) -> list[str]:
        return [(await self.event()).data["instance_id"] for _ in range(count)]


@dataclass
class Stage:
    """The application over a made-up store."""

    world: World = field(default_factory=lambda: World(settings=QUICK))
    store: Arrivals = field(default_factory=Arrivals)
    app: FastAPI = field(init=False)

    def __post_init__(self) -> None:
        ports = replace(self.world.ports(), query_for=lambda tenant: self.store.query)
        self.app = create_app(ports, self.world.settings)

    @asynccontextmanager
    async def listen(
        self, query: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[Listener]:
        """A listener, gone afterwards. The stream must have begun, and must end."""
        chunks: asyncio.Queue[bytes] = asyncio.Queue()
        gone = asyncio.Event()
        started: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def receive() -> dict[str, Any]:
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                started.set_result(message["status"])
            elif message.get("body"):
                chunks.put_nowait(message["body"])

        scope = {
            "type": "http",
            "method": "GET",
            "path": PATH,
            "raw_path": PATH.encode(),
            "query_string": urlencode(query or {}, doseq=True).encode(),
            "headers": [(b"host", b"donewatch.test")]
            + [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()],
            "scheme": "http",
            "server": ("donewatch.test", 80),
        }
        task = asyncio.create_task(self.app(scope, receive, send))
        try:
            assert await asyncio.wait_for(started, 5) == 200, await chunks.get()
            yield Listener(chunks)
        finally:
            gone.set()
            await asyncio.wait_for(task, 5)

    async def refused(
        self, query: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> Any:
        """The problem that a request is answered with."""
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://donewatch.test"
        ) as client:
            answer = await client.get(PATH, params=dict(query or {}), headers=dict(headers or {}))
        assert answer.headers["content-type"] == "application/problem+json"
        return answer.json()

    def flushed(self, seconds_ago: float) -> None:
        self.world.mark.flushed = ago(seconds_ago)


@pytest.fixture
def stage() -> Stage:
    return Stage()


async def test_events_come_in_the_order_of_arrival_from_now_on(stage: Stage) -> None:
    stage.flushed(2)
    stage.store.rows = [arrived(1, 3), arrived(3, 1.2), arrived(2, 1.5)]
    async with stage.listen() as listener:
        stage.flushed(1)
        assert await listener.ids(2) == ["o-2", "o-3"]
        stage.store.rows.append(arrived(4, 0.5))
        stage.flushed(0)
        assert await listener.ids(1) == ["o-4"]


async def test_an_event_is_told_and_given_as_it_was_sent(stage: Stage) -> None:
    stage.store.rows = [arrived(1, 3, action="submit", actor_type="user", attributes='{"a": 1}')]
    async with stage.listen({"from": ago(9).isoformat()}) as listener:
        data = (await listener.event()).data
    assert data["title"] == "created in submitted" and data["detail"] == "submit"
    assert (data["workflow"], data["environment"], data["kind"]) == (
        "order",
        "production",
        "transition",
    )
    assert data["page"] == "/instances/order/o-1?environment=production"
    assert data["at"] == data["received_at"] == "2026-03-01T11:59:57Z"
    assert data["fields"]["to"] == "submitted" and data["fields"]["attributes"] == {"a": 1}
    assert not data["fields"].keys() & {"collector", "segment", "position"}


JUDGED = [
    pytest.param({"action": "submit", "workflow_version": "3"}, "plain", id="declared"),
    pytest.param({"action": "steal", "workflow_version": "3"}, "bad", id="not declared"),
    pytest.param({"action": "steal", "workflow_version": ""}, "bad", id="the newest without one"),
    pytest.param({"action": "steal", "workflow_version": "9"}, "plain", id="version unknown"),
    pytest.param({"action": "steal", "workflow_type": "payout"}, "plain", id="no definition"),
    pytest.param({"event": "visible", "to_state": ""}, "good", id="no transition"),
]


@pytest.mark.parametrize(("given", "tone"), JUDGED)
async def test_undeclared_transitions_stand_out(stage: Stage, given: Row, tone: str) -> None:
    assert stage.world.definitions == (ORDER,)
    stage.store.rows = [arrived(1, 3, **given)]
    async with stage.listen({"from": ago(9).isoformat()}) as listener:
        assert (await listener.event()).data["tone"] == tone


async def test_after_a_break_it_goes_on_where_it_was(stage: Stage) -> None:
    stage.store.rows = [arrived(number, 5) for number in range(1, 5)]
    async with stage.listen({"from": ago(9).isoformat()}) as listener:
        await listener.event()
        last = (await listener.event()).fields["id"]
    async with stage.listen({"from": ago(9).isoformat()}, {"Last-Event-ID": last}) as listener:
        assert await listener.ids(2) == ["o-3", "o-4"]


async def test_a_quiet_stream_says_how_far_it_has_come(stage: Stage) -> None:
    async with stage.listen() as listener:
        first = (await listener.block()).fields
        assert first["retry"] == "2000" and "data" not in first
        stage.world.now = NOW + timedelta(seconds=60)
        stage.world.mark.flushed = stage.world.now
        while (quiet := (await listener.block()).fields)["id"] == first["id"]:
            assert "data" not in quiet
    stage.store.rows = [arrived(1, 30), arrived(2, -61)]
    stage.world.now = stage.world.mark.flushed = NOW + timedelta(seconds=90)
    async with stage.listen(headers={"Last-Event-ID": quiet["id"]}) as listener:
        assert await listener.ids(1) == ["o-2"]


async def test_copies_are_left_out(stage: Stage) -> None:
    same = {"event_id": "e", "instance_id": "o"}
    stage.store.rows = [
        arrived(1, 5, **same),
        arrived(2, 4, **same),
        arrived(3, 3, **same | {"instance_id": "other"}),
        arrived(4, 2, **same | {"environment": "staging"}),
        arrived(5, 1, event_id="last"),
    ]
    async with stage.listen({"from": ago(9).isoformat()}) as listener:
        assert await listener.ids(4) == ["o", "other", "o", "o-5"]


async def test_a_long_past_comes_page_after_page_without_pauses() -> None:
    stage = Stage(World(settings=replace(QUICK, stream_poll=3600.0)))
    stage.store.rows = [arrived(number, 5) for number in range(1, 1202)]
    async with stage.listen({"from": ago(9).isoformat()}) as listener:
        assert await listener.ids(1201) == [f"o-{number}" for number in range(1, 1202)]
    assert len(stage.store.asked) == 3


WATERMARKS = [
    pytest.param(2.0, 2.0, id="nothing beyond the watermark is sent"),
    pytest.param(0.0, 0.0, id="a watermark at the present"),
    pytest.param(3600.0, 10.0, id="a watermark that stands is not waited for"),
    pytest.param(None, 10.0, id="no collector has registered"),
]


@pytest.mark.parametrize(("lag", "until"), WATERMARKS)
async def test_what_may_still_change_waits(stage: Stage, lag: float | None, until: float) -> None:
    stage.world.mark.flushed = None if lag is None else ago(lag)
    async with stage.listen({"from": ago(7200).isoformat()}) as listener:
        await listener.block()
        await _until(lambda: bool(stage.store.asked))
    assert stage.store.asked[-1]["to"] == ago(until)


async def test_the_store_is_asked_for_what_is_wanted(stage: Stage) -> None:
    wanted = {
        "workflow": "order",
        "instance": "o/1",
        "kind": ["job", "visible"],
        "environment": ["a", "b"],
        "from": "2026-03-01T12:00:00+01:00",
    }
    async with stage.listen(wanted) as listener:
        await listener.block()
        await _until(lambda: bool(stage.store.asked))
    asked = stage.store.asked[0]
    assert (asked["workflow_type"], asked["instance_id"]) == ("order", "o/1")
    assert (asked["kinds"], asked["environments"]) == (["job", "visible"], ["a", "b"])
    assert asked["from_"] == NOW - timedelta(hours=1)


async def test_while_the_store_is_away_it_is_said_once_and_nothing_is_missed(stage: Stage) -> None:
    stage.store.rows, stage.store.away = [arrived(1, 3)], "gone fishing"
    async with stage.listen({"from": ago(9).isoformat()}) as listener:
        problem = (await listener.event("problem")).data
        assert problem["status"] == 503 and "gone fishing" in problem["detail"]
        asked = len(stage.store.asked)
        await _until(lambda: len(stage.store.asked) > asked + 3)
        stage.store.away = ""
        assert await listener.ids(1) == ["o-1"]


REFUSED: Sequence[Any] = [
    pytest.param({"kind": "job"}, {"kind": "jobb"}, "kind", "some of transition", id="kind"),
    pytest.param({}, {"from": "noon"}, "from", "RFC 3339", id="not a time"),
    pytest.param({}, {"from": "2026-03-01T12:00:00"}, "from", "RFC 3339", id="no zone"),
]


@pytest.mark.parametrize(("fine", "query", "name", "fix"), REFUSED)
async def test_bad_parameters(stage: Stage, fine: Row, query: Row, name: str, fix: str) -> None:
    async with stage.listen(fine):
        pass
    problem = await stage.refused(query)
    assert problem["status"] == 422 and name in problem["detail"] and fix in problem["fix"]


@pytest.mark.parametrize("last", ["7", "e30", "WyJhIl0", "x" * 300, "bm90IGpzb24"])
async def test_an_id_of_another_stream(stage: Stage, last: str) -> None:
    problem = await stage.refused(headers={"Last-Event-ID": last})
    assert problem["status"] == 422 and "Last-Event-ID" in problem["detail"]


async def test_so_many_may_listen_and_a_place_becomes_free(stage: Stage) -> None:
    async with stage.listen():
        async with stage.listen() as second:
            await second.block()
            problem = await stage.refused()
            assert problem["status"] == 503 and "2 listen" in problem["detail"]
        async with stage.listen() as another:
            assert "id" in (await another.block()).fields


async def test_listeners_leave_when_the_service_ends(stage: Stage) -> None:
    async with stage.listen() as listener:
        await listener.block()
        end_streams(stage.app)
    problem = await stage.refused()
    assert problem["status"] == 503 and "stopping" in problem["detail"]


async def test_a_long_poll_ends_as_well() -> None:
    stage = Stage(World(settings=replace(QUICK, status_poll=60.0)))
    app = create_app(stage.world.ports(), stage.world.settings)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://donewatch.test") as client:
        path = "/api/v1/instances/order/order-1042/status"
        tag = (await client.get(path)).headers["etag"]
        waiting = asyncio.create_task(
            client.get(path, params={"wait": 60}, headers={"If-None-Match": tag})
        )
        await _until(lambda: bool(app.state.waiters))
        end_streams(app)
        assert (await asyncio.wait_for(waiting, 5)).status_code == 304


async def test_only_a_token_that_may_read() -> None:
    access = Access([Token(hash_token("secret"), "t", frozenset({"read"}))])
    stage = Stage(World(settings=QUICK, access=access))
    assert (await stage.refused())["status"] == 401
    async with stage.listen(headers={"Authorization": "Bearer secret"}) as listener:
        assert "id" in (await listener.block()).fields


async def _until(look: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not look():
            await asyncio.sleep(0.005)
