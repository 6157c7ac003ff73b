"""Alerts and rules, as the API shows them."""

from typing import Any

import httpx
import pytest

from tests.api.world import ALERTS, HOSTILE, RULES, World


async def get(client: httpx.AsyncClient, path: str, **query: Any) -> Any:
    answer = await client.get(f"/api/v1{path}", params=query or None)
    assert answer.status_code == 200, answer.text
    return answer.json()


FILTERS = [
    pytest.param({}, ["b2", "a1f3c0de", "d4", "c3", "e5"], id="all, firing first"),
    pytest.param({"state": "firing"}, ["b2", "a1f3c0de"], id="by state"),
    pytest.param({"workflow": "payout"}, ["e5"], id="by workflow"),
    pytest.param({"workflow": "none"}, [], id="of none"),
]


@pytest.mark.parametrize(("query", "found"), FILTERS)
async def test_alerts(client: httpx.AsyncClient, query: dict[str, str], found: list[str]) -> None:
    items = (await get(client, "/alerts", **query))["items"]
    assert [item["fingerprint"] for item in items] == found


@pytest.mark.parametrize("what", ["alerts", "rules", "alerts/a1f3c0de/history"])
async def test_lists_come_page_by_page(client: httpx.AsyncClient, what: str) -> None:
    whole = (await get(client, f"/{what}"))["items"]
    pages: list[Any] = []
    cursor = ""
    while cursor is not None:
        page = await get(client, f"/{what}", limit=2, cursor=cursor)
        pages += page["items"]
        cursor = page["next_cursor"]
    assert pages == whole
    assert len(whole) == {"alerts": len(ALERTS), "rules": len(RULES)}.get(what, 4)


async def test_one_alert_names_its_members_and_links_to_them(client: httpx.AsyncClient) -> None:
    found = await get(client, "/alerts/a1f3c0de")
    assert (found["state"], found["value"], found["members_total"]) == ("firing", 17.0, 17)
    assert found["firing_since"] == "2026-03-01T11:35:00Z"
    first, hostile = found["members"]
    assert first["page"] == "/instances/order/order-1042?environment=production"
    assert first["since"] == "2026-03-01T11:19:00Z"
    answer = await client.get(f"/api/v1{hostile['page']}")
    assert answer.json()["instance_id"] == HOSTILE


async def test_history_the_oldest_first(client: httpx.AsyncClient) -> None:
    items = (await get(client, "/alerts/a1f3c0de/history"))["items"]
    assert [item["state"] for item in items] == ["pending", "firing", "unknown", "firing"]
    assert items[2] == {
        "at": "2026-03-01T11:48:20Z",
        "state": "unknown",
        "value": None,
        "members_total": 0,
        "reason": "the store was away",
    }


async def test_history_outlives_the_alert(client: httpx.AsyncClient) -> None:
    assert len((await get(client, "/alerts/gone/history"))["items"]) == 1


async def test_rules_with_their_verdicts(client: httpx.AsyncClient) -> None:
    items = {item["name"]: item for item in (await get(client, "/rules"))["items"]}
    lag = items["OrderOutboxLag"]
    assert (lag["verdict"], lag["for"], lag["interval"]) == ("unknown", 60.0, 15.0)
    assert lag["reason"] == "the watermark has stopped 80 s ago"
    assert lag["alert_delay_seconds"] == 105.0
    assert (items["PayoutStuck"]["last_evaluation"], lag["unit"]) == (None, "seconds")
    broken = (await get(client, "/rules", verdict="error"))["items"]
    assert [item["name"] for item in broken] == ["PayoutStuck"]


async def test_no_rules_no_alerts(client: httpx.AsyncClient, world: World) -> None:
    world.empty = True
    for what in ("alerts", "rules", "workflows", "instances"):
        assert await get(client, f"/{what}") == {"items": [], "next_cursor": None}
