"""What the owner of an operation is told, and how a product waits for news."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest

from api import create_app
from tests.api.world import STORIES, World, ago, run_of, visits_of

URL = "/api/v1/instances/order/{}/status"


async def get(client: httpx.AsyncClient, instance_id: str, **query: Any) -> dict[str, Any]:
    answer = await client.get(URL.format(instance_id), params=query or None)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def situation(world: World, how: str, state: str, status: str, terminal: bool) -> None:
    visit = {**visits_of("order-1042")[-1], "state": state, "status": status, "terminal": terminal}
    run = {**(run_of("order-1042") or {}), "ended_how": how, "state": state, "status": status}
    run["ended_at"] = None if how == "open" else ago(5)
    world.visits, world.runs = [visit], [run]


BANK = "We are waiting for your bank."
SITUATIONS = [
    pytest.param(
        ("open", "payment_pending", "processing", False),
        ("processing", BANK, False),
        id="open, with the definition's words",
    ),
    pytest.param(
        ("open", "submitted", "accepted", False),
        ("accepted", "We have received it.", False),
        id="open, without them",
    ),
    pytest.param(
        ("open", "review", "blocked", False),
        ("blocked", "It needs attention before it can go on.", False),
        id="blocked",
    ),
    pytest.param(
        ("open", "completed", "completed", True),
        ("completed", "It is finished and will be shown in a moment.", False),
        id="finished and not yet visible is not done",
    ),
    pytest.param(
        ("completed", "completed", "completed", True),
        ("completed", "It is done.", True),
        id="done",
    ),
    pytest.param(
        ("completed", "payment_pending", "processing", False),
        ("completed", "It is done.", True),
        id="visible before the last state was reported",
    ),
    pytest.param(
        ("ended_otherwise", "failed", "failed", True),
        ("failed", "It could not be completed.", True),
        id="failed",
    ),
    pytest.param(
        ("ended_otherwise", "cancelled", "cancelled", True),
        ("cancelled", "It was cancelled.", True),
        id="cancelled",
    ),
    pytest.param(
        ("open", "elsewhere", "", False),
        (None, "It is under way.", False),
        id="a state that no definition knows",
    ),
]


@pytest.mark.parametrize(("given", "told"), SITUATIONS)
async def test_what_is_told(
    client: httpx.AsyncClient,
    world: World,
    given: tuple[str, str, str, bool],
    told: tuple[str | None, str, bool],
) -> None:
    situation(world, *given)
    found = await get(client, "order-1042")
    assert (found["status"], found["message"], found["done"]) == told
    since = "2026-03-01T11:59:55Z" if told[2] else "2026-03-01T11:19:00.200000Z"
    assert found["since"] == since


async def test_nothing_but_jobs_so_far(client: httpx.AsyncClient) -> None:
    found = await get(client, "probe-1")
    assert (found["status"], found["done"], found["since"]) == (None, False, "2026-03-01T11:59:31Z")


async def test_the_tag_stays_while_the_answer_does(client: httpx.AsyncClient, world: World) -> None:
    first = await client.get(URL.format("order-1042"))
    world.now += timedelta(seconds=30)
    second = await client.get(URL.format("order-1042"))
    assert first.headers["etag"] == second.headers["etag"]
    situation(world, "open", "paid", "processing", False)
    third = await client.get(URL.format("order-1042"))
    assert third.headers["etag"] != first.headers["etag"]
    assert first.headers["cache-control"] == "private, no-cache"


TAGS = [
    pytest.param("{}", 304, id="the same tag"),
    pytest.param("W/{}", 304, id="compared weakly"),
    pytest.param('"other", {}', 304, id="one of several"),
    pytest.param("*", 304, id="any"),
    pytest.param('"other"', 200, id="another tag"),
    pytest.param("", 200, id="no tag"),
]


@pytest.mark.parametrize(("header", "code"), TAGS)
async def test_an_unchanged_answer_is_not_sent_again(
    client: httpx.AsyncClient, header: str, code: int
) -> None:
    tag = (await client.get(URL.format("order-1042"))).headers["etag"]
    answer = await client.get(
        URL.format("order-1042"), headers={"If-None-Match": header.format(tag)}
    )
    assert answer.status_code == code
    assert answer.headers["etag"] == tag
    assert bool(answer.content) == (code == 200)


@pytest.fixture
def quick(world: World) -> World:
    world.settings = type(world.settings)(version="1", status_poll=0.01)
    return world


async def asked(world: World, more_than: int) -> None:
    """Wait until the waiting request has looked again."""
    async with asyncio.timeout(10):
        while len(world.asked) <= more_than:
            await asyncio.sleep(0)


async def test_waiting_ends_with_the_change(client: httpx.AsyncClient, quick: World) -> None:
    tag = (await client.get(URL.format("order-1042"))).headers["etag"]
    request = client.get(
        URL.format("order-1042"), params={"wait": 30}, headers={"If-None-Match": tag}, timeout=40
    )
    task = asyncio.create_task(request)
    await asked(quick, len(quick.asked) + 3)
    assert not task.done()
    situation(quick, "open", "paid", "processing", False)
    answer = await asyncio.wait_for(task, 10)
    assert (answer.status_code, answer.json()["state"]) == (200, "paid")


async def test_waiting_without_a_change_ends_in_time(
    client: httpx.AsyncClient, quick: World
) -> None:
    tag = (await client.get(URL.format("order-1042"))).headers["etag"]
    answer = await client.get(
        URL.format("order-1042"), params={"wait": 0.1}, headers={"If-None-Match": tag}
    )
    assert answer.status_code == 304


async def test_without_a_tag_there_is_nothing_to_wait_for(
    client: httpx.AsyncClient, quick: World
) -> None:
    answer = await asyncio.wait_for(
        client.get(URL.format("order-1042"), params={"wait": 60}), timeout=10
    )
    assert answer.status_code == 200


async def test_an_instance_not_yet_known_is_waited_for(
    client: httpx.AsyncClient, quick: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = asyncio.create_task(client.get(URL.format("order-9"), params={"wait": 30}, timeout=40))
    await asked(quick, 6)
    assert not task.done()
    monkeypatch.setitem(STORIES, "order-9", STORIES["order-1001"])
    answer = await asyncio.wait_for(task, 10)
    assert (answer.status_code, answer.json()["done"]) == (200, True)


async def test_an_instance_that_never_comes_is_not_found(
    client: httpx.AsyncClient, quick: World
) -> None:
    answer = await client.get(URL.format("order-9"), params={"wait": 0.05})
    assert answer.status_code == 404


async def test_too_many_waiters_are_answered_at_once(world: World) -> None:
    world.settings = type(world.settings)(status_poll=0.01, status_waiters=1)
    app = create_app(world.ports(), world.settings)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
        tag = (await client.get(URL.format("order-1042"))).headers["etag"]
        headers = {"If-None-Match": tag}
        url = URL.format("order-1042") + "?wait=30"
        first = asyncio.create_task(client.get(url, headers=headers, timeout=40))
        await asked(world, len(world.asked) + 3)
        second = await asyncio.wait_for(client.get(url, headers=headers), 10)
        assert second.status_code == 304 and not first.done()
        situation(world, "open", "paid", "processing", False)
        assert (await asyncio.wait_for(first, 10)).status_code == 200
        assert app.state.waiters == set()


async def test_of_two_environments_the_one_that_moved_last(
    client: httpx.AsyncClient, world: World
) -> None:
    old = {**visits_of("order-1042")[-1], "environment": "staging", "entered_at": ago(9000)}
    world.visits = [old, visits_of("order-1042")[-1]]
    run = run_of("order-1042") or {}
    world.runs = [{**run, "environment": "staging", "ended_how": "completed"}, run]
    found = await get(client, "order-1042")
    assert (found["environment"], found["done"]) == ("production", False)
