"""What the stream of events asks, over real stores."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lifecycle.events import Event
from store import Database, TenantStore
from store.events import insert_events

NOW = datetime.now(UTC).replace(microsecond=0)
MICRO = int(NOW.timestamp() * 1_000_000)


def event(tenant: str, name: str, received: int, **given: Any) -> Event:
    """An event received so many microseconds after ``NOW``."""
    base: dict[str, Any] = {
        "tenant": tenant,
        "event": "transition",
        "event_id": name,
        "workflow_type": "order",
        "instance_id": name,
        "occurred_at": MICRO - 5_000_000,
        "received_at": MICRO + received,
        "to_state": "submitted",
        "collector": "a",
        "segment": 1,
    }
    return Event(**base | given)


@pytest.fixture
def store(database: Database, tenant: str, new_tenant: Callable[[], str]) -> TenantStore:
    connection = database.connect()
    events = [
        event(tenant, "fourth", 2, collector="b", segment=2, position=0),
        event(tenant, "first", 1, position=3),
        event(tenant, "second", 1, position=4, workflow_type="payout", environment="staging"),
        event(tenant, "third", 2, segment=10, position=1, event="visible", to_state=""),
        event(tenant, "fifth", 3),
        event(new_tenant(), "of another tenant", 2),
    ]
    for number, each in enumerate(events):
        insert_events(connection, [each], f"{tenant}-{number}")
    return TenantStore(connection, tenant)


def asked(store: TenantStore, **given: Any) -> list[str]:
    window = {"from_": NOW, "to": NOW + timedelta(seconds=1)}
    return [row["event_id"] for row in store.query("recent_events", **window | given)]


ASKED = [
    pytest.param({}, ["first", "second", "third", "fourth", "fifth"], id="by arrival"),
    pytest.param({"limit": 2}, ["first", "second"], id="a page"),
    pytest.param({"workflow_type": "payout"}, ["second"], id="one workflow"),
    pytest.param({"instance_id": "fifth"}, ["fifth"], id="one instance"),
    pytest.param({"kinds": ["visible", "job"]}, ["third"], id="kinds"),
    pytest.param({"environments": ["staging", "x"]}, ["second"], id="environments"),
    pytest.param(
        {"to": NOW + timedelta(microseconds=3)},
        ["first", "second", "third", "fourth"],
        id="the end is left out",
    ),
    pytest.param(
        {"from_": NOW + timedelta(microseconds=2)},
        ["third", "fourth", "fifth"],
        id="the start is included",
    ),
]


@pytest.mark.parametrize(("given", "found"), ASKED)
def test_recent_events(store: TenantStore, given: dict[str, Any], found: list[str]) -> None:
    assert asked(store, **given) == found


def test_one_after_the_other_and_none_twice(store: TenantStore) -> None:
    found: list[str] = []
    position: dict[str, Any] = {}
    while rows := store.query(
        "recent_events", **{"from_": NOW, "to": NOW + timedelta(1), "limit": 1} | position
    ):
        (row,) = rows
        found.append(row["event_id"])
        position = {
            "from_": row["received_at"],
            "after_collector": row["collector"],
            "after_segment": row["segment"],
            "after_position": row["position"],
        }
    assert found == ["first", "second", "third", "fourth", "fifth"]
