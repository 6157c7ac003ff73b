"""What the store tells operators about what comes in, embedded or server."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lifecycle.events import Event
from store import Database, TenantStore
from store.events import RejectedEvent, insert_events, insert_rejected
from store.reports import Report
from store.watermark import Mark, publish_mark
from tests.settled import settle

# rejected events expire, so the present has to be the present
NOW = datetime.now(UTC).replace(microsecond=0)
WINDOW = {"from_": NOW - timedelta(minutes=5), "to": NOW}


def micro(seconds_ago: float) -> int:
    return int((NOW.timestamp() - seconds_ago) * 1_000_000)


def event(tenant: str, ago: float, late: float = 0.0, **fields: Any) -> Event:
    """Received ``ago`` seconds before the present, ``late`` seconds after it happened."""
    values: dict[str, Any] = {
        "tenant": tenant,
        "event": "transition",
        "event_id": "e1",
        "workflow_type": "order",
        "instance_id": "o1",
        "occurred_at": micro(ago + late),
        "received_at": micro(ago),
        "to_state": "submitted",
        "outcome": "committed",
        "service": "shop",
        "environment": "test",
        "collector": "c1",
    }
    return Event(**(values | fields))


def beat(tenant: str, ago: float, dropped: int, producer: str = "p1", **fields: Any) -> Event:
    given = {
        "event": "heartbeat",
        "event_id": f"{producer}-{ago}",
        "workflow_type": "",
        "instance_id": "",
        "to_state": "",
        "outcome": "",
        "emitted": 1000,
        "dropped": dropped,
        "producer": producer,
    }
    return event(tenant, ago, **{**given, **fields})


@pytest.fixture
def store(database: Database, tenant: str) -> TenantStore:
    return TenantStore(database.connect(), tenant)


def keep(database: Database, tenant: str, *events: Event) -> None:
    insert_events(database.connect(), events, f"token-{tenant}")


DROPS = [
    pytest.param([(40, 0), (10, 0)], 0, id="nothing was dropped"),
    pytest.param([(400, 7), (10, 7)], 0, id="what was dropped before does not count again"),
    pytest.param([(400, 7), (40, 9), (10, 12)], 5, id="what was dropped since does"),
    pytest.param([(10, 3)], 3, id="a new producer begins with nothing"),
    pytest.param([(400, 50), (10, 3)], 3, id="less than before is a producer that was restarted"),
    pytest.param([(7200, 3), (10, 3)], 3, id="what was said over an hour before is forgotten"),
    pytest.param([(400, 2), (-10, 9)], 0, id="what comes after the window is not in it"),
]


@pytest.mark.parametrize(("said", "dropped"), DROPS)
def test_what_producers_dropped(
    database: Database,
    tenant: str,
    store: TenantStore,
    said: list[tuple[float, int]],
    dropped: int,
) -> None:
    keep(database, tenant, *(beat(tenant, ago, number) for ago, number in said))
    rows = store.query("producer_drops", **WINDOW)
    assert sum(row["dropped"] for row in rows) == dropped
    assert [(row["service"], row["environment"], row["producers"]) for row in rows] == (
        [("shop", "test", 1)] if dropped else []
    )


def test_heartbeats_that_overtake_each_other_drop_nothing(
    database: Database, tenant: str, store: TenantStore
) -> None:
    keep(
        database,
        tenant,
        beat(tenant, 100, 5, event_id="a"),
        beat(tenant, 20, 5, event_id="late", occurred_at=micro(60)),
        beat(tenant, 30, 6, event_id="early"),
        beat(tenant, 10, 6, event_id="copy", occurred_at=micro(30)),
    )
    (row,) = store.query("producer_drops", **WINDOW)
    assert row["dropped"] == 6


def test_clocks_are_told_by_service(database: Database, tenant: str, store: TenantStore) -> None:
    keep(
        database,
        tenant,
        *(event(tenant, 60, 2.0, event_id=f"a{number}") for number in range(9)),
        event(tenant, 60, -90.0, event_id="a-ahead"),
        event(tenant, 60, 86400.0, event_id="old", service="importer"),
        beat(tenant, 60, 0, service="slow", occurred_at=micro(180)),
        beat(tenant, 50, 0, service="slow", occurred_at=micro(175)),
        event(tenant, 900, -500.0, event_id="before the window", service="past"),
    )
    rows = {row["service"]: row for row in store.query("clock_skew", **WINDOW, longer_than=60.0)}
    assert list(rows) == ["slow", "shop", "importer"], "the worst comes first"
    shop = rows["shop"]
    assert (shop["events"], shop["median"], shop["least"], shop["ahead"]) == (10, 2.0, -90.0, 1)
    assert shop["heartbeat"] is None
    assert rows["importer"]["heartbeat"] is None and rows["importer"]["greatest"] == 86400.0
    assert rows["slow"]["heartbeat"] == 120.0


CONFLICTS = [
    pytest.param({}, 0, id="a copy is none"),
    pytest.param({"to_state": "paid"}, 1, id="other content is one"),
    pytest.param({"to_state": "paid", "instance_id": "o2"}, 0, id="of another instance it is none"),
    pytest.param({"to_state": "paid", "environment": "x"}, 0, id="nor of another environment"),
    pytest.param(
        {"to_state": "paid", "received_at": micro(900)}, 0, id="nor where one came long before"
    ),
]


@pytest.mark.parametrize(("other", "conflicts"), CONFLICTS)
def test_the_same_id_with_other_content(
    database: Database, tenant: str, store: TenantStore, other: dict[str, Any], conflicts: int
) -> None:
    at = {"occurred_at": micro(1000)}
    keep(database, tenant, event(tenant, 60, **at), event(tenant, 30, **{**at, **other}))
    rows = store.query("content_conflicts", **WINDOW, every=1)
    assert [(row["conflicts"], row["instance_id"], row["event_id"]) for row in rows] == (
        [(conflicts, "o1", "e1")] if conflicts else []
    )


def test_of_many_ids_a_part_stands_for_all(
    database: Database, tenant: str, store: TenantStore
) -> None:
    batch = [
        event(tenant, ago, event_id=f"e{number}", to_state=state, occurred_at=micro(1000))
        for number in range(2000)
        for ago, state in ((60, "submitted"), (30, "paid"))
    ]
    keep(database, tenant, *batch)
    (exact,) = store.query("content_conflicts", **WINDOW, every=1)
    (estimate,) = store.query("content_conflicts", **WINDOW, every=4)
    assert exact["conflicts"] == 2000
    assert 1600 <= estimate["conflicts"] <= 2400


def test_what_was_refused_shows_the_newest(
    database: Database, tenant: str, store: TenantStore
) -> None:
    def refused(ago: float, number: int) -> RejectedEvent:
        return RejectedEvent(
            tenant=tenant,
            received_at=micro(ago),
            collector="c1",
            door="native",
            position=number,
            field="to",
            reason="missing",
            detail=f"{number} lacks to",
            raw="é" * 3000 + str(number),
        )

    insert_rejected(database.connect(), [refused(9, 1), refused(3, 2), refused(6, 3)])
    (row,) = store.query("rejected_by_reason", **WINDOW)
    assert (row["count"], row["detail"], row["collector"], row["door"]) == (
        3,
        "2 lacks to",
        "c1",
        "native",
    )
    assert row["raw"] == "é" * 2000, "as much as can be shown"


def test_a_collector_tells_how_it_fares(database: Database, store: TenantStore) -> None:
    connection = database.connect()
    connection.command("TRUNCATE TABLE collector_marks")
    told = Report(
        started_at=NOW,
        accepted=2**40,
        rejected={"missing": 3, "type": 1},
        quarantined={"event": 2},
        quarantine_files=2,
        pending=17,
        pending_bytes=5000,
        limit_bytes=10_000,
        waiting_segments=3,
        oldest_at=NOW - timedelta(seconds=8),
        resent_since=NOW - timedelta(seconds=9),
        segments=4,
        failed_inserts=5,
        failed_writes=6,
        damaged=7,
        torn_bytes=8,
        trouble="it's \\away\n",
    )
    publish_mark(connection, Mark("old", NOW, NOW, 4))
    publish_mark(connection, Mark("new", NOW, NOW, 4), told)
    publish_mark(connection, Mark("gone", NOW, NOW, 4, retired=True), told)
    rows = {row["collector"]: row for row in store.query("collector_reports")}
    assert list(rows) == ["gone", "new", "old"]
    for name in Report.__dataclass_fields__:
        assert rows["new"][name] == getattr(told, name), name
    assert rows["old"]["started_at"] is None and rows["old"]["rejected"] == {}
    assert [row["collector"] for row in store.query("spools")] == ["new", "old"]
    assert store.query("spools")[0]["pending_bytes"] == 5000
    publish_mark(connection, Mark("new", NOW + timedelta(1), NOW, 4, retired=True))
    assert [row["collector"] for row in store.query("spools")] == ["old"]


def test_the_last_settlement_tells_what_it_took(
    database: Database, tenant: str, store: TenantStore
) -> None:
    keep(database, tenant, event(tenant, 5, collector=tenant, segment=1))
    done = settle(database.connect())
    (row,) = store.query("last_settlement")
    assert (row["settlement"], row["settled_at"], row["flushed_at"]) == (
        done.number,
        done.settled_at,
        done.flushed_at,
    )
    assert row["events"] >= 1 and row["instances"] >= 1 and row["seconds"] > 0
