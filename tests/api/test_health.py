"""Is it alive, is it ready?"""

import threading
import time

import httpx
import pytest

from api.ports import Check
from tests.api.world import World


async def test_alive_while_the_store_is_not(client: httpx.AsyncClient, world: World) -> None:
    world.failure = RuntimeError("away")
    answer = await client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "version": "1.2.3"})


CHECKS = [
    pytest.param([Check("store", True), Check("migrations", True)], 200, id="all well"),
    pytest.param([], 200, id="nothing to check"),
    pytest.param(
        [Check("store", True), Check("evaluation", False, "none for 90 s")], 503, id="one not"
    ),
]


@pytest.mark.parametrize(("checks", "status"), CHECKS)
async def test_ready(
    client: httpx.AsyncClient, world: World, checks: list[Check], status: int
) -> None:
    world.checks = checks
    answer = await client.get("/readyz")
    assert answer.status_code == status
    assert answer.json() == {
        "ready": status == 200,
        "checks": [{"name": c.name, "ok": c.ok, "reason": c.reason} for c in checks],
    }
    assert ("retry-after" in answer.headers) == (status == 503)


async def test_checks_that_raise_make_unready(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, world: World
) -> None:
    def broken() -> list[Check]:
        raise OSError("disk gone")

    answer = await _with_checks(client, world, monkeypatch, broken)
    assert answer.status_code == 503
    assert answer.json()["checks"][0]["reason"] == "the checks failed: OSError: disk gone"


async def test_checks_that_hang_make_unready(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, world: World
) -> None:
    world.settings = type(world.settings)(readiness_timeout=0.05)
    free = threading.Event()

    def hanging() -> list[Check]:
        free.wait(30)
        return []

    started = time.monotonic()
    try:
        answer = await _with_checks(client, world, monkeypatch, hanging)
    finally:
        free.set()
    assert time.monotonic() - started < 10
    assert answer.json()["checks"][0]["reason"] == "the checks did not answer within 0.05 s"


async def _with_checks(
    client: httpx.AsyncClient,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    checks: object,
) -> httpx.Response:
    from dataclasses import replace

    ports = replace(world.ports(), checks=checks)  # type: ignore[arg-type]
    monkeypatch.setattr(world, "ports", lambda: ports)
    return await client.get("/readyz")
