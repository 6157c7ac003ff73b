"""What every store must do, embedded or server."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from lifecycle.definitions import Definition, Definitions
from lifecycle.errors import StoreRefused, StoreUnavailable
from lifecycle.events import EVENT_COLUMNS, Event
from store import Database, TenantStore
from store.alerts import AlertTable, SavedAlert, SavedChange
from store.connection import Bounds, Connection
from store.definitions import save_definitions
from store.events import RejectedEvent, insert_events, insert_rejected
from store.migrations import all_migrations
from store.queries import query_names, query_text
from store.watermark import (
    Mark,
    known_collectors,
    last_mark,
    last_segment,
    publish_mark,
    read_watermark,
)

# rejected events expire, so the present has to be the present
NOW = datetime.now(UTC).replace(microsecond=0)
MICRO = int(NOW.timestamp() * 1_000_000)


_PLAUSIBLE: dict[str, object] = {
    "String": "",
    "Int64": 0,
    "UInt8": 0,
    "UInt32": 60,
    "UInt64": 0,
    "Float64": 0.5,
    "Array(String)": [],
    "Array(UInt8)": [],
    "Array(Nullable(Float64))": [],
    "Array(Nullable(Int64))": [],
    "Nullable(Float64)": 0.0,
    "Nullable(Int64)": None,
    "Nullable(UInt8)": None,
}
_NOT_OF_A_TENANT = (
    "watermark",
    "collectors",
    "last_mark",
    "last_segment",
    "collector_reports",
    "spools",
    "last_settlement",
)


def event(tenant: str, **fields: object) -> Event:
    values: dict[str, object] = {
        "tenant": tenant,
        "event": "transition",
        "event_id": "e1",
        "workflow_type": "order",
        "instance_id": "o1",
        "occurred_at": MICRO,
        "received_at": MICRO,
        "to_state": "submitted",
        "outcome": "committed",
        "collector": "c1",
    }
    return Event(**(values | fields))  # type: ignore[arg-type]


def test_every_column_comes_back_as_it_went_in(database: Database, tenant: str) -> None:
    texts = {
        name: f"{name} 'quoted' \\ \t é 🚀 \x00"
        for name in EVENT_COLUMNS
        if Event.__dataclass_fields__[name].type in ("str", str)
        and name not in ("tenant", "event", "workflow_type", "instance_id", "event_id", "collector")
    }
    numbers = {
        "sequence": -(2**63),
        "attempt": 2**63 - 1,
        "max_attempts": 0,
        "basis_sequence": None,
        "entered_at": MICRO - 1,
        "scheduled_at": None,
        "position": 7,
        "segment": 9,
    }
    connection = database.connect()
    insert_events(connection, [event(tenant, **texts, **numbers)], "t1" + tenant)
    rows = TenantStore(connection, tenant).query(
        "instance_events", workflow="order", instance_id="o1", environments=[]
    )
    assert len(rows) == 1
    row = rows[0]
    for name, value in texts.items():
        if name in row:
            assert row[name] == value
    assert row["sequence"] == -(2**63)
    assert row["attempt"] == 2**63 - 1
    assert row["max_attempts"] == 0
    assert row["basis_sequence"] is None
    assert row["entered_at"] == NOW - timedelta(microseconds=1)
    assert row["occurred_at"] == row["received_at"] == row["effective_at"] == NOW
    assert row["effective_at"].tzinfo is not None


def test_the_same_token_again_adds_nothing(database: Database, tenant: str) -> None:
    connection = database.connect()
    batch = [event(tenant, event_id=f"e{i}", instance_id=f"o{i}") for i in range(100)]
    for _ in range(3):
        insert_events(connection, batch, f"token-{tenant}")
    rows = TenantStore(connection, tenant).query("workflows")
    assert [row["events"] for row in rows] == [100]


def test_without_a_token_an_equal_batch_is_another_batch(database: Database, tenant: str) -> None:
    connection = database.connect()
    insert_events(connection, [event(tenant)], f"a-{tenant}")
    insert_events(connection, [event(tenant)], f"b-{tenant}")
    store = TenantStore(connection, tenant, "events")
    assert store.query("workflows")[0]["events"] == 2
    moment = NOW + timedelta(seconds=1)
    edges = store.query(
        "edges", workflow="order", environments=[], from_=NOW - timedelta(1), to=moment
    )
    assert [edge["count"] for edge in edges] == [1], "the same event id counts once"


def test_a_batch_over_midnight_is_one_batch(database: Database, tenant: str) -> None:
    connection = database.connect()
    midnight = datetime(2026, 3, 2, tzinfo=UTC)
    batch = [
        event(tenant, event_id=f"e{i}", received_at=int((midnight.timestamp() + i - 5) * 1_000_000))
        for i in range(10)
    ]
    for _ in range(2):
        insert_events(connection, batch, f"token-{tenant}")
    assert TenantStore(connection, tenant).query("workflows")[0]["events"] == 10


def test_tenants_do_not_see_each_other(database: Database, new_tenant: Callable[[], str]) -> None:
    one, other = new_tenant(), new_tenant()
    connection = database.connect()
    insert_events(connection, [event(one)], f"token-{one}")
    for name in query_names():
        if name in _NOT_OF_A_TENANT:
            continue
        wanted = dict(re.findall(r"\{(\w+):([\w()]+)\}", query_text(name)))
        parameters = {key: _PLAUSIBLE[kind] for key, kind in wanted.items() if key != "tenant"}
        parameters |= {key: "order" for key in wanted if key == "workflow"}
        parameters |= {key: NOW + timedelta(1) for key in wanted if key in ("to", "flushed")}
        if name == "instances":
            parameters = {"workflow": "order", "flushed": NOW, "settled": NOW}
        mine = TenantStore(connection, one).query(name, **parameters)
        theirs = TenantStore(connection, other).query(name, **parameters)
        assert theirs == [] or (len(theirs) == 1 and not any(_counts(theirs[0]))), name
        assert isinstance(mine, list)


def _counts(row: dict[str, object]) -> list[object]:
    # settlements are numbered for all tenants together
    return [value for name, value in row.items() if value and name != "settlement"]


def test_rejected_events_are_kept_and_counted(database: Database, tenant: str) -> None:
    connection = database.connect()
    rejected = RejectedEvent(
        tenant=tenant,
        received_at=MICRO,
        collector="c1",
        door="native",
        position=3,
        field="to",
        reason="missing",
        detail="field 'to' is missing",
        raw="{}",
    )
    insert_rejected(connection, [rejected, rejected])
    rows = TenantStore(connection, tenant).query(
        "rejected_by_reason", from_=NOW - timedelta(1), to=NOW + timedelta(1)
    )
    assert [(row["reason"], row["field"], row["count"]) for row in rows] == [("missing", "to", 2)]


@pytest.fixture
def unmarked(database: Database) -> Connection:
    """A store that no collector has marked: marks belong to no tenant, other tests leave theirs."""
    connection = database.connect()
    connection.command("TRUNCATE TABLE collector_marks")
    return connection


def test_the_watermark_is_that_of_the_slowest_collector(unmarked: Connection) -> None:
    connection = unmarked
    early, late = NOW - timedelta(days=3), NOW - timedelta(days=2)
    publish_mark(connection, Mark("slow", NOW, early, 4))
    publish_mark(connection, Mark("fast", NOW, late, 9))
    assert read_watermark(connection) == (early, "slow")
    assert last_segment(connection, "fast") == 9
    publish_mark(connection, Mark("slow", NOW + timedelta(1), early, 4, retired=True))
    assert read_watermark(connection) == (late, "fast")
    publish_mark(connection, Mark("fast", NOW + timedelta(1), late, 9, retired=True))
    assert read_watermark(connection) == (late, "fast"), "what they said still holds"
    assert last_segment(connection, "never seen") == 0


def test_only_a_later_mark_counts(unmarked: Connection) -> None:
    connection = unmarked
    assert last_mark(connection, "stepping") is None
    publish_mark(connection, Mark("stepping", NOW, NOW, 1))
    publish_mark(connection, Mark("stepping", NOW - timedelta(hours=1), NOW + timedelta(1), 2))
    assert last_mark(connection, "stepping") == Mark("stepping", NOW, NOW, 1)
    assert read_watermark(connection) == (NOW, "stepping")
    assert "stepping" in known_collectors(connection)
    retired = Mark("stepping", NOW + timedelta(1), NOW, 2, retired=True)
    publish_mark(connection, retired)
    assert last_mark(connection, "stepping") == retired
    assert "stepping" not in known_collectors(connection)


def test_definitions_in_force_survive_a_clock_stepped_back(database: Database, tenant: str) -> None:
    connection = database.connect()

    def definitions(version: str) -> Definitions:
        return Definitions(
            (Definition(workflow="order", version=version, states=(), edges=(), source=version),)
        )

    def in_force() -> list[str]:
        rows = connection.query(query_text("definitions_in_force"), {"tenant": tenant})
        return [row["workflow_version"] for row in rows]

    assert save_definitions(connection, tenant, definitions("1"), NOW)
    assert not save_definitions(connection, tenant, definitions("1"), NOW)
    assert save_definitions(connection, tenant, definitions("2"), NOW - timedelta(days=1))
    assert in_force() == ["2"]
    assert save_definitions(connection, tenant, Definitions(), NOW)
    assert in_force() == [""]


def test_alerts_are_read_back_as_saved_last(database: Database, tenant: str) -> None:
    connection = database.connect()
    table = AlertTable(connection, tenant)
    change = SavedChange("f1", "OrderStuck", NOW, "it fires")
    table.save([SavedAlert("f1", "one"), SavedAlert("f2", "two")], [change], NOW)
    table.save([SavedAlert("f1", "three")], [], NOW - timedelta(days=1))
    again = AlertTable(connection, tenant)
    assert again.load() == ["three", "two"]
    again.save([SavedAlert("f2", "", removed=True)], [], NOW - timedelta(days=2))
    assert AlertTable(connection, tenant).load() == ["three"]
    assert again.history("f1") == ["it fires"]
    assert again.history("f2") == []


def test_a_call_beyond_its_bounds_is_unavailable(database: Database) -> None:
    slow = "SELECT sum(sleepEachRow(0.1)) FROM numbers(100) SETTINGS max_block_size = 1"
    with pytest.raises(StoreUnavailable, match=r"TIMEOUT|exceeded|160"):
        database.connect(Bounds(seconds=1)).query(slow, {})
    greedy = "SELECT count() FROM (SELECT DISTINCT number FROM numbers(20000000))"
    with pytest.raises(StoreUnavailable, match=r"(?i)memory"):
        database.connect(Bounds(memory=50_000_000)).query(greedy, {})


def test_migrations_are_applied_once(database: Database) -> None:
    assert database.migrate(NOW) == []
    numbers = [migration.number for migration in all_migrations()]
    assert numbers == list(range(1, len(numbers) + 1))


def test_a_store_of_a_newer_version_is_refused(database: Database) -> None:
    connection = database.connect()
    columns = ["number", "name", "applied_at"]
    connection.insert("migrations", columns, [[9999], ["from_the_future"], [MICRO]])
    try:
        with pytest.raises(StoreRefused, match=r"has migration 9999.*knows only up to"):
            database.migrate(NOW)
    finally:
        connection.command(
            "DELETE FROM migrations WHERE number = 9999 SETTINGS lightweight_deletes_sync = 2"
        )


@pytest.mark.parametrize(
    ("question", "parameters", "message"),
    [
        pytest.param("stuck", {"workflow": "order"}, "flushed", id="a parameter is missing"),
        pytest.param(
            "edges",
            {"workflow": "order", "environments": 3, "from_": NOW, "to": NOW},
            "environments",
            id="a parameter has the wrong type",
        ),
    ],
)
def test_a_question_asked_wrongly_is_refused_and_harms_nothing(
    database: Database, tenant: str, question: str, parameters: dict[str, object], message: str
) -> None:
    store = TenantStore(database.connect(), tenant)
    with pytest.raises(StoreRefused, match=message):
        store.query(question, **parameters)
    assert store.query("workflows") == []


def test_a_question_nobody_knows_names_those_there_are(database: Database, tenant: str) -> None:
    with pytest.raises(KeyError, match="open_by_state"):
        TenantStore(database.connect(), tenant).query("no_such_question")


def test_who_still_asks_when_the_store_is_closed_opens_nothing(
    server_database: Database, tenant: str
) -> None:
    """An evaluation outlives the service's end; the data may be another process's by then."""
    database = Database(server_database.location, None)
    connection = database.connect()
    assert TenantStore(connection, tenant).query("workflows") == []
    database.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        TenantStore(connection, tenant).query("workflows")
    with pytest.raises(StoreUnavailable, match="closed"):
        insert_events(connection, [event(tenant)], "late")
    with pytest.raises(StoreUnavailable, match="closed"):
        database.connect().command("SELECT 1")
