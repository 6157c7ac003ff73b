"""The pages and the API over a real store: the questions they ask are those it answers."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from api import create_app
from lifecycle.definitions import Definitions
from lifecycle.events import EVENT_COLUMNS, Event
from store import Database, TenantStore
from store.definitions import save_definitions
from store.events import insert_events
from tests.api.world import HOSTILE, NOW, ORDER, SLASHES, STORIES, World
from tests.settled import settle

# what is stored expires: the stories have to end now
PRESENT = datetime.now(UTC).replace(microsecond=0)


def stored(row: dict[str, Any], tenant: str) -> Event:
    moved: dict[str, Any] = {
        name: int((value + (PRESENT - NOW)).timestamp() * 1_000_000)
        if isinstance(value, datetime)
        else value
        for name, value in row.items()
        if name in EVENT_COLUMNS
    }
    identity = f"{row['instance_id']}/{row['event_id']}"
    moved |= {"tenant": tenant, "event_id": identity, "collector": tenant, "segment": 1}
    return Event(**moved)


@pytest.fixture
async def client(embedded_database: Database, tenant: str) -> AsyncIterator[httpx.AsyncClient]:
    connection = embedded_database.connect()
    save_definitions(connection, tenant, Definitions((ORDER,)), PRESENT)
    events = [stored(row, tenant) for rows in STORIES.values() for row in rows]
    insert_events(connection, events, f"stories-{tenant}")
    settle(connection, PRESENT)
    world = World(now=PRESENT)
    world.mark.flushed = PRESENT
    ports = replace(world.ports(), query_for=lambda _: TenantStore(connection, tenant).query)
    transport = httpx.ASGITransport(create_app(ports, world.settings))
    async with httpx.AsyncClient(transport=transport, base_url="http://t") as found:
        yield found


async def get(client: httpx.AsyncClient, path: str) -> Any:
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_the_figures_of_a_type(client: httpx.AsyncClient) -> None:
    found = await get(client, "/api/v1/workflows/order")
    states = {state["name"]: state for state in found["states"]}
    assert (states["payment_pending"]["open"], states["payment_pending"]["stuck"]) == (4, 1)
    edges = {(edge["from"], edge["to"]): edge for edge in found["edges"]}
    assert edges["submitted", "completed"]["declared"] is False
    assert edges["", "submitted"]["count"] == 7
    assert found["illegal_transitions"]["illegal"] == 1
    assert found["completion_lag"]["completed"] == 2
    (row,) = (await get(client, "/api/v1/workflows"))["items"]
    assert (row["open"], row["stuck"]) == (5, 1)


FIGURES = [
    ("stuck", ["order-1042"]),
    ("illegal_transitions", ["order-2000"]),
    ("outbox_lag", []),
    ("completion_lag", ["order-1042", SLASHES, HOSTILE, "..", "order-1050"]),
    ("retry_exhaustion", []),
    ("edges&from_state=submitted&to_state=completed&action=fulfil", ["order-2000"]),
]


@pytest.mark.parametrize(("figure", "found"), FIGURES)
async def test_the_instances_behind_a_figure(
    client: httpx.AsyncClient, figure: str, found: list[str]
) -> None:
    items = (await get(client, f"/api/v1/workflows/order/members?figure={figure}"))["items"]
    assert [item["instance_id"] for item in items] == found


@pytest.mark.parametrize(
    "figure", ["completion_lag", "dwell", "edges", "illegal_transitions", "retry_exhaustion"]
)
async def test_a_figure_over_time(client: httpx.AsyncClient, figure: str) -> None:
    path = f"/api/v1/workflows/order/series?figure={figure}&step=20m"
    assert len((await get(client, path))["series"]) >= 1


@pytest.mark.parametrize("limit", [1, 2, 50])
async def test_every_instance_once(client: httpx.AsyncClient, limit: int) -> None:
    seen, cursor = [], ""
    while cursor is not None:
        page = await get(client, f"/api/v1/instances?limit={limit}&cursor={cursor}")
        seen += [item["instance_id"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert sorted(seen) == sorted(STORIES.keys() - {"probe-1"})


FILTERS = [
    ("stuck=true", 1),
    ("open=false", 2),
    ("open=true&state=payment_pending", 4),
    ("older_than=15m", 1),
    ("search=ORDER-10", 3),
    ("environment=staging", 0),
    ("status=completed", 3),
]


@pytest.mark.parametrize(("query", "number"), FILTERS)
async def test_filters(client: httpx.AsyncClient, query: str, number: int) -> None:
    assert len((await get(client, f"/api/v1/instances?{query}"))["items"]) == number


async def test_an_instance_and_its_status(client: httpx.AsyncClient) -> None:
    found = await get(client, "/api/v1/instances/order/order-1042")
    assert found["leg"]["sentence"].startswith(
        "waiting 41 min for the payment provider; 3 attempts"
    )
    assert found["stuck"] == ["state"] and len(found["events"]) == 12
    status = await get(client, f"/api/v1/instances/order/{quote(HOSTILE, safe='')}/status")
    assert (status["status"], status["message"]) == ("processing", "We are waiting for your bank.")
    done = await get(client, "/api/v1/instances/order/order-1001/status")
    assert (done["status"], done["done"]) == ("completed", True)
    early = await get(client, "/api/v1/instances/order/probe-1/status")
    assert early["status"] is None


PAGES = [
    "/",
    "/workflows/order",
    "/instances?which=all",
    "/instances/order/order-1042",
    "/instances/order/order-1001",
    "/instances/order/probe-1",
    "/workflows/order/members?figure=stuck",
    "/ingest",
    "/metrics",
    "/api/v1/ingest",
]


@pytest.mark.parametrize("path", PAGES)
async def test_pages(client: httpx.AsyncClient, path: str, html: dict[str, str]) -> None:
    answer = await client.get(path, headers=html)
    assert answer.status_code == 200, answer.text
