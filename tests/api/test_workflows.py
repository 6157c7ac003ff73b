"""The figures of workflow types."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from tests.api.world import NOW, TRACE, World


async def get(client: httpx.AsyncClient, path: str, **query: Any) -> Any:
    answer = await client.get(f"/api/v1{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_every_type_is_listed_by_name_with_its_health(client: httpx.AsyncClient) -> None:
    found = await get(client, "/workflows")
    assert [row["workflow"] for row in found["items"]] == ["order", "payout"]
    order, payout = found["items"]
    assert found["next_cursor"] is None
    assert (order["open"], order["stuck"], order["alerts_firing"]) == (312, 17, 2)
    assert order["statuses"] == {"accepted": 38, "processing": 265, "blocked": 6, "completed": 3}
    assert order["concerns"] == ["17 stuck"]
    assert order["lately"] == ["9 illegal transitions", "completion misses its objective"]
    assert payout["concerns"] == [] and payout["version"] is None
    assert order["last_at"] == "2026-03-01T11:59:59Z"


async def test_a_type_page_by_page(client: httpx.AsyncClient) -> None:
    first = await get(client, "/workflows", limit=1)
    second = await get(client, "/workflows", limit=1, cursor=first["next_cursor"])
    assert [page["items"][0]["workflow"] for page in (first, second)] == ["order", "payout"]
    assert second["next_cursor"] is None


async def test_one_type_has_the_documented_shape(client: httpx.AsyncClient) -> None:
    found = await get(client, "/workflows/order")
    states = {state["name"]: state for state in found["states"]}
    assert list(states)[:4] == ["submitted", "payment_pending", "review", "paid"]
    pending = states["payment_pending"]
    assert (pending["status"], pending["open"], pending["stuck"]) == ("processing", 214, 17)
    assert pending["dwell"] == {"p50": 4.2, "p95": None, "p99": None, "oldest": 2460.0}
    assert pending["oldest_age"] == 2460.0
    assert states["failed"]["open"] == 0
    edges = {(edge["from"], edge["to"], edge["action"]): edge for edge in found["edges"]}
    assert edges["submitted", "completed", "fulfil"]["declared"] is False
    assert edges["paid", "archived", ""]["declared"] is None
    assert edges["", "submitted", "submit"] == {
        "from": "",
        "to": "submitted",
        "action": "submit",
        "count": 1204,
        "declared": True,
        "share": 1.0,
    }
    assert found["completion_lag"]["p95"] == 1980.0
    assert found["completion_lag"]["objective"]["met"] is False
    assert found["outbox_lag"] == {
        "depth": 4,
        "lag": 12.0,
        "oldest_recorded_at": "2026-03-01T11:59:48Z",
        "max_lag": 30.0,
    }
    assert found["watermarks"]["settled"] == "2026-03-01T11:59:30Z"
    assert (found["from"], found["to"]) == ("2026-03-01T11:00:00Z", "2026-03-01T12:00:00Z")


@pytest.mark.parametrize(
    ("query", "start", "end"),
    [
        pytest.param({}, -3600, 0, id="the last hour unless told"),
        pytest.param({"window": "15m"}, -900, 0, id="a window"),
        pytest.param({"window": "90"}, -90, 0, id="a window in seconds"),
        pytest.param({"from": "2026-03-01T11:30:00Z"}, -1800, 0, id="from alone"),
        pytest.param(
            {"from": "2026-03-01T12:30:00+01:00", "to": "2026-03-01T11:45:00Z"},
            -1800,
            -900,
            id="another zone",
        ),
    ],
)
async def test_the_period_asked_about(
    client: httpx.AsyncClient, world: World, query: dict[str, str], start: float, end: float
) -> None:
    await get(client, "/workflows/order", **query)
    (asked,) = [given for name, given in world.asked if name == "edges"]
    assert asked["from_"] == NOW + timedelta(seconds=start)
    assert asked["to"] == NOW + timedelta(seconds=end)


async def test_environments_reach_every_question(client: httpx.AsyncClient, world: World) -> None:
    await get(client, "/workflows/order", environment=["staging", "production"])
    asked = [given["environments"] for _, given in world.asked if "environments" in given]
    assert asked and all(each == ["staging", "production"] for each in asked)


async def test_live_figures_end_at_the_flushed_watermark(
    client: httpx.AsyncClient, world: World
) -> None:
    world.mark.flushed = NOW - timedelta(seconds=100)
    await get(client, "/workflows/order")
    given = dict(world.asked)["open_by_state"]
    assert given["flushed"] == NOW - timedelta(seconds=100)
    assert given["settled"] == NOW - timedelta(seconds=130)


async def test_before_any_watermark_it_is_null(client: httpx.AsyncClient, world: World) -> None:
    world.mark.flushed = None
    found = await get(client, "/workflows/order")
    assert found["watermarks"]["flushed"] is None and found["watermarks"]["settled"] is None


async def test_a_definition_without_events_is_shown(
    client: httpx.AsyncClient, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.api.world.FakeQuery.environments", lambda self, workflow: [])
    assert (await get(client, "/workflows/order"))["environments"] == []


MEMBERS = [
    pytest.param("stuck", {}, "order-1042", "in payment_pending", id="stuck"),
    pytest.param(
        "illegal_transitions",
        {},
        "order-2000",
        "submitted → completed by fulfil, from worker 2.1.0-rc1",
        id="illegal transitions",
    ),
    pytest.param("outbox_lag", {}, "order-1050", "message msg-9, from orders", id="outbox"),
    pytest.param("completion_lag", {}, "order-1042", "in payment_pending", id="completion"),
    pytest.param(
        "retry_exhaustion",
        {},
        "order-1001",
        "charge_card gave up at attempt 5 with http_500, from worker",
        id="retries",
    ),
    pytest.param(
        "edges",
        {"from_state": "submitted", "to_state": "completed", "action": "fulfil"},
        "order-2000",
        "submitted → completed by fulfil, from worker 2.1.0-rc1",
        id="one edge",
    ),
    pytest.param(
        "edges", {"to_state": "submitted"}, None, "", id="an edge that nobody took by that action"
    ),
]


@pytest.mark.parametrize(("figure", "query", "instance_id", "detail"), MEMBERS)
async def test_the_instances_behind_a_figure(
    client: httpx.AsyncClient,
    figure: str,
    query: dict[str, str],
    instance_id: str | None,
    detail: str,
) -> None:
    found = await get(client, "/workflows/order/members", figure=figure, **query)
    if instance_id is None:
        assert found["items"] == []
        return
    first = found["items"][0]
    assert (first["instance_id"], first["detail"]) == (instance_id, detail)
    assert first["page"] == f"/instances/order/{instance_id}?environment=production"
    assert first["since"].endswith("Z") and first["age"] > 0
    assert first["trace_id"] in ("", TRACE)


SERIES = [
    pytest.param("completion_lag", "seconds", [{"percentile": "p50"}], id="completion"),
    pytest.param(
        "dwell", "seconds", [{"percentile": "p50", "state": "paid"}], id="dwell, a line each state"
    ),
    pytest.param("illegal_transitions", "ratio", [{}], id="illegal transitions"),
    pytest.param("retry_exhaustion", "ratio", [{}], id="retries"),
    pytest.param(
        "edges", "count", [{"from": "", "to": "submitted", "action": "submit"}], id="edges"
    ),
]


@pytest.mark.parametrize(("figure", "unit", "some"), SERIES)
async def test_a_figure_over_time(
    client: httpx.AsyncClient, figure: str, unit: str, some: list[dict[str, str]]
) -> None:
    found = await get(client, "/workflows/order/series", figure=figure, window="1h", step="15m")
    assert (found["unit"], found["step"]) == (unit, 900.0)
    labels = [line["labels"] for line in found["series"]]
    assert all(each in labels for each in some)
    assert [point["at"] for point in found["series"][0]["points"]] == [
        "2026-03-01T11:00:00Z",
        "2026-03-01T11:15:00Z",
        "2026-03-01T11:30:00Z",
        "2026-03-01T11:45:00Z",
    ]


async def test_the_last_step_ends_with_the_period(client: httpx.AsyncClient, world: World) -> None:
    await get(
        client, "/workflows/order/series", figure="illegal_transitions", window="10m", step="4m"
    )
    steps = [
        (given["to"] - given["from_"]).total_seconds()
        for name, given in world.asked
        if name == "illegal_transitions"
    ]
    assert steps == [240, 240, 120]
