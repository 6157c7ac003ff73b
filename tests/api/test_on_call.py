"""What somebody who was woken up must not be told wrongly."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from api.ports import AlertView, RuleView
from tests.api import world as made_up
from tests.api.test_pages import Reader
from tests.api.world import NOW, World, ago, event

BLIND = AlertView(
    fingerprint="b11d",
    name="MonitoringBlind",
    state="firing",
    labels={"alertname": "MonitoringBlind", "severity": "page"},
    annotations={"summary": "donewatch has not seen for 5 min what happens"},
    value=400.0,
    threshold=60.0,
    unit="seconds",
    firing_since=ago(30),
)
BUILT_IN = RuleView(
    name="MonitoringBlind",
    group="donewatch",
    kind="blind",
    workflow="",
    verdict="ok",
    last_evaluation=ago(3),
    interval=15.0,
    source="built in",
)
BROKEN = RuleView(
    name="order.yaml",
    group="files that are not in force",
    kind="file",
    workflow="",
    verdict="error",
    reason="order.yaml:3:1: unknown key 'stats'",
)


async def read(client: httpx.AsyncClient, path: str) -> str:
    answer = await client.get(path, headers={"Accept": "text/html"})
    assert answer.status_code == 200, answer.text
    return re.sub(r"\s+", " ", Reader(answer.text).text)


async def test_an_alert_about_no_workflow_is_not_all_well(
    client: httpx.AsyncClient, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(made_up, "ALERTS", [BLIND])
    monkeypatch.setattr(
        made_up.FakeQuery, "open_by_state", lambda self, workflow, **_: [], raising=True
    )
    text = await read(client, "/")
    assert "1 alert fires." in text and "MonitoringBlind" in text and "All is well" not in text
    assert "6 min 40 s" in await read(client, "/alerts/b11d")


async def test_what_cannot_be_judged_is_not_all_well(
    client: httpx.AsyncClient, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(made_up, "ALERTS", [])
    monkeypatch.setattr(made_up, "RULES", [BUILT_IN, BROKEN])
    monkeypatch.setattr(made_up.FakeQuery, "open_by_state", lambda self, workflow, **_: [])
    text = await read(client, "/")
    assert "Nothing fires, but 1 rule cannot be judged" in text
    assert "unknown key 'stats'" in await read(client, "/alerts")


async def test_what_is_over_is_told_as_over(
    client: httpx.AsyncClient, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(made_up, "ALERTS", [])
    monkeypatch.setattr(made_up, "RULES", [BUILT_IN])
    monkeypatch.setattr(made_up.FakeQuery, "open_by_state", lambda self, workflow, **_: [])
    text = await read(client, "/?window=6h")
    assert "All is well now." in text
    assert "in the last 6 h: 9 illegal transitions" in text


async def test_what_pages_comes_before_what_can_wait(
    client: httpx.AsyncClient, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = replace(BLIND, name="Later", fingerprint="1", labels={"severity": "ticket"})
    newer = replace(BLIND, name="Newer", fingerprint="2", firing_since=ago(10))
    monkeypatch.setattr(made_up, "ALERTS", [ticket, newer, BLIND])
    for path in ("/", "/alerts"):
        text = await read(client, path)
        places = [text.index(name) for name in ("MonitoringBlind", "Newer", "Later")]
        assert places == sorted(places)


@pytest.mark.parametrize("path", ["/alerts", "/rules"])
async def test_the_built_in_rule_alone_is_not_enough(
    client: httpx.AsyncClient, world: World, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(made_up, "ALERTS", [])
    monkeypatch.setattr(made_up, "RULES", [BUILT_IN])
    text = await read(client, path)
    assert "No rule about a workflow is in force." in text and "workflow: order" in text


async def test_a_link_to_an_alert_of_long_ago_still_says_what_it_was(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = {"alertname": "OrderStuck", "workflow": "order"}
    past = [
        made_up.HistoryEntry(at=ago(90_500), state="firing", alert="OrderStuck", labels=labels),
        made_up.HistoryEntry(at=ago(90_000), state="ok", alert="OrderStuck", labels=labels),
    ]
    monkeypatch.setitem(made_up.HISTORY, "gone", past)
    text = await read(client, "/alerts/gone")
    assert "OrderStuck" in text and "after 8 min 20 s" in text
    assert "only its history is kept" in text
    answer = await client.get("/api/v1/alerts/gone")
    assert (answer.json()["state"], answer.json()["name"]) == ("resolved", "OrderStuck")
    assert (await client.get("/api/v1/alerts/never")).status_code == 404


async def test_what_is_newer_than_the_watermark_is_not_of_negative_age(
    client: httpx.AsyncClient, world: World
) -> None:
    world.mark.flushed = NOW - timedelta(days=1)
    for path in (
        "/",
        "/workflows/order",
        "/workflows/order/members?figure=stuck",
        "/instances",
        "/instances/order/order-1042",
    ):
        assert not re.search(r"-[\d.]+ (ms|s|min|h|d)\b", await read(client, path)), path
    found = (await client.get("/api/v1/workflows/order")).json()
    assert {state["oldest_age"] for state in found["states"]} == {0.0, None}


async def test_a_whole_id_leads_to_its_timeline(
    client: httpx.AsyncClient, html: dict[str, str]
) -> None:
    whole = await client.get("/instances?search=order-1042", headers=html)
    assert whole.status_code == 303
    assert whole.headers["location"] == "/instances/order/order-1042?environment=production"
    for path in ("/instances?search=order-104", "/instances?search=order-1042&which=open"):
        assert (await client.get(path, headers=html)).status_code == 200


async def test_a_page_asks_for_the_alerts_once(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    real = made_up.FakeAlerts.alerts

    def counted(self: Any) -> list[AlertView]:
        asked.append("alerts")
        return real(self)

    monkeypatch.setattr(made_up.FakeAlerts, "alerts", counted)
    await read(client, "/")
    assert asked == ["alerts"]


def _visit(**given: Any) -> dict[str, Any]:
    return {
        "environment": "production",
        "run": 1,
        "visit": 1,
        "state": "submitted",
        "status": "accepted",
        "terminal": False,
        "entered_at": ago(100),
        "exited_at": None,
        "dwell": 100.0,
        "link": "start",
        "action": "submit",
        "event_id": "event-0",
        "workflow_version": "3",
        "limit_seconds": None,
        "declared": 1,
        **given,
    }


def _run(**given: Any) -> dict[str, Any]:
    return {
        "environment": "production",
        "run": 1,
        "started_at": ago(100),
        "start_unseen": False,
        "ended_at": None,
        "ended_how": "open",
        "state": "submitted",
        "status": "accepted",
        "visible_at": None,
        "completed_at": None,
        **given,
    }


async def _instance(client: httpx.AsyncClient, name: str = "order-1042") -> dict[str, Any]:
    answer = await client.get(f"/api/v1/instances/order/{name}")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


async def test_the_wait_to_be_visible_is_the_end_of_the_story(
    client: httpx.AsyncClient, world: World
) -> None:
    end = {"terminal": True, "state": "completed", "status": "completed", "limit_seconds": 10.0}
    world.visits = [
        _visit(exited_at=ago(90), dwell=10.0),
        _visit(visit=2, entered_at=ago(90), dwell=90.0, event_id="event-1", **end),
    ]
    ended = {"ended_at": ago(75), "visible_at": ago(75), "completed_at": ago(90)}
    world.runs = [_run(ended_how="completed", state="completed", status="completed", **ended)]
    assert [visit["dwell"] for visit in (await _instance(client))["visits"]] == [10.0, 15.0]
    text = await read(client, "/instances/order/order-1042")
    assert "Completed, 25 s after its start." in text
    assert "Of that, 15 s until its user could see it." in text
    assert "15 s until visible" in text


STUCK = [
    pytest.param({}, ["run"], id="of the version it names"),
    pytest.param({"workflow_version": ""}, ["run"], id="without a version, of the newest"),
    pytest.param({"workflow_version": "99"}, [], id="a version that nobody has defined"),
]


@pytest.mark.parametrize(("visit", "stuck"), STUCK)
async def test_a_run_is_stuck_by_the_version_that_judges_it(
    client: httpx.AsyncClient,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    visit: dict[str, Any],
    stuck: list[str],
) -> None:
    world.visits = [_visit(entered_at=ago(90_000), dwell=90_000.0, **visit)]
    world.runs = [_run(started_at=ago(90_000))]
    assert (await _instance(client))["stuck"] == stuck
    # a probe is left out of this figure, however long it takes
    monkeypatch.setitem(made_up.STORIES, "p", [event("visible", ago(1), 0, actor_type="probe")])
    assert (await _instance(client, "p"))["stuck"] == []


async def test_the_timeline_tells_what_follows_from_what(
    client: httpx.AsyncClient, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    at, story = ago(50), {"instance_id": "tied"}
    move = {**story, "outcome": "", "key": ""}
    rows = [
        event("visible", at, 0, **story),
        event("job", at, 1, job_id="j", job_type="charge", job_state="started", **story),
        event("job", at, 2, job_id="j", job_type="charge", job_state="enqueued", **story),
        event("outbox", at, 3, outbox_id="m", outbox_state="recorded", **story),
        event("transition", at, 4, from_state="a", to_state="b", action="go", **move),
        event("transition", at, 5, from_state="", to_state="a", action="make", **move),
    ]
    monkeypatch.setitem(made_up.STORIES, "tied", rows)
    world.visits = [
        _visit(state="a", event_id="event-5", entered_at=at, exited_at=at, dwell=0.0),
        _visit(state="b", event_id="event-4", entered_at=at, visit=2, declared=0, dwell=50.0),
    ]
    world.runs = [_run(started_at=at)]
    found = await _instance(client, "tied")
    assert [entry["title"] for entry in found["events"]] == [
        "created in a",
        "a → b",
        "message recorded",
        "charge enqueued",
        "charge started",
        "visible to its user",
    ]
    undeclared = found["events"][1]
    assert (undeclared["tone"], undeclared["detail"]) == ("bad", "go, not declared")
