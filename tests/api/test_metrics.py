"""What Prometheus reads."""

import re
import shutil
import subprocess
from datetime import timedelta

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.api.world import NOW, STORIES, World


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def scrape(client: httpx.AsyncClient) -> str:
    answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return answer.text


@pytest.mark.parametrize("empty", [False, True])
async def test_promtool_has_nothing_to_say(
    client: httpx.AsyncClient, world: World, empty: bool
) -> None:
    world.empty = empty
    await client.get("/api/v1/workflows")
    text = await scrape(client)
    promtool = shutil.which("promtool")
    assert promtool, "promtool is missing: apt-get install prometheus"
    done = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


PLACE = {"workflow": "order", "environment": "production"}
STATE = {**PLACE, "state": "payment_pending", "status": "processing"}
RULE = {"rule": "OrderOutboxLag", "group": "order", "kind": "outbox_lag", "workflow": "order"}
VALUES = [
    pytest.param("donewatch_open_instances", STATE, 214, id="open"),
    pytest.param("donewatch_stuck_instances", STATE, 17, id="stuck"),
    pytest.param("donewatch_oldest_open_age_seconds", STATE, 2460, id="oldest"),
    pytest.param("donewatch_outbox_lag_seconds", PLACE, 12, id="outbox lag"),
    pytest.param("donewatch_outbox_depth", PLACE, 4, id="outbox depth"),
    pytest.param(
        "donewatch_dwell_seconds",
        {**PLACE, "state": "paid", "percentile": "p95"},
        9.9,
        id="dwell",
    ),
    pytest.param(
        "donewatch_dwell_seconds",
        {**PLACE, "state": "payment_pending", "percentile": "p95"},
        None,
        id="a percentile not reached is left out",
    ),
    pytest.param(
        "donewatch_dwell_oldest_seconds",
        {**PLACE, "state": "payment_pending"},
        2460,
        id="its lower bound is not",
    ),
    pytest.param(
        "donewatch_completion_lag_seconds", {**PLACE, "percentile": "p50"}, 7.4, id="completion"
    ),
    pytest.param("donewatch_illegal_transitions_ratio", PLACE, 9 / 3391, id="illegal"),
    pytest.param("donewatch_retry_exhaustion_ratio", PLACE, 3 / 960, id="retries"),
    pytest.param(
        "donewatch_window_transitions",
        {
            **PLACE,
            "from_state": "submitted",
            "to_state": "completed",
            "action": "fulfil",
            "declared": "false",
        },
        9,
        id="an edge",
    ),
    pytest.param(
        "donewatch_open_instances",
        {**PLACE, "state": "cancelled", "status": "cancelled"},
        0,
        id="a declared state that is empty",
    ),
    pytest.param("donewatch_rule_value", {**RULE, "unit": "seconds"}, 12, id="a value"),
    pytest.param("donewatch_rule_verdict", {**RULE, "verdict": "unknown"}, 1, id="a verdict"),
    pytest.param("donewatch_alerts", {"state": "firing"}, 2, id="alerts"),
    pytest.param("donewatch_watermark_lag_seconds", {}, 3, id="watermark"),
    pytest.param("donewatch_build_info", {"version": "1.2.3"}, 1, id="version"),
]


@pytest.mark.parametrize(("name", "labels", "value"), VALUES)
async def test_values(
    client: httpx.AsyncClient, world: World, name: str, labels: dict[str, str], value: float | None
) -> None:
    world.now = NOW + timedelta(seconds=3)
    found = samples(await scrape(client)).get((name, frozenset(labels.items())))
    assert found == value


async def test_no_instance_id_ever(client: httpx.AsyncClient) -> None:
    await client.get("/api/v1/instances/order/order-1042")
    await client.get("/instances/order/order-1042/status")
    text = await scrape(client)
    assert not [name for name in STORIES if f'"{name}"' in text or f"/{name}" in text]


async def test_requests_are_counted_by_route(client: httpx.AsyncClient) -> None:
    for path in ("/api/v1/workflows/order", "/api/v1/workflows/none", "/nothing/1", "/nothing/2"):
        await client.get(path)
    await client.request("BREW", "/healthz")
    found = {
        labels: value
        for (name, labels), value in samples(await scrape(client)).items()
        if name == "donewatch_http_requests_total"
    }
    route = "/api/v1/workflows/{type}"
    expected = [
        ({"method": "GET", "route": route, "status": "200"}, 1),
        ({"method": "GET", "route": route, "status": "404"}, 1),
        ({"method": "GET", "route": "(none)", "status": "404"}, 2),
    ]
    for labels, value in expected:
        assert found[frozenset(labels.items())] == value
    assert {dict(labels)["method"] for labels in found} == {"GET", "other"}


async def test_series_beyond_the_cap_are_counted_not_exposed(
    client: httpx.AsyncClient, world: World
) -> None:
    world.settings = type(world.settings)(metrics_series=3)
    found = samples(await scrape(client))
    shown = [key for key in found if key[0] == "donewatch_open_instances"]
    dropped = found[
        "donewatch_metrics_series_dropped", frozenset({("metric", "donewatch_open_instances")})
    ]
    # seven states of order in two environments, and one of payout
    assert (len(shown), dropped) == (3, 12)


async def test_scrapes_in_quick_succession_compute_once(
    client: httpx.AsyncClient, world: World
) -> None:
    await scrape(client)
    first = len(world.asked)
    await scrape(client)
    assert len(world.asked) == first
    world.now += timedelta(seconds=16)
    await scrape(client)
    assert len(world.asked) > first


async def test_every_metric_is_documented(client: httpx.AsyncClient) -> None:
    from pathlib import Path

    text = Path("docs/api.md").read_text(encoding="utf-8")
    await client.get("/healthz")
    names = set(re.findall(r"^# HELP (\S+)", await scrape(client), re.MULTILINE))
    ours = {name for name in names if not name.startswith("donewatch_process_")}
    assert not {name for name in ours if f"`{name}`" not in text}
