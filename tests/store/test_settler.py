"""One settlement after the other: pace, claims, departures and returns, definitions that change."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from lifecycle.definitions import Completion, Definition, Definitions, Edge, State, Status
from lifecycle.events import Event
from store import Database, TenantStore
from store.connection import Connection, to_microseconds
from store.definitions import save_definitions
from store.events import insert_events
from store.queries import query_text
from store.settling import Claimed, Settler
from store.settling.claim import LEASE
from store.settling.settler import Pace
from store.watermark import Mark, publish_mark, read_settled_watermark

NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = timedelta(hours=1)
PATH = ("submitted", "paying", "paid")

ORDER = Definition(
    workflow="order",
    version="1",
    states=(
        State(name="submitted", status=Status.ACCEPTED),
        State(name="paying", status=Status.PROCESSING, stuck_after=60.0),
        State(name="paid", status=Status.COMPLETED, terminal=True),
    ),
    edges=tuple(
        Edge(from_state=before, to_state=after, action="go")
        for before, after in pairwise(("", *PATH))
    ),
)


@dataclass
class Shop:
    """A tenant with one collector of its own."""

    connection: Connection
    tenant: str
    segment: int = 0

    def __post_init__(self) -> None:
        self.connection.command("TRUNCATE TABLE collector_marks")
        self.define(ORDER)

    def define(self, *definitions: Definition) -> None:
        save_definitions(self.connection, self.tenant, Definitions(definitions), datetime.now(UTC))

    def store(self, *events: Event, flushed: datetime = NOW, marked: bool = True) -> None:
        self.segment += 1
        rows = [
            replace(event, collector=self.tenant, segment=self.segment, position=position)
            for position, event in enumerate(events)
        ]
        insert_events(self.connection, rows, f"{self.tenant}/{self.segment}")
        if marked:
            self.mark(flushed)

    def mark(self, flushed: datetime = NOW) -> None:
        publish_mark(self.connection, Mark(self.tenant, datetime.now(UTC), flushed, self.segment))

    def event(self, instance: str, step: int, ago: float, **fields: Any) -> Event:
        """The transition into the state of that step, so many seconds ago."""
        at = to_microseconds(NOW - timedelta(seconds=ago))
        given: dict[str, Any] = {
            "event": "transition",
            "event_id": f"{instance}-{step}",
            "from_state": PATH[step - 1] if step else "",
            "to_state": PATH[step],
            "outcome": "committed",
            **fields,
        }
        return Event(
            tenant=self.tenant,
            workflow_type="order",
            instance_id=instance,
            environment="prod",
            occurred_at=at,
            received_at=at,
            **given,
        )

    def ask(self, figure: str, **parameters: Any) -> Sequence[dict[str, Any]]:
        """From what settlements wrote; the oracle must say the same."""
        own: dict[str, Any] = {"workflow": "order", "flushed": NOW, "settled": NOW}
        own |= {"from_": NOW - HOUR, "to": NOW, **parameters}
        found = TenantStore(self.connection, self.tenant).query(figure, **own)
        oracle = TenantStore(self.connection, self.tenant, "events").query(figure, **own)
        assert found == oracle
        return found

    def rows(self, table: str) -> int:
        found = self.connection.query(
            f"SELECT count() AS n FROM {table} FINAL WHERE tenant = {{tenant:String}}"
            if table == "open_instances"
            else f"SELECT count() AS n FROM {table} WHERE tenant = {{tenant:String}}",
            {"tenant": self.tenant},
        )
        return int(found[0]["n"])


@pytest.fixture
def shop(database: Database, tenant: str) -> Shop:
    return Shop(database.connect(), tenant)


HASTY = Pace(grace=10.0, between_departures=0.0)


def test_what_has_ended_departs_and_counts_as_before(shop: Shop) -> None:
    settler = Settler(shop.connection, pace=HASTY)
    shop.store(*(shop.event("done", step, 60 - step) for step in range(3)))
    shop.store(*(shop.event("open", step, 300) for step in range(1)))
    settler.settle(NOW)
    before = [
        shop.ask(figure)
        for figure in ("edges", "dwell", "completion_lag", "open_by_state", "stuck")
    ]
    settler.settle(NOW + timedelta(seconds=1))
    after = [
        shop.ask(figure)
        for figure in ("edges", "dwell", "completion_lag", "open_by_state", "stuck")
    ]
    assert (shop.rows("open_instances"), shop.rows("visits")) == (2, 3), "both at once"
    assert after == before, "counted once"
    settler.settle(NOW + timedelta(seconds=2))
    assert (shop.rows("open_instances"), shop.rows("visits")) == (1, 3)
    assert [shop.ask(each) for each in ("edges", "dwell", "completion_lag")] == before[:3]


def test_what_comes_late_brings_it_back(shop: Shop) -> None:
    settler = Settler(shop.connection, pace=HASTY)
    shop.store(*(shop.event("done", step, 600 - step) for step in (0, 2)))
    for second in range(3):
        settler.settle(NOW + timedelta(seconds=second))
    assert (shop.rows("open_instances"), shop.rows("visits")) == (0, 2)
    (gap,) = (row for row in shop.ask("edges") if row["from_state"] == "paying")
    shop.store(shop.event("done", 1, 599.5))
    settler.settle(NOW + timedelta(seconds=4))
    assert shop.rows("open_instances") == 1
    assert [row["count"] for row in shop.ask("edges")] == [1, 1, 1]
    for second in range(5, 8):
        settler.settle(NOW + timedelta(seconds=second))
    assert shop.rows("open_instances") == 0, "it departs again"
    assert shop.rows("visits") == 5, "two that count no longer, three that do"
    assert [row["count"] for row in shop.ask("edges")] == [1, 1, 1]
    assert gap["count"] == 1


def test_a_copy_sent_again_resurrects_nothing(shop: Shop) -> None:
    settler = Settler(shop.connection, pace=HASTY)
    created = shop.event("done", 0, 600)
    shop.store(created, shop.event("done", 1, 500), shop.event("done", 2, 400))
    for second in range(3):
        settler.settle(NOW + timedelta(seconds=second))
    assert shop.rows("open_instances") == 0
    shop.store(replace(created, received_at=to_microseconds(NOW)))
    settler.settle(NOW + timedelta(seconds=3))
    assert shop.ask("open_by_state") == []
    assert shop.ask("stuck", longer_than=1.0) == []


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_catching_up_goes_in_parts_and_the_watermark_with_them(shop: Shop, steps: int) -> None:
    settler = Settler(shop.connection, pace=Pace(rows=25 * steps))
    for number in range(75):
        shop.store(shop.event(f"o{number:02}", 0, 1000 - number), marked=False)
    shop.mark()
    reached = []
    for _ in range(10):
        settlement = settler.settle(NOW)
        reached.append(settlement.flushed_at)
        if not settlement.behind:
            break
    assert len(reached) == 3 // steps if 75 % (25 * steps) == 0 else 2
    assert reached == sorted(reached, key=lambda each: each or NOW)
    assert reached[-1] == NOW
    for each in reached[:-1]:
        assert each is not None
        assert each < NOW, "what is not settled yet is not claimed"
    assert shop.ask("open_by_state")[0]["open"] == 75


def test_without_anything_new_only_the_watermark_moves(shop: Shop) -> None:
    settler = Settler(shop.connection)
    shop.store(shop.event("o", 0, 100))
    first = settler.settle(NOW)
    shop.mark(NOW + timedelta(seconds=5))
    second = settler.settle(NOW + timedelta(seconds=5))
    assert (second.number, second.events) == (first.number + 1, 0)
    assert read_settled_watermark(shop.connection) == (NOW + timedelta(seconds=5), shop.tenant)


@pytest.mark.parametrize("departed", [False, True])
def test_a_definition_that_changes_works_all_out_again(shop: Shop, departed: bool) -> None:
    settler = Settler(shop.connection, pace=replace(HASTY, outdated=2))
    for number in range(5):
        shop.store(*(shop.event(f"o{number}", step, 600 - step) for step in range(3)))
    for second in range(3 if departed else 1):
        settler.settle(NOW + timedelta(seconds=second))
    assert shop.ask("completion_lag")[0]["completed"] == 5
    # now it is done only when its owner sees it, and nobody has
    shop.define(replace(ORDER, completion=Completion(visible=True)))
    again = 0
    while (settlement := settler.settle(NOW + timedelta(seconds=4))).behind:
        again += 1
        assert again < 10
    assert again >= 1, "in parts"
    assert settlement.structure[shop.tenant, "order"] != 0
    assert shop.ask("completion_lag")[0]["open"] == 5
    assert shop.ask("open_by_state")[0]["open"] == 5


def test_what_has_no_number_counts_once_it_is_ripe(shop: Shop) -> None:
    shop.define(replace(ORDER, order_by="sequence", lateness=30.0))
    settler = Settler(shop.connection)
    shop.store(shop.event("o", 0, 100, sequence=1), shop.event("o", 1, 10))
    settler.settle(NOW)
    lateness = timedelta(seconds=30)
    assert [row["state"] for row in shop.ask("open_by_state", settled=NOW - lateness)] == [
        "submitted"
    ]
    later = NOW + timedelta(seconds=25)
    shop.mark(later)
    settler.settle(later)
    assert [row["state"] for row in shop.ask("open_by_state", settled=later - lateness)] == [
        "paying"
    ]


def test_one_settles_and_the_other_waits(server_database: Database, tenant: str) -> None:
    shop = Shop(server_database.connect(), tenant)
    shop.store(shop.event("o", 0, 100))
    one = Settler(shop.connection, name=f"one-{tenant}")
    other = Settler(server_database.connect(), name=f"other-{tenant}")

    def interrupt(step: str) -> None:
        if step == "updated":
            with pytest.raises(Claimed, match="one-"):
                other.settle(NOW)
            raise KeyboardInterrupt

    dying = Settler(shop.connection, name=f"one-{tenant}", reach=interrupt)
    with pytest.raises(KeyboardInterrupt):
        dying.settle(NOW)
    with pytest.raises(Claimed):
        other.settle(NOW + LEASE / 2)
    taken = other.settle(NOW + LEASE + timedelta(seconds=1))
    assert shop.ask("open_by_state")[0]["open"] == 1
    following = one.settle(NOW + LEASE + timedelta(seconds=2))
    assert following.number == taken.number + 1, "who is free takes the next"


def test_a_settlement_that_takes_too_long_gives_up(
    server_database: Database, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop(server_database.connect(), tenant)
    shop.store(shop.event("o", 0, 100))
    clock = iter([0.0, *[LEASE.total_seconds()] * 50])
    monkeypatch.setattr("store.settling.settler.time.monotonic", lambda: next(clock))
    with pytest.raises(Exception, match="another process may be at it"):
        Settler(shop.connection, name=f"slow-{tenant}").settle(NOW)


def test_what_departed_is_swept_out(shop: Shop) -> None:
    for number in range(30):
        shop.store(*(shop.event(f"o{number}", step, 600 - step) for step in range(3)))
    shop.store(shop.event("open", 0, 100))
    settler = Settler(shop.connection, pace=HASTY)
    for second in range(3):
        settler.settle(NOW + timedelta(seconds=second))
    before = shop.connection.query(query_text("settling/held"), {})[0]
    assert before["rows"] > before["open"]
    # the table is shared with other tests: one row beyond what is open is enough
    settler = Settler(shop.connection, pace=replace(HASTY, leftovers=-before["open"]))
    assert settler.tidy()
    after = shop.connection.query(query_text("settling/held"), {})[0]
    assert after["rows"] == after["open"] == before["open"]
    assert not settler.tidy(), "there is nothing left to sweep"
    assert shop.ask("open_by_state")[0]["open"] == 1
