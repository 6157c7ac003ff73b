"""Connections that misbehave: the service goes on for everybody else, and nothing of them stays."""

import gzip
import re
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import psutil
import pytest

from tests.fuzz import bodies
from tests.fuzz.conftest import EXAMPLES, HANGS, PATIENCE, memory
from tests.fuzz.test_bodies import LINES, PROTOBUF, send
from tests.peers.donewatch import Donewatch, until
from tests.service import story

pytestmark = [pytest.mark.system, pytest.mark.timeout(PATIENCE)]

MEGABYTE = 2**20
HOST = b"Host: localhost\r\nAuthorization: Bearer sends\r\n"
POST = b"POST /api/v1/events HTTP/1.1\r\n" + HOST + b"Content-Type: application/x-ndjson\r\n"
GOOD = bodies.as_json(bodies.GOOD)


def connect(url: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=HANGS)


def talk(url: str, sent: bytes, answers: int) -> bytes:
    """Send bytes; so many answers, or all until the other side hangs up; with none, we do."""
    with connect(url) as connection:
        found = b""
        try:
            connection.sendall(sent)
            if not answers:
                connection.shutdown(socket.SHUT_WR)
            while not answers or len(statuses(found)) < answers:
                part = connection.recv(65_536)
                if not part:
                    break
                found += part
        except OSError:
            pass  # it hung up before we had sent everything
        return found


def statuses(answered: bytes) -> list[int]:
    """Of all answers."""
    return [int(each) for each in re.findall(rb"HTTP/1\.1 (\d{3}) ", answered)]


def chunk(content: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(content), content)


CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
TALKS = [
    pytest.param(POST + b"Content-Length: %d\r\n\r\n" % len(GOOD) + GOOD, [200], id="a good one"),
    pytest.param(CHUNKED + chunk(GOOD) + b"0\r\n\r\n", [200], id="a good one in chunks"),
    pytest.param(
        CHUNKED + b"".join(chunk(GOOD[at : at + 1]) for at in range(len(GOOD))) + b"0\r\n\r\n",
        [200],
        id="chunks of one byte",
    ),
    pytest.param(
        CHUNKED + b"0" * 15 + chunk(GOOD) + b"0\r\n\r\n", [200], id="a size with zeros before"
    ),
    pytest.param(CHUNKED + b"-1\r\nx\r\n0\r\n\r\n", [400], id="a negative chunk"),
    pytest.param(CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n", [400], id="another way to write a size"),
    pytest.param(CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n", [400], id="a chunk longer than it says"),
    pytest.param(CHUNKED + b"f" * 17 + b"\r\n", [400], id="a size beyond 64 bits"),
    pytest.param(CHUNKED + b"ffffffffffffffff\r\nabc", [], id="a chunk of all memory"),
    pytest.param(
        CHUNKED + chunk(GOOD) + b"0\r\nContent-Type: text/plain\r\n\r\n",
        [200],
        id="a trailer that would be a header",
    ),
    pytest.param(
        POST + b"Content-Length: 1000\r\n\r\n" + GOOD, [], id="shorter than it says, and gone"
    ),
    pytest.param(POST + b"Content-Length: 1\r\n\r\n" + GOOD, [200], id="longer than it says"),
    pytest.param(
        POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", [400], id="two lengths"
    ),
    pytest.param(
        POST.replace(b"1.1", b"1.0") + b"Content-Length: %d\r\n\r\n" % len(GOOD) + GOOD,
        [200],
        id="HTTP/1.0",
    ),
    pytest.param(
        (POST + b"Content-Length: %d\r\n\r\n" % len(GOOD) + GOOD) * 30,
        [200] * 30,
        id="thirty at once",
    ),
]


@pytest.mark.parametrize(("sent", "answers"), TALKS)
def test_what_hardly_is_a_request(service: Donewatch, sent: bytes, answers: list[int]) -> None:
    assert statuses(talk(service.otlp, sent, len(answers))) == answers


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"a" * 20 * MEGABYTE, id="of one name"),
        pytest.param(b"X: a\r\n" * 2 * MEGABYTE, id="of many"),
    ],
)
def test_trailers_without_end_are_hung_up_on(service: Donewatch, sent: bytes) -> None:
    before = memory(service)
    answered = talk(service.otlp, CHUNKED + chunk(GOOD) + b"0\r\n" + sent, 1)
    # who is still sending when the other side hangs up may lose the answer
    assert statuses(answered) in ([431], [])
    assert memory(service) - before < 20 * MEGABYTE


def test_a_line_of_thousands_of_requests_takes_no_memory(service: Donewatch) -> None:
    before = memory(service)
    for url in (service.otlp, service.pages):
        answered = talk(url, (b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n") * 50_000, 50_000)
        assert set(statuses(answered)) == {200}
    assert memory(service) - before < 60 * MEGABYTE


@contextmanager
def trickling(connections: list[socket.socket], drop: Callable[[], bytes]) -> Iterator[None]:
    """Each sends a little, again and again."""
    end = threading.Event()

    def trickle() -> None:
        while not end.wait(0.2):
            for each in connections:
                try:
                    each.send(drop())
                except OSError:
                    continue

    thread = threading.Thread(target=trickle, daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def test_heads_that_take_for_ever_are_not_waited_for(service: Donewatch) -> None:
    before = memory(service)
    with ExitStack() as stack:
        slow = [stack.enter_context(connect(service.otlp)) for _ in range(300)]
        for each in slow:
            each.sendall(b"POST /v1/logs HTTP/1.1\r\nX: ")
        with trickling(slow, lambda: b"a"):
            service.take(story.submit("beside-the-slow"))
            until(lambda: service.get("/api/v1/instances/order/beside-the-slow").status_code == 200)
            for each in slow:
                assert hung_up(each), "it is still listened to"
    assert memory(service) - before < 60 * MEGABYTE


def hung_up(connection: socket.socket) -> bool:
    """Whether the other side says that it took too long, and hangs up."""
    try:
        answered = connection.recv(65_536)
        return statuses(answered) == [408] and connection.recv(1) == b""
    except ConnectionResetError:  # a letter crossed its last words
        return True


def test_a_thousand_connections_are_served_and_forgotten(service: Donewatch) -> None:
    process = psutil.Process(service.pid)
    files = process.num_fds()
    request = POST + b"Content-Length: %d\r\n\r\n" % len(GOOD) + GOOD
    with ExitStack() as stack:
        many = [stack.enter_context(connect(service.otlp)) for _ in range(1_000)]
        for each in many:
            each.sendall(request)
        for each in many:
            assert each.recv(65_536).startswith(b"HTTP/1.1 200"), "an answer"
    until(lambda: process.num_fds() < files + 50, HANGS, what="an end of the many")


def test_bodies_cut_off_leave_nothing(service: Donewatch) -> None:
    process = psutil.Process(service.pid)
    files = process.num_fds()
    for _ in range(100):
        with connect(service.otlp) as connection:
            connection.sendall(POST + b"Content-Length: 100000\r\n\r\n" + GOOD * 100)
    until(lambda: process.num_fds() < files + 20, HANGS, what="an end of the connections")
    before = service.api("/ingest")["watermarks"]["flushed"]
    until(lambda: service.api("/ingest")["watermarks"]["flushed"] > before, what="the watermark")


BOMB = gzip.compress(b" " * (100 * MEGABYTE))
EMPTY = bodies.empty_logs(10_000)
DEEP = b'{"a":' * 500_000
HEAVY = [
    (LINES, BOMB, {"Content-Encoding": "gzip"}, 413),
    (PROTOBUF, EMPTY, {}, 200),
    (LINES, DEEP, {}, 200),
    (LINES, b"{}\n" * 10_000, {}, 200),
    (LINES, b"\n".join([GOOD] * 5_000), {}, 200),
    (PROTOBUF, bodies.logs(2_000), {}, 200),
    (PROTOBUF, bodies.logs(2_000)[:-9], {}, 400),
]
SLACK = 200 * MEGABYTE
ROUNDS = 2 + EXAMPLES // 20


def test_heavy_bodies_do_not_make_it_grow(service: Donewatch) -> None:
    """After the first rounds memory stays where it is, give or take what the store caches."""
    sizes = []
    for _ in range(ROUNDS + 2):
        with ThreadPoolExecutor(4) as pool:
            for status, wanted in pool.map(lambda heavy: _sent(service, *heavy), HEAVY):
                assert status == wanted
        sizes.append(memory(service))
    assert max(sizes[2:]) - min(sizes[:2]) < SLACK, [size // MEGABYTE for size in sizes]


def _sent(
    service: Donewatch, kind: str, content: bytes, headers: dict[str, str], wanted: int
) -> tuple[int, int]:
    path = "/v1/logs" if kind == PROTOBUF else "/api/v1/events"

    def answer() -> int:
        found = send(service, path, kind, content, **headers).status_code
        return 0 if found in (429, 503) else found  # too much at once: later, as it says

    return until(answer, HANGS), wanted
