"""Every refusal is a problem document that says what is wrong and what would be right."""

import logging

import httpx
import pytest

from lifecycle.errors import StoreRefused, StoreUnavailable
from tests.api.world import World

SERIES = "/api/v1/workflows/order/series?figure=edges"
REFUSALS = [
    pytest.param("/api/v1/nothing", 404, "not-found", "/openapi.json", id="an unknown path"),
    pytest.param("/api/v1/workflows/", 404, "not-found", "/openapi.json", id="an empty type"),
    pytest.param(
        "/api/v1/workflows/odrer", 404, "not-found", "one of: order, payout", id="unknown type"
    ),
    pytest.param(
        "/api/v1/instances/order/none", 404, "not-found", "percent-encode", id="unknown instance"
    ),
    pytest.param(
        "/api/v1/instances/order/none/status", 404, "not-found", "first event", id="its status"
    ),
    pytest.param("/api/v1/alerts/none", 404, "not-found", "/api/v1/alerts", id="unknown alert"),
    pytest.param(
        "/api/v1/alerts/none/history", 404, "not-found", "/api/v1/alerts", id="unknown history"
    ),
    pytest.param("/api/v1/instances?limit=0", 422, "invalid-parameter", "at least 1", id="limit 0"),
    pytest.param(
        "/api/v1/instances?limit=1001", 422, "invalid-parameter", "at most 1000", id="limit 1001"
    ),
    pytest.param(
        "/api/v1/instances?limit=x", 422, "invalid-parameter", "a whole number", id="limit x"
    ),
    pytest.param(
        "/api/v1/instances?stuck=maybe", 422, "invalid-parameter", "true or false", id="a boolean"
    ),
    pytest.param(
        "/api/v1/instances?status=lost",
        422,
        "invalid-parameter",
        "one of accepted, processing",
        id="an unknown status",
    ),
    pytest.param(
        "/api/v1/instances?older_than=old", 422, "invalid-parameter", "15m", id="no duration"
    ),
    pytest.param(
        "/api/v1/instances?older_than=nan", 422, "invalid-parameter", "36500d", id="not a number"
    ),
    pytest.param(
        "/api/v1/instances?older_than=-5", 422, "invalid-parameter", "36500d", id="negative"
    ),
    pytest.param(
        "/api/v1/instances?cursor=%21", 422, "invalid-parameter", "unchanged", id="no cursor"
    ),
    pytest.param(
        "/api/v1/instances?cursor=bm8", 422, "invalid-parameter", "unchanged", id="no JSON in it"
    ),
    pytest.param(
        "/api/v1/instances?cursor=WyJhIl0",
        422,
        "invalid-parameter",
        "without a cursor",
        id="a cursor of something else",
    ),
    pytest.param(
        "/api/v1/instances?cursor=%C3%BC", 422, "invalid-parameter", "unchanged", id="not ASCII"
    ),
    pytest.param(
        "/api/v1/instances/order/?id=", 422, "invalid-parameter", "operation", id="an empty id"
    ),
    pytest.param(
        "/api/v1/instances/order/order-1/status?wait=61",
        422,
        "invalid-parameter",
        "at most 60",
        id="a wait too long",
    ),
    pytest.param(
        "/api/v1/instances/order/order-1/status?wait=nan",
        422,
        "invalid-parameter",
        "at ",
        id="a wait that is no number",
    ),
    pytest.param(
        "/api/v1/workflows/order?from=yesterday",
        422,
        "invalid-parameter",
        "RFC 3339",
        id="no time",
    ),
    pytest.param(
        "/api/v1/workflows/order?from=2026-03-01T10:00:00",
        422,
        "invalid-parameter",
        "with a zone",
        id="a time without a zone",
    ),
    pytest.param(
        "/api/v1/workflows/order?to=0001-01-01T00:00:00%2B10:00",
        422,
        "invalid-parameter",
        "RFC 3339",
        id="a time before year 1",
    ),
    pytest.param(
        "/api/v1/workflows/order?to=0001-01-01T00:10:00Z",
        422,
        "invalid-parameter",
        "shorter",
        id="an hour that begins before year 1",
    ),
    pytest.param(
        "/api/v1/workflows/order?from=2026-03-01T12:00:00Z",
        422,
        "invalid-parameter",
        "earlier than to",
        id="an empty period",
    ),
    pytest.param(
        "/api/v1/workflows/order?from=2026-03-01T10:00:00Z&window=1h",
        422,
        "invalid-parameter",
        "not both",
        id="from and window",
    ),
    pytest.param(
        "/api/v1/workflows/order?window=0",
        422,
        "invalid-parameter",
        "earlier than to",
        id="no length",
    ),
    pytest.param(
        "/api/v1/workflows/order/series",
        422,
        "invalid-parameter",
        "add it",
        id="a figure left out",
    ),
    pytest.param(
        "/api/v1/workflows/order/series?figure=love",
        422,
        "invalid-parameter",
        "'completion_lag'",
        id="an unknown figure",
    ),
    pytest.param(f"{SERIES}&step=1", 422, "invalid-parameter", "at least 18", id="too many steps"),
    pytest.param(f"{SERIES}&step=0", 422, "invalid-parameter", "at least 18", id="no step"),
    pytest.param(
        f"{SERIES}&window=0.00001&step=0.0000001",
        422,
        "invalid-parameter",
        "at least 0.001",
        id="steps below the clock",
    ),
    pytest.param(
        "/api/v1/workflows/order/members?figure=x",
        422,
        "invalid-parameter",
        "one of 'stuck'",
        id="members of no figure",
    ),
    pytest.param(
        "/api/v1/alerts?state=loud", 422, "invalid-parameter", "firing, recovering", id="state"
    ),
    pytest.param(
        "/api/v1/rules?verdict=guilty", 422, "invalid-parameter", "ok, pending", id="verdict"
    ),
]


@pytest.mark.parametrize(("path", "status", "slug", "fix"), REFUSALS)
async def test_refusals(
    client: httpx.AsyncClient, path: str, status: int, slug: str, fix: str
) -> None:
    answer = await client.get(path)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["type"] == f"urn:donewatch:problem:{slug}"
    assert body["status"] == status and body["title"] and body["detail"]
    assert fix in body["fix"]
    assert body["instance"] == path.split("?")[0]


async def test_each_wrong_parameter_is_named(client: httpx.AsyncClient) -> None:
    body = (await client.get("/api/v1/instances?limit=0&stuck=maybe")).json()
    assert [error["location"] for error in body["errors"]] == ["query.stuck", "query.limit"]
    assert all(error["error"] and error["fix"] for error in body["errors"])


async def test_another_method(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/v1/instances")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    assert answer.json()["fix"] == "use GET"


async def test_a_cursor_of_other_filters(client: httpx.AsyncClient) -> None:
    cursor = (await client.get("/api/v1/instances?limit=1")).json()["next_cursor"]
    answer = await client.get(f"/api/v1/instances?limit=1&stuck=true&cursor={cursor}")
    assert answer.status_code == 422
    assert "other filters" in answer.json()["detail"]


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/workflows",
        "/api/v1/workflows/order",
        "/api/v1/instances",
        "/api/v1/instances/order/order-1042",
        "/api/v1/instances/order/order-1042/status",
        "/metrics",
    ],
)
async def test_a_store_that_is_away(client: httpx.AsyncClient, world: World, path: str) -> None:
    world.failure = StoreUnavailable("no answer from the store within 5 s")
    answer = await client.get(path)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert answer.json()["detail"] == "no answer from the store within 5 s"


async def test_a_store_that_refuses_is_our_defect(client: httpx.AsyncClient, world: World) -> None:
    world.failure = StoreRefused("unknown column")
    answer = await client.get("/api/v1/workflows")
    assert (answer.status_code, answer.json()["type"]) == (
        500,
        "urn:donewatch:problem:store-refused",
    )


async def test_a_defect_tells_nothing_but_is_logged(
    client: httpx.AsyncClient, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.failure = RuntimeError("secret detail")
    with caplog.at_level(logging.ERROR):
        answer = await client.get("/api/v1/workflows")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text and "secret detail" in caplog.text
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_browser_gets_a_page(
    client: httpx.AsyncClient, world: World, html: dict[str, str]
) -> None:
    answer = await client.get("/workflows/<odrer>", headers=html)
    assert answer.status_code == 404
    assert "No event and no definition names" in answer.text
    assert "&lt;odrer&gt;" in answer.text and "<odrer>" not in answer.text
    world.failure = StoreUnavailable("no answer")
    away = await client.get("/", headers=html)
    assert (away.status_code, away.headers["retry-after"]) == (503, "5")
    assert 'http-equiv="refresh"' in away.text, "it tries again by itself"


async def test_the_api_answers_json_to_a_browser_as_well(
    client: httpx.AsyncClient, html: dict[str, str]
) -> None:
    answer = await client.get("/api/v1/nothing", headers=html)
    assert answer.headers["content-type"] == "application/problem+json"


HOSTS = [
    pytest.param("localhost:8080", 200, id="allowed"),
    pytest.param("127.0.0.1", 200, id="allowed without a port"),
    pytest.param("evil.example", 421, id="a name that was rebound to us"),
    pytest.param("", 421, id="none"),
    pytest.param("[::", 421, id="broken"),
]


@pytest.mark.parametrize(("host", "status"), HOSTS)
async def test_only_our_own_host_names_are_answered(
    client: httpx.AsyncClient, world: World, host: str, status: int
) -> None:
    world.settings = type(world.settings)(allowed_hosts=("localhost", "127.0.0.1"))
    answer = await client.get("/healthz", headers={"Host": host})
    assert answer.status_code == status
