"""What one connection may cost: time, memory, and the places of others."""

import asyncio
import contextlib
import json
import resource
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import pytest
import uvicorn

from service.protocol import MAX_HEAD, MAX_PIPELINED, BoundedProtocol, Patience
from service.sockets import patience

QUICK = Patience(head=0.2, request=0.4, reading=0.3, connections=20)
GET = b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
LIMIT = 20.0  # seconds; a bound on hanging, not a performance


class App:
    """Answers with the path, once ``gate`` is open; keeps the requests."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.answer = b""
        self.seen: list[tuple[str, bytes, list[bytes]]] = []
        self.reads = True

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = b""
        more = self.reads
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self.seen.append((scope["path"], body, [name for name, _ in scope["headers"]]))
        await self.gate.wait()
        text = self.answer or scope["path"].encode()
        length = [(b"content-length", str(len(text)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": length})
        await send({"type": "http.response.body", "body": text})


class Client:
    """One raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def send(self, content: bytes) -> None:
        self.writer.write(content)
        with contextlib.suppress(ConnectionError):
            await self.writer.drain()

    async def rest(self) -> bytes:
        """Everything until the other side hangs up, which it must."""
        found = b""
        async with asyncio.timeout(LIMIT):
            with contextlib.suppress(ConnectionError):
                while part := await self._reader.read(65_536):
                    found += part
        return found

    async def answers(self, number: int) -> list[str]:
        """So many bodies of answers."""
        found = []
        async with asyncio.timeout(LIMIT):
            for _ in range(number):
                head = await self._reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 200"), head
                size = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                found.append((await self._reader.readexactly(size)).decode())
        return found


Connect = Callable[[], Awaitable[Client]]


@contextlib.asynccontextmanager
async def serving(app: App, given: Patience = QUICK) -> AsyncIterator[Connect]:
    config = uvicorn.Config(
        app,
        http=partial(BoundedProtocol, patience=given),  # type: ignore[arg-type]
        ws="none",
        log_config=None,
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    clients: list[Client] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        async def connect() -> Client:
            client = Client(*await asyncio.open_connection("127.0.0.1", port))
            clients.append(client)
            return client

        task = asyncio.create_task(server._serve([listener]))
        try:
            yield connect
        finally:
            app.gate.set()
            for client in clients:
                client.writer.close()
            server.should_exit = True
            await task


def problem(answered: bytes) -> tuple[int, str]:
    """Status and fix of the one answer."""
    head, _, body = answered.partition(b"\r\n\r\n")
    document = json.loads(body)
    assert head.startswith(b"HTTP/1.1 %d " % document["status"])
    assert b"connection: close" in head
    assert document["detail"]
    return document["status"], document["fix"]


LATE = [
    pytest.param(b"GET / HTTP/1.1\r\nHost: ", "head of a request at once", id="a head"),
    pytest.param(b"G", "head of a request at once", id="a byte"),
    pytest.param(b"\r\n", "head of a request at once", id="an empty line"),
    pytest.param(POST + b"1\r\nx", "body without pause", id="a chunk"),
    pytest.param(
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx", "without pause", id="a body"
    ),
]


@pytest.mark.parametrize(("sent", "fix"), LATE)
async def test_what_does_not_arrive_is_not_waited_for(sent: bytes, fix: str) -> None:
    async with serving(App()) as connect:
        client = await connect()
        await client.send(sent)
        status, told = problem(await client.rest())
    assert status == 408
    assert fix in told


async def test_who_says_nothing_is_told_nothing() -> None:
    async with serving(App()) as connect:
        assert await (await connect()).rest() == b""


@pytest.mark.parametrize(
    "drop",
    [
        pytest.param(b"a", id="letters of a header"),
        pytest.param(b"\r\n", id="empty lines before a request"),
    ],
)
async def test_a_trickle_wins_no_time(drop: bytes) -> None:
    async with serving(App()) as connect:
        client = await connect()
        if drop != b"\r\n":
            await client.send(b"GET / HTTP/1.1\r\nX: ")
        reading = asyncio.create_task(client.rest())
        async with asyncio.timeout(LIMIT):
            while not reading.done():
                await client.send(drop)
                await asyncio.sleep(0.02)
    status, _ = problem(reading.result())
    assert status == 408


async def test_a_trickle_after_an_answer_wins_no_time_either() -> None:
    async with serving(App()) as connect:
        client = await connect()
        await client.send(GET % 1 + b"GET")
        assert await client.answers(1) == ["/1"]
        status, _ = problem(await client.rest())
    assert status == 408


async def test_a_body_that_goes_on_after_its_answer_is_not_listened_to_for_ever() -> None:
    app = App()
    app.reads = False
    async with serving(app) as connect:
        client = await connect()
        await client.send(POST)
        assert await client.answers(1) == ["/"]
        reading = asyncio.create_task(client.rest())
        async with asyncio.timeout(LIMIT):
            while not reading.done():
                await client.send(b"1\r\nx\r\n")
                await asyncio.sleep(0.02)
    assert reading.result() == b""


async def test_an_answer_that_nobody_takes_is_given_up() -> None:
    app = App()
    app.answer = b"x" * (32 * 2**20)
    async with serving(app) as connect:
        client = await connect()
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await client.send(GET % 1)
        async with asyncio.timeout(LIMIT):
            while not app.seen:
                await asyncio.sleep(0.01)
            await asyncio.sleep(3 * QUICK.reading)
        client.writer.transport.resume_reading()  # type: ignore[attr-defined]
        assert len(await client.rest()) < len(app.answer)


async def test_an_answer_taken_slowly_arrives_whole() -> None:
    app = App()
    app.answer = b"x" * (24 * 2**20)
    async with serving(app) as connect:
        client = await connect()
        await client.send(GET % 1)
        reader = client._reader
        found = 0
        async with asyncio.timeout(LIMIT):
            await reader.readuntil(b"\r\n\r\n")
            while found < len(app.answer):
                found += len(await reader.read(2**20))
                await asyncio.sleep(0.01)
    assert found == len(app.answer)


async def test_more_connections_than_may_be_are_told_so() -> None:
    async with serving(App(), Patience(connections=5)) as connect:
        clients = [await connect() for _ in range(5)]
        for client in clients:
            await client.send(GET % 1)
            assert await client.answers(1) == ["/1"]
        answered = await (await connect()).rest()
        assert problem(answered)[0] == 503
        assert b"\r\nretry-after: 5\r\n" in answered
        clients[0].writer.close()
        await clients[0].writer.wait_closed()
        async with asyncio.timeout(LIMIT):
            while True:
                late = await connect()
                await late.send(GET % 2)
                with contextlib.suppress(AssertionError, asyncio.IncompleteReadError):
                    assert await late.answers(1) == ["/2"]
                    break
        await clients[1].send(GET % 3)
        assert await clients[1].answers(1) == ["/3"]


async def test_pipelined_requests_are_answered_in_turn() -> None:
    async with serving(App()) as connect:
        client = await connect()
        body = POST + b"3\r\nabc\r\n0\r\n\r\n"
        await client.send(b"".join([GET % 1, body, GET % 2]))
        assert await client.answers(3) == ["/1", "/", "/2"]


async def test_a_line_of_requests_has_an_end() -> None:
    app = App()
    app.gate.clear()
    async with serving(app) as connect:
        client = await connect()
        await client.send(b"".join(GET % number for number in range(5_000)))
        async with asyncio.timeout(LIMIT):
            while not app.seen:
                await asyncio.sleep(0.01)
        app.gate.set()
        answered = await client.rest()
    assert answered.count(b"HTTP/1.1 200") == MAX_PIPELINED + 1
    assert answered.endswith(f"/{MAX_PIPELINED}".encode())
    assert len(app.seen) == MAX_PIPELINED + 1


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(b"what is this\r\n\r\n", id="a head"),
        pytest.param(POST + b"ZZ\r\n", id="a body"),
        pytest.param(b"GET / HTTP/1.1\r\nX: " + b"a" * 20 * MAX_HEAD, id="a head without end"),
    ],
)
async def test_a_broken_request_does_not_answer_the_one_before_it(broken: bytes) -> None:
    app = App()
    app.gate.clear()
    async with serving(app) as connect:
        client = await connect()
        await client.send(GET % 1 + GET % 2 + broken)
        async with asyncio.timeout(LIMIT):
            while not app.seen:
                await asyncio.sleep(0.01)
        app.gate.set()
        assert await client.answers(2) == ["/1", "/2"]
        rest = await client.rest()
        assert rest == b"" or problem(rest)[0] >= 400
    assert [path for path, _, _ in app.seen] == ["/1", "/2"]


TRAILERS = [
    pytest.param(b"0\r\n" + b"X: a\r\n" * 40_000, id="many"),
    pytest.param(b"0\r\nX: " + b"a" * 3 * MAX_HEAD, id="a long one"),
    pytest.param(b"1;" + b"a" * 3 * MAX_HEAD, id="an extension of a chunk"),
]


@pytest.mark.parametrize("sent", TRAILERS)
async def test_trailers_have_a_bound(sent: bytes) -> None:
    app = App()
    async with serving(app, Patience()) as connect:
        client = await connect()
        await client.send(POST + b"3\r\nabc\r\n")
        await client.send(sent)
        status, fix = problem(await client.rest())
    assert status == 431
    assert "in the body" in fix


async def test_trailers_are_no_headers() -> None:
    app = App()
    async with serving(app) as connect:
        client = await connect()
        await client.send(POST + b"3\r\nabc\r\n0\r\nAuthorization: Bearer x\r\n\r\n")
        assert await client.answers(1) == ["/"]
    assert app.seen == [("/", b"abc", [b"host", b"transfer-encoding"])]


async def test_a_body_in_chunks_of_one_byte_is_taken() -> None:
    app = App()
    async with serving(app, Patience()) as connect:
        client = await connect()
        await client.send(POST + b"1\r\nx\r\n" * 50_000 + b"0\r\n\r\n")
        assert await client.answers(1) == ["/"]
    assert app.seen[0][1] == b"x" * 50_000


def test_two_ports_leave_files_for_the_store() -> None:
    given = patience()
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert given.connections >= 100
    assert soft == resource.RLIM_INFINITY or 2 * given.connections <= soft - 100
