"""SIGTERM: the end comes soon, whatever is under way, and costs nothing that was acknowledged."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.peers.clickhouse import ClickHouseServer
from tests.peers.donewatch import Donewatch
from tests.service import story
from tests.service.conftest import Make
from tests.service.traffic import Traffic

pytestmark = pytest.mark.system

SOON = 10.0  # seconds; five of them are for requests under way


def ended(service: Donewatch) -> float:
    """Tell it to end; seconds until it had."""
    begun = time.monotonic()
    assert service.stop() == 0
    return time.monotonic() - begun


def open_connection(url: str, sent: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=20)
    connection.sendall(sent)
    return connection


def test_idle_connections_hold_nothing_up_and_alerts_go_on_afterwards(make: Make) -> None:
    service = make().start()
    service.take(story.submit("order-1"))
    before = service.wait_alert("OrderStuck", "firing")
    idle = [open_connection(url, b"") for url in (service.pages, service.otlp) for _ in range(20)]
    asked = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    kept = [open_connection(url, asked) for url in (service.pages, service.otlp)]
    for each in kept:
        assert each.recv(65_536).startswith(b"HTTP/1.1 200")
    assert ended(service) < SOON / 2
    for each in (*idle, *kept):
        each.close()
    service.start()
    service.wait_evaluated("OrderStuck")
    after = service.alert("OrderStuck")
    assert after is not None
    assert (after["state"], after["firing_since"]) == ("firing", before["firing_since"])


def test_what_is_under_way_is_told_to_come_back(make: Make) -> None:
    """With 500 in its place an exporter would throw away what it has."""
    service = make(rules="").start()
    under_way = []
    for path, media in (
        ("/api/v1/events", "application/x-ndjson"),
        ("/v1/logs", "application/json"),
    ):
        head = (
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {media}\r\n"
            "Content-Length: 100\r\nExpect: 100-continue\r\n\r\n"
        )
        connection = open_connection(service.otlp, head.encode())
        assert connection.recv(65_536).startswith(b"HTTP/1.1 100 "), "it waits for the body"
        under_way.append(connection)
    with service.http.stream("GET", f"{service.pages}/api/v1/events/stream") as stream:
        assert stream.status_code == 200
        assert ended(service) < SOON
        stream.read()  # it has an end
    for connection in under_way:
        answer = connection.recv(65_536)
        assert answer.startswith(b"HTTP/1.1 503 "), answer
        assert b"retry-after: " in answer
        assert b"send it again" in answer
        connection.close()
    assert "Traceback" not in service.log


def test_in_mid_traffic_everything_acknowledged_is_stored(make: Make) -> None:
    service = make(rules="").start()
    with Traffic(lambda: service.otlp) as traffic:
        traffic.wait(200)
        assert ended(service) < SOON
        service.start()
        traffic.wait(1)
        traffic.finish()
    assert traffic.wrong == [], "nobody was told anything but to come back"
    service.wait_counted()
    (edge,) = service.api("/workflows/order")["edges"]
    assert edge["count"] == len(traffic.sent) == len(traffic.acknowledged)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ClickHouseServer]:
    found = ClickHouseServer(tmp_path / "clickhouse")
    found.start()
    yield found
    found.kill()


def test_a_store_that_hangs_is_not_waited_for(make: Make, server: ClickHouseServer) -> None:
    """It accepts connections and answers nothing, as behind a network that fails."""
    service = make(STORE__DSN=server.dsn).start()
    service.take(story.submit("order-1"))
    service.wait_alert("OrderStuck", "firing")
    os.kill(server.pid, signal.SIGSTOP)
    try:
        with ThreadPoolExecutor() as pool:
            sent = pool.submit(service.send, [story.submit("order-2")])
            # what is in memory is shown all the same
            alert = service.alert("OrderStuck")
            assert alert is not None
            assert alert["state"] == "firing"
            assert service.get("/healthz").status_code == 200
            assert ended(service) < 15
            assert sent.result().status_code == 200, "it is on disk"
    finally:
        os.kill(server.pid, signal.SIGCONT)
    service.start()
    service.wait_counted()
    assert {each["instance_id"] for each in service.items("/instances")} == {"order-1", "order-2"}
