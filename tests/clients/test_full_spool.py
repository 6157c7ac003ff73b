"""A collector whose spool is full says so to unmodified clients, which wait and lose nothing."""

import threading
from pathlib import Path

import pytest
from opentelemetry.exporter.otlp.proto.http import Compression

from tests.clients.relay import Relay
from tests.clients.senders import JavaScript, Python, Sender
from tests.clients.test_opentelemetry import check_told_once, history, new_order
from tests.peers.clickhouse import ClickHouseServer
from tests.peers.donewatch import Donewatch, until

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("javascript")]

SENDERS: list[Sender] = [JavaScript("json", "gzip"), Python(Compression.Gzip)]
ROOM = 200_000  # bytes


def fill(service: Donewatch) -> None:
    """Send until it takes not even one event more."""
    for number in (200, 20, 1):
        events = [
            {"event": "visible", "workflow_type": "other", "instance_id": f"o-{each}"}
            for each in range(number)
        ]

        def full(events: list[dict[str, str]] = events) -> bool:
            answer = service.send(events)
            assert answer.status_code in (200, 429), answer.text
            assert answer.status_code == 200 or int(answer.headers["retry-after"]) > 0
            return answer.status_code == 429

        until(full, what="an end of the room")


def test_clients_wait_until_there_is_room(tmp_path: Path) -> None:
    store = ClickHouseServer(tmp_path / "clickhouse")
    store.start()
    service = Donewatch(tmp_path / "service", STORE__DSN=store.dsn, COLLECTOR__SPOOL_BYTES=ROOM)
    try:
        service.start()
        store.kill()
        fill(service)
        orders = [new_order() for _ in SENDERS]
        with Relay(service.otlp) as relay:
            sending = [
                threading.Thread(target=sender.send, args=(relay.url, "any", history(order)))
                for sender, order in zip(SENDERS, orders, strict=True)
            ]
            for each in sending:
                each.start()
            until(
                lambda: [each.status for each in relay.seen].count(429) >= len(SENDERS),
                what="a refusal of each",
            )
            store.start()
            for each in sending:
                each.join()
        refused = [each.at for each in relay.seen if each.status == 429]
        taken = [each.at for each in relay.seen if each.status == 200]
        assert len(taken) == len(SENDERS)
        assert min(taken) - min(refused) >= 2, "they did not wait as long as they were told"
        for order in orders:
            check_told_once(service, order)
    finally:
        service.close()
        store.kill()
