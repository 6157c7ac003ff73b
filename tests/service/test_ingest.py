"""What comes in, as the service itself watches it: alerts, the page's answer, spools."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from api.ports import CollectorView
from collector.limits import Limits
from lifecycle.errors import StoreUnavailable
from lifecycle.events import Event
from service.clock import now, now_us
from service.collecting import Collecting
from service.spools import SpoolsSeen
from store import Database, TenantStore
from store.blocks import block_of
from tests.collector.spooling import failing
from tests.peers.clickhouse import ClickHouseServer
from tests.peers.donewatch import Donewatch, until
from tests.service import story
from tests.service.conftest import Make

BUILT_IN = {"EventsRefused", "EventsDropped", "ClockSkew", "SpoolFilling", "CollectorSilent"}
SOON_OVER = """\
groups:
  - name: own
    interval: 200ms
    rules:
      - {alert: EventsRefused, ingest: {condition: refused, window: 2s}}
      - {alert: EventsDropped, ingest: {condition: dropped, window: 2s}}
"""


def beat(dropped: int) -> dict[str, Any]:
    return {
        "event": "heartbeat",
        "event_id": f"beat-{dropped}",
        "producer": "shop-1",
        "service": "shop",
        "emitted": 10,
        "dropped": dropped,
        "occurred_at": story.now(),
    }


def built_in(service: Donewatch) -> dict[str, str]:
    """The verdicts of the rules about what comes in."""
    return {
        each["name"]: each["verdict"]
        for each in service.items("/rules")
        if each["name"] in BUILT_IN
    }


@pytest.mark.system
def test_alerts_about_what_comes_in_come_and_go(make: Make) -> None:
    service = make(rules=SOON_OVER).start()
    until(lambda: built_in(service) == dict.fromkeys(BUILT_IN, "ok"), what="a fresh system, well")
    assert service.api("/ingest")["troubles"] == []

    service.take(story.submit("order-1", service="shop"), beat(0))
    service.wait_counted()
    assert service.items("/alerts") == [], "nothing fires without cause"
    assert service.api("/ingest")["troubles"] == []

    answer = service.send([{"event": "transition", "workflow_type": "order"}, beat(3)])
    assert len(answer.json()["rejected"]) == 1
    refused = service.wait_alert("EventsRefused", "firing")
    assert refused["labels"]["reason"] == "missing"
    dropped = service.wait_alert("EventsDropped", "firing")
    assert (dropped["labels"]["service"], dropped["value"]) == ("shop", 3)
    found = service.api("/ingest")
    assert [each["what"] for each in found["troubles"]] == [
        "1 record was refused",
        "shop dropped 3 events",
    ]
    (row,) = found["rejected_by_reason"]
    assert row["field"] and row["detail"] and '"order"' in row["raw"]
    (collector,) = found["collectors"]
    assert collector["here"] and collector["rejected"] == {"missing": 1}

    service.wait_alert("EventsRefused", "resolved")
    service.wait_alert("EventsDropped", "resolved")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ClickHouseServer]:
    """A server that the test starts and kills."""
    found = ClickHouseServer(tmp_path / "clickhouse")
    yield found
    found.kill()


@pytest.mark.system
def test_a_spool_that_fills_while_the_store_is_away_is_told(
    make: Make, server: ClickHouseServer
) -> None:
    server.start()
    rule = """\
groups:
  - name: own
    interval: 200ms
    rules: [{alert: SpoolFilling, ingest: {condition: spool, more_than: 20%}}]
"""
    service = make(rules=rule, STORE__DSN=server.dsn, COLLECTOR__SPOOL_BYTES=200_000).start()
    until(lambda: built_in(service).get("SpoolFilling") == "ok")
    server.kill()
    for number in range(40):
        service.take(story.submit(f"order-{number}", reason="x" * 500))
    firing = service.wait_alert("SpoolFilling", "firing")
    assert 0.2 < firing["value"] <= 1.0
    found = service.api("/ingest")
    assert found["store_error"] and found["backlog"] == 40
    assert found["troubles"][0]["what"] == "The store does not answer"
    page = service.http.get(f"{service.pages}/ingest", headers={"Accept": "text/html"})
    assert page.status_code == 200 and "The store does not answer" in page.text

    server.start()
    until(lambda: service.api("/ingest")["backlog"] == 0, 60, what="an empty spool")
    service.wait_alert("SpoolFilling", "resolved")
    until(lambda: built_in(service)["CollectorSilent"] == "ok", what="a collector that is heard")


def view(name: str, filled: int) -> CollectorView:
    return CollectorView(
        collector=name, marked_at=now(), flushed_at=now(), pending_bytes=filled, limit_bytes=100
    )


class _Store:
    """Answers, or is away."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] | None = []

    def query(self, name: str, /, **parameters: Any) -> list[dict[str, Any]]:
        if self.rows is None:
            raise StoreUnavailable("away")
        return self.rows


def test_spools_of_others_stand_as_last_told() -> None:
    store = _Store()
    own = [view("own", 70)]
    ask = SpoolsSeen(cast(TenantStore, store), lambda: own)

    def seen() -> dict[str, int]:
        return {row["collector"]: row["pending_bytes"] for row in ask("spools")}

    told = {"pending": 0, "limit_bytes": 100}
    store.rows = [
        {"collector": "own", "pending_bytes": 1, **told},
        {"collector": "other", "pending_bytes": 60, **told},
    ]
    assert seen() == {"own": 70, "other": 60}
    store.rows = None
    assert seen() == {"own": 70, "other": 60}
    with pytest.raises(StoreUnavailable):
        ask("collector_reports")
    own.clear()
    with pytest.raises(StoreUnavailable):
        ask("spools")
    store.rows = []
    assert seen() == {}, "the other has left"


async def test_a_collector_tells_the_store_how_it_fares(
    database: Database, tmp_path: Path, tenant: str
) -> None:
    (tmp_path / "collector").write_text(tenant)
    limits = Limits(seal_seconds=0.0, retry_first=0.001, free_bytes=0)
    one = Collecting(database, tmp_path, limits=limits)
    store = TenantStore(database.connect(), tenant)

    def told() -> dict[str, Any]:
        one.publish()
        (row,) = [row for row in store.query("collector_reports") if row["collector"] == tenant]
        return row

    event = Event(
        tenant=tenant,
        event="visible",
        event_id="e",
        workflow_type="order",
        instance_id="o",
        occurred_at=now_us(),
        received_at=now_us(),
    )
    try:
        one.spool.start()
        one.register()
        with failing("insert:error"):
            reasons = {"missing": 2}
            await one.spool.submit([block_of([event])], (), received_at=now_us(), reasons=reasons)
            async with asyncio.timeout(30):
                while not one.spool.counts().failed_inserts:
                    await asyncio.sleep(0.001)
            behind = told()
            (here,) = one.collectors()
        async with asyncio.timeout(30):
            while not one.spool.empty or one.spool.counts().waiting:
                await asyncio.sleep(0.001)
        well = told()
    finally:
        one.spool.close()
    assert (behind["accepted"], behind["rejected"]) == (1, {"missing": 2})
    assert behind["pending"] == 1 and 0 < behind["pending_bytes"] < behind["limit_bytes"]
    assert behind["waiting_segments"] == 1 and behind["failed_inserts"] >= 1
    assert behind["trouble"] and behind["oldest_at"] is not None
    assert behind["flushed_at"] <= behind["oldest_at"]
    assert (here.pending, here.trouble) == (1, behind["trouble"])
    assert (well["pending"], well["pending_bytes"], well["waiting_segments"]) == (0, 0, 0)
    assert (well["segments"], well["trouble"], well["oldest_at"]) == (1, "", None)
    assert well["started_at"] == behind["started_at"] <= well["marked_at"]
    assert well["marked_at"] - well["flushed_at"] < timedelta(seconds=1)
