"""A collector that does not come back: verdicts are unknown, nothing resolves, and it is named."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from store import Database
from store.watermark import Mark, publish_mark
from tests.peers.clickhouse import clickhouse_server
from tests.peers.donewatch import Donewatch, run, until
from tests.peers.webhook import Webhook
from tests.service import story
from tests.service.conftest import Make

pytestmark = pytest.mark.system

PENDING = """\
groups:
  - name: late
    interval: 200ms
    rules:
      - alert: OrderStuckLate
        stuck: {workflow: order, state: submitted, longer_than: 1s}
        for: 1h
"""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A server's store, which other collectors share."""
    with clickhouse_server(tmp_path / "clickhouse") as server:
        found = Database.open(server.dsn)
        found.migrate(datetime.now(UTC))
        yield found
        found.close()


def mark(database: Database, seconds_ago: float) -> None:
    """The other collector has stored everything up to then."""
    then = datetime.now(UTC) - timedelta(seconds=seconds_ago)
    connection = database.connect()
    publish_mark(connection, Mark("collector-in-the-cellar", datetime.now(UTC), then, 7))
    connection.close()


def blind(service: Donewatch, name: str) -> dict[str, Any] | None:
    """The rule, once it has been evaluated without seeing enough."""
    found = service.rule(name)
    return found if found is not None and found["reason"] else None


def verdict(service: Donewatch, rule: str) -> str:
    found = service.rule(rule)
    return "" if found is None else found["verdict"]


def test_a_collector_that_stands_still(make: Make, database: Database, hook: Webhook) -> None:
    mark(database, seconds_ago=0)
    service = make(
        STORE__DSN=database.location.dsn,
        NOTIFY__WEBHOOKS=[hook.url],
        RULES__WATERMARK_LIMIT="2",
    )
    (service.rules / "late.yaml").write_text(PENDING)
    service.start()

    # nothing beyond its mark is known, so the time of an order does not pass
    service.take(story.submit("order-1", occurred_at=story.ago(30)))
    firing = service.wait_alert("OrderStuck", "firing")
    until(lambda: hook.told("OrderStuck"))
    until(lambda: verdict(service, "OrderStuckLate") == "unknown", what="a mark that is too old")
    for name in ("OrderStuck", "OrderStuckLate"):
        # each by its own group's interval: one may go blind seconds after the other
        rule = until(partial(blind, service, name), what=f"a reason of {name}")
        assert "collector-in-the-cellar" in rule["reason"]
        assert "donewatch retire collector-in-the-cellar" in rule["reason"]
        assert "ago" in rule["reason"]
    assert verdict(service, "OrderStuck") == "firing", "what stored events prove fires regardless"

    # the service says so itself: pending, and after five minutes firing
    def warned() -> bool:
        alert = service.alert("MonitoringBlind")
        return alert is not None and alert["state"] == "pending"

    until(warned)
    assert verdict(service, "MonitoringBlind") == "pending"
    assert service.get("/readyz").status_code == 200, "the process itself is well"

    # the order is paid, and nobody can be sure of it
    service.take(story.pay("order-1"))
    until(lambda: verdict(service, "OrderStuck") == "unknown")
    service.wait_evaluated("OrderStuck", times=3)
    still = service.alert("OrderStuck")
    assert still is not None
    assert (still["state"], still["unknown"]) == ("firing", True)
    assert still["firing_since"] == firing["firing_since"]
    assert hook.told("OrderStuck") == ["firing"]
    watermarks = service.api("/ingest")["watermarks"]
    assert watermarks["collector"] == "collector-in-the-cellar"
    assert "retire collector-in-the-cellar" in watermarks["reason"]

    # a restart sees no more than before
    service.kill()
    service.start()
    service.wait_evaluated("OrderStuck", times=3)
    assert verdict(service, "OrderStuck") == "unknown"
    assert (service.alert("OrderStuck") or {})["firing_since"] == firing["firing_since"]

    retired = run(
        service.directory, "retire", "collector-in-the-cellar", STORE__DSN=database.location.dsn
    )
    assert retired.returncode == 0, retired.stderr
    service.wait_alert("OrderStuck", "resolved")
    until(lambda: hook.told("OrderStuck") == ["firing", "resolved"])
    until(lambda: verdict(service, "MonitoringBlind") == "ok")
    assert service.api("/ingest")["watermarks"]["reason"] == ""


def test_a_collector_that_comes_back_in_time(make: Make, database: Database) -> None:
    mark(database, seconds_ago=60)
    service = make(STORE__DSN=database.location.dsn, RULES__WATERMARK_LIMIT="5").start()
    service.take(story.submit("order-1"))
    service.wait_evaluated("OrderStuck")
    assert verdict(service, "OrderStuck") == "unknown"
    assert service.alert("OrderStuck") is None
    mark(database, seconds_ago=-60)  # it is ahead of us by now
    service.wait_alert("OrderStuck", "firing")
