"""Finding instances, and everything about one."""

from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.api.world import HOSTILE, NOW, SLASHES, STORIES, TRACE, World


def path(instance_id: str) -> str:
    return f"/api/v1/instances/order/{quote(instance_id, safe='')}"


async def get(client: httpx.AsyncClient, url: str, **query: Any) -> Any:
    answer = await client.get(url, params=query or None)
    assert answer.status_code == 200, answer.text
    return answer.json()


FILTERS = [
    pytest.param({}, 7, id="all that have a state"),
    pytest.param({"workflow": "payout"}, 0, id="of a type"),
    pytest.param({"state": "completed"}, 3, id="in a state"),
    pytest.param({"status": "processing"}, 4, id="of a status"),
    pytest.param({"stuck": "true"}, 1, id="stuck"),
    pytest.param({"stuck": "false", "open": "true"}, 4, id="open and not stuck"),
    pytest.param({"open": "false"}, 2, id="ended"),
    pytest.param({"older_than": "15m"}, 1, id="older than a duration"),
    pytest.param({"older_than": "60"}, 5, id="older than seconds"),
    pytest.param({"search": "ORDER-10"}, 3, id="a part of the id, in any case"),
    pytest.param({"environment": "staging"}, 0, id="of an environment"),
]


@pytest.mark.parametrize(("query", "number"), FILTERS)
async def test_filters(client: httpx.AsyncClient, query: dict[str, str], number: int) -> None:
    found = await get(client, "/api/v1/instances", **query)
    assert len(found["items"]) == number


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
async def test_every_instance_comes_once_whatever_the_page(
    client: httpx.AsyncClient, limit: int
) -> None:
    seen: list[str] = []
    cursor = ""
    while True:
        page = await get(client, "/api/v1/instances", limit=limit, cursor=cursor)
        assert len(page["items"]) <= limit
        seen += [item["instance_id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 7
    assert set(seen) == STORIES.keys() - {"probe-1"}


async def test_a_row(client: httpx.AsyncClient) -> None:
    (row,) = (await get(client, "/api/v1/instances", stuck="true"))["items"]
    assert row == {
        "workflow": "order",
        "environment": "production",
        "instance_id": "order-1042",
        "run": 1,
        "state": "payment_pending",
        "status": "processing",
        "open": True,
        "stuck": True,
        "stuck_cause": "state",
        "workflow_version": "3",
        "entered_at": "2026-03-01T11:19:00.200000Z",
        "run_started_at": "2026-03-01T11:18:59Z",
        "ended_at": None,
        "age": 2459.8,
        "probe": False,
        "service": "orders",
        "trace_id": TRACE,
        "limit_seconds": 900.0,
        "leg": None,
        "page": "/instances/order/order-1042?environment=production",
    }


async def test_what_holds_each_where_asked_for(client: httpx.AsyncClient) -> None:
    items = (await get(client, "/api/v1/instances", legs="true"))["items"]
    for item in items:
        one = await get(client, "/api/v1" + item["page"])
        assert item["leg"] == (one["leg"] if item["open"] else None)
    assert sum(item["leg"] is not None for item in items) == 5


async def test_what_holds_a_stuck_instance_in_words(client: httpx.AsyncClient) -> None:
    found = await get(client, path("order-1042"))
    assert found["leg"]["leg"] == "retry_wait"
    assert found["leg"]["sentence"] == (
        "waiting 41 min for the payment provider; "
        "3 attempts failed with timeout; next retry unknown"
    )
    assert found["stuck"] == ["state"] and found["open"] is True
    assert found["product"]["message"] == "We are waiting for your bank."
    assert [visit["state"] for visit in found["visits"]] == ["submitted", "payment_pending"]
    (job,) = found["jobs"]
    assert (job["state"], job["failures"], job["errors"]) == ("failed", 3, ["timeout"])
    assert [(each["outbox_id"], each["state"]) for each in found["outbox"]] == [
        ("msg-77", "acknowledged")
    ]
    assert [alert["name"] for alert in found["alerts"]] == ["OrderStuckInPayment"]
    assert found["links"] == {
        "instance": "https://admin.example/orders/order-1042",
        "runbook": "https://runbooks.example/order",
    }


async def test_the_timeline_merges_every_event_in_order(client: httpx.AsyncClient) -> None:
    events = (await get(client, path("order-1042")))["events"]
    assert [event["title"] for event in events][:5] == [
        "created in submitted",
        "submitted → payment_pending",
        "message recorded",
        "message dispatched",
        "charge_card enqueued",
    ]
    assert events[0]["gap"] is None and events[1]["gap"] == pytest.approx(1.2)
    assert events[1]["trace_url"] == f"https://traces.example/trace/{TRACE}"
    raw = events[1]["fields"]
    assert (raw["from"], raw["to"], raw["action"]) == (
        "submitted",
        "payment_pending",
        "request_payment",
    )
    assert raw["occurred_at"] == "2026-03-01T11:19:00.200000Z"
    assert "tenant" not in raw and "job_id" not in raw


async def test_an_undeclared_transition_is_marked(client: httpx.AsyncClient) -> None:
    events = (await get(client, path("order-2000")))["events"]
    assert (events[1]["tone"], events[1]["detail"]) == ("bad", "fulfil, not declared")


async def test_finished_and_not_visible_is_held_by_the_read_model(
    client: httpx.AsyncClient,
) -> None:
    found = await get(client, path("order-1050"))
    assert found["leg"]["leg"] == "read_model" and found["open"] is True


async def test_a_finished_instance_is_held_by_nothing(client: httpx.AsyncClient) -> None:
    found = await get(client, path("order-1001"))
    assert (found["leg"], found["legs"], found["open"]) == (None, [], False)


async def test_an_instance_without_transitions(client: httpx.AsyncClient) -> None:
    found = await get(client, path("probe-1"))
    assert found["visits"] == [] and found["product"]["status"] is None


async def test_only_the_newest_events_are_listed(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.instance.MOST_EVENTS", 3)
    found = await get(client, path("order-1042"))
    assert (len(found["events"]), found["events_total"]) == (3, 12)
    assert found["events"][0]["gap"] == pytest.approx(30.0)


async def test_the_run_limit_makes_stuck_as_well(client: httpx.AsyncClient, world: World) -> None:
    visits = (await get(client, path("order-1042")))["visits"]
    assert visits
    world.runs = [
        {
            "environment": "production",
            "run": 1,
            "started_at": NOW.replace(month=2, day=1),
            "start_unseen": unseen,
            "ended_at": None,
            "ended_how": "open",
            "state": "payment_pending",
            "status": "processing",
            "visible_at": None,
            "completed_at": None,
        }
        for unseen in (False,)
    ]
    assert (await get(client, path("order-1042")))["stuck"] == ["state", "run"]
    world.runs[0]["start_unseen"] = True
    assert (await get(client, path("order-1042")))["stuck"] == ["state"]


PATHS = [
    pytest.param(path(SLASHES), SLASHES, id="an id that ends in /status, encoded"),
    pytest.param(path(HOSTILE), HOSTILE, id="an id with every hostile character"),
    pytest.param("/api/v1/instances/order/?id=..", "..", id="an id that a path cannot carry"),
]


@pytest.mark.parametrize(("url", "instance_id"), PATHS)
async def test_ids_may_hold_anything(client: httpx.AsyncClient, url: str, instance_id: str) -> None:
    assert (await get(client, url))["instance_id"] == instance_id


async def test_the_status_of_an_id_that_ends_in_status(client: httpx.AsyncClient) -> None:
    found = await get(client, f"{path(SLASHES)}/status")
    assert (found["instance_id"], found["status"]) == (SLASHES, "processing")


async def test_unencoded_slashes_are_understood(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/v1/instances/order/eu/7%2Fstatus")
    assert answer.json()["instance_id"] == SLASHES


@pytest.mark.parametrize("instance_id", [HOSTILE, SLASHES, "..", "order-1042"])
async def test_the_page_of_every_listed_row_is_found(
    client: httpx.AsyncClient, instance_id: str, html: dict[str, str]
) -> None:
    rows = (await get(client, "/api/v1/instances"))["items"]
    (row,) = [row for row in rows if row["instance_id"] == instance_id]
    answer = await client.get(row["page"], headers=html)
    assert answer.status_code == 200 and "Timeline" in answer.text
