"""A ClickHouse server that goes and comes back under a running service."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers.clickhouse import ClickHouseServer
from tests.peers.donewatch import Donewatch, until
from tests.peers.webhook import Webhook
from tests.service import story
from tests.service.conftest import Make
from tests.service.traffic import Traffic

pytestmark = pytest.mark.system


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ClickHouseServer]:
    """A server that the test starts and kills."""
    found = ClickHouseServer(tmp_path / "clickhouse")
    yield found
    found.kill()


def flushed(service: Donewatch) -> str:
    found: str = service.api("/ingest")["watermarks"]["flushed"]
    return found


def test_a_server_that_is_killed_and_comes_back(
    make: Make, server: ClickHouseServer, hook: Webhook
) -> None:
    server.start()
    service = make(STORE__DSN=server.dsn, NOTIFY__WEBHOOKS=[hook.url]).start()
    service.take(story.submit("order-1"))
    firing = service.wait_alert("OrderStuck", "firing")
    until(lambda: hook.told("OrderStuck"))
    before = flushed(service)
    server.kill()

    # who sends is none the wiser: it is kept on disk meanwhile
    service.take(story.submit("order-2"))

    # who asks is told to come back; what the process itself knows it goes on telling
    asked = service.get("/api/v1/workflows/order")
    assert asked.status_code == 503
    assert int(asked.headers["retry-after"]) > 0
    assert asked.headers["content-type"] == "application/problem+json"
    assert service.get("/healthz").status_code == 200
    assert service.http.get(f"{service.otlp}/healthz").status_code == 200
    ready = service.get("/readyz")
    assert ready.status_code == 503
    assert [each["name"] for each in ready.json()["checks"] if not each["ok"]] == ["store"]

    # nothing resolves because nobody can look
    def blind() -> bool:
        rule = service.rule("OrderStuck")
        return rule is not None and rule["verdict"] in ("unknown", "error")

    until(blind, what="a verdict that says that nothing can be seen")
    rule = service.rule("OrderStuck")
    assert rule is not None
    assert str(server.port) in rule["reason"], "it names the store"
    during = service.alert("OrderStuck")
    assert during is not None
    assert (during["state"], during["unknown"]) == ("firing", True)
    assert during["firing_since"] == firing["firing_since"]

    server.start()
    until(lambda: service.get("/readyz").status_code == 200)
    service.wait_counted()
    assert {each["instance_id"] for each in service.items("/instances")} == {"order-1", "order-2"}
    until(lambda: flushed(service) > before, what="a watermark that moves")
    until(lambda: (service.rule("OrderStuck") or {})["verdict"] == "firing")
    after = service.alert("OrderStuck")
    assert after is not None
    assert after["firing_since"] == firing["firing_since"]
    assert hook.told("OrderStuck") == ["firing"]
    service.take(story.pay("order-1"), story.pay("order-2"))
    service.wait_alert("OrderStuck", "resolved")
    until(lambda: hook.told("OrderStuck") == ["firing", "resolved"])
    assert "Traceback" not in service.log


def test_traffic_goes_on_over_a_killed_server_without_loss_or_double(
    make: Make, server: ClickHouseServer
) -> None:
    server.start()
    service = make(rules="", STORE__DSN=server.dsn).start()
    with Traffic(lambda: service.otlp, ("native lines", "otlp protobuf")) as traffic:
        for _ in range(2):
            traffic.wait(100)
            server.kill()
            server.start()
        traffic.wait(100)
        traffic.finish()
    assert traffic.wrong == []
    assert service.running
    service.wait_counted()
    (edge,) = service.api("/workflows/order")["edges"]
    assert edge["count"] == len(traffic.sent) == len(traffic.acknowledged)


def test_a_service_started_before_its_server_waits_and_says_so(
    make: Make, server: ClickHouseServer
) -> None:
    service = make(STORE__DSN=server.dsn).begin()
    until(lambda: "waiting for the store" in service.log)
    assert f"127.0.0.1:{server.port}" in service.log
    assert service.running
    # it takes events all the same
    until(lambda: "events are taken meanwhile at" in service.log)
    service.otlp = service.log.partition("events are taken meanwhile at ")[2].split()[0]
    service.take(story.submit("order-1"))
    server.start()
    service.wait_ready()
    service.wait_alert("OrderStuck", "firing")
    assert service.log.count("waiting for the store") == 1


def test_a_service_that_waits_for_its_server_can_be_told_to_stop(
    make: Make, server: ClickHouseServer
) -> None:
    service = make(STORE__DSN=server.dsn).begin()
    until(lambda: "waiting for the store" in service.log)
    assert service.stop() == 0


def test_a_server_that_refuses_the_password_is_no_reason_to_wait(
    make: Make, server: ClickHouseServer
) -> None:
    server.start()
    secret = "correct-horse"
    dsn = server.dsn.replace("default@", f"nobody:{secret}@")
    service = make(STORE__DSN=dsn).begin()
    assert service.wait() == 2
    last = service.log.strip().splitlines()[-1]
    assert last.startswith("donewatch: ")
    assert f"nobody:***@127.0.0.1:{server.port}" in last
    assert secret not in service.log
    assert "Traceback" not in service.log
