"""The pages: whole, safe whatever the data holds, and leading somewhere from every number."""

import re
from datetime import datetime, timedelta
from html.parser import HTMLParser
from urllib.parse import quote, urljoin

import httpx
import pytest

from tests.api.world import HOSTILE, SLASHES, World

PAGES = [
    "/",
    "/?window=24h&environment=staging",
    "/workflows/order",
    "/workflows/order?window=7d",
    "/workflows/payout",
    "/workflows/order/members?figure=stuck",
    "/workflows/order/members?figure=illegal_transitions",
    "/workflows/order/members?figure=outbox_lag",
    "/workflows/order/members?figure=completion_lag",
    "/workflows/order/members?figure=retry_exhaustion",
    "/workflows/order/members?figure=edges&from_state=submitted&to_state=completed&action=fulfil",
    "/instances",
    "/instances?which=all&search=order",
    "/instances?search=nothing+like+it",
    "/instances/order/order-1042",
    "/instances/order/order-1001",
    "/instances/order/order-2000",
    "/instances/order/probe-1",
    f"/instances/order/{quote(HOSTILE, safe='')}",
    f"/instances/order/{quote(SLASHES, safe='')}",
    "/instances/order/?id=..",
    "/alerts",
    "/alerts/a1f3c0de",
    "/alerts/c3",
    "/rules",
    "/ingest",
    "/ingest?window=24h",
    "/login",
]


class Reader(HTMLParser):
    """Collects what a browser would act upon."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.links: list[str] = []
        self.assets: list[str] = []
        self.times: list[str] = []
        self.ids: list[str] = []
        self.trouble: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    _VOID = ("meta", "link", "input", "br", "img", "hr")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        if tag not in self._VOID:
            self.open.append(tag)
        self.trouble += [name for name in given if name.startswith("on") or name == "style"]
        if tag == "style" or (tag == "script" and not given.get("src")):
            self.trouble.append(f"inline {tag}")
        for name in ("src", "href", "action"):
            value = given.get(name) or ""
            if value.lower().startswith(("javascript:", "data:")):
                self.trouble.append(value)
        if tag == "a":
            self.links.append(given.get("href") or "")
        if tag in ("script", "link", "img"):
            self.assets.append(given.get("src") or given.get("href") or "")
        if tag == "time":
            self.times.append(given.get("datetime") or "")
        if "id" in given:
            self.ids.append(given["id"] or "")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._VOID:
            return
        if not self.open or self.open[-1] != tag:
            self.trouble.append(f"</{tag}> closes {self.open[-1:]}")
        else:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("empty", [False, True], ids=["full", "empty"])
@pytest.mark.parametrize("path", PAGES)
async def test_pages_are_whole_and_safe(
    client: httpx.AsyncClient, world: World, html: dict[str, str], path: str, empty: bool
) -> None:
    world.empty = empty
    answer = await client.get(path, headers=html)
    assert answer.status_code in ((200, 404) if empty else (200,))
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    page = Reader(answer.text)
    assert page.trouble == [] and page.open == []
    assert page.tags.count("main") == 1 and page.tags.count("h1") == 1
    assert len(page.ids) == len(set(page.ids))
    assert all(asset.startswith("/static/") for asset in page.assets)
    assert all(datetime.fromisoformat(at).utcoffset() == timedelta(0) for at in page.times)
    assert len(answer.content) < 200_000


@pytest.mark.parametrize("path", PAGES)
async def test_security_headers(client: httpx.AsyncClient, html: dict[str, str], path: str) -> None:
    headers = (await client.get(path, headers=html)).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy and "base-uri 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"


async def test_every_link_and_asset_leads_somewhere(
    client: httpx.AsyncClient, html: dict[str, str]
) -> None:
    seen: set[str] = set()
    todo = list(PAGES)
    while todo:
        path = todo.pop()
        if path in seen:
            continue
        seen.add(path)
        answer = await client.get(path, headers=html)
        assert answer.status_code == 200, path
        if not answer.headers["content-type"].startswith("text/html"):
            continue
        page = Reader(answer.text)
        for link in [*page.links, *page.assets]:
            if link.startswith("https://"):
                continue
            todo.append(urljoin(path, link).split("#")[0])
    assert len(seen) > 60


async def test_hostile_text_stays_text(client: httpx.AsyncClient, html: dict[str, str]) -> None:
    answer = await client.get(f"/instances/order/{quote(HOSTILE, safe='')}", headers=html)
    for number in (2, 3, 5, 7):
        assert f"<script>alert({number})</script>" not in answer.text
        assert f"<script>alert({number})</script>" in Reader(answer.text).text
    assert "<img" not in answer.text and "<b>eve" not in answer.text
    assert HOSTILE in Reader(answer.text).text
    assert 'href="https://traces.example/trace/javascript:alert(4)"' in answer.text


async def test_an_annotation_is_a_link_only_if_it_leads_to_the_web(
    client: httpx.AsyncClient, html: dict[str, str]
) -> None:
    links = Reader((await client.get("/alerts/a1f3c0de", headers=html)).text).links
    assert "https://runbooks.example/order/payment" in links
    assert not [link for link in links if "javascript" in link]


SAID = [
    pytest.param("/", "1 of 2 workflow types needs attention.", id="overview"),
    pytest.param("/", "17 stuck of 324 open, 2 alerts firing.", id="how bad it is"),
    pytest.param("/", "in the last 1 h: 9 illegal transitions", id="what may be over"),
    pytest.param("/", "order-1042 and 16 more", id="who is behind an alert"),
    pytest.param("/workflows/order", "> 41 min", id="a percentile not reached"),
    pytest.param("/workflows/order", "not declared", id="an undeclared edge in words"),
    pytest.param(
        "/instances/order/order-1042",
        "Waiting 41 min for the payment provider; 3 attempts failed with timeout; "
        "next retry unknown.",
        id="the leg in words",
    ),
    pytest.param("/instances/order/order-1042", "“We are waiting for your bank.”", id="product"),
    pytest.param("/instances/order/order-1001", "Completed, 6.1 s after its start.", id="ended"),
    pytest.param("/instances/order/probe-1", "No transition has been seen yet.", id="no visit"),
    pytest.param("/alerts", "2 firing.", id="alerts"),
    pytest.param("/alerts", "and 15 more", id="members that are not listed"),
    pytest.param("/rules", "the query took longer than 5 s", id="a rule's error"),
    pytest.param("/ingest", "at most 887 in 1 min", id="ingest"),
    pytest.param("/instances?search=zzz", "No instance fits.", id="nothing found"),
]


@pytest.mark.parametrize(("path", "text"), SAID)
async def test_what_a_page_says(
    client: httpx.AsyncClient, html: dict[str, str], path: str, text: str
) -> None:
    page = Reader((await client.get(path, headers=html)).text)
    assert text in re.sub(r"\s+", " ", page.text)


EMPTY = [
    pytest.param("/", "http://collector.test:4318/api/v1/events", id="overview"),
    pytest.param("/instances", "http://collector.test:4318/api/v1/events", id="instances"),
    pytest.param("/ingest", 'Workflow("order")', id="ingest"),
    pytest.param("/alerts", "DONEWATCH_WORKFLOWS_DIR", id="alerts"),
    pytest.param("/rules", "DONEWATCH_RULES_DIR", id="rules"),
]


@pytest.mark.parametrize(("path", "text"), EMPTY)
async def test_an_empty_page_says_what_to_do(
    client: httpx.AsyncClient, world: World, html: dict[str, str], path: str, text: str
) -> None:
    world.empty = True
    world.settings = type(world.settings)(otlp_url="http://collector.test:4318")
    assert text in Reader((await client.get(path, headers=html)).text).text


async def test_all_well_is_said(
    client: httpx.AsyncClient, world: World, html: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.calm = True
    monkeypatch.setattr(
        "tests.api.world.FakeQuery.workflows",
        lambda self: [
            {
                "workflow_type": "payout",
                "environments": [""],
                "events": 1,
                "first_at": self._world.now,
                "last_at": self._world.now,
            }
        ],
    )
    world.definitions = ()
    text = Reader((await client.get("/", headers=html)).text).text
    assert "All is well." in text and "12 open in 1 workflow type, none stuck." in text
    assert "Nothing fires." in Reader((await client.get("/alerts", headers=html)).text).text


BEHIND = [
    pytest.param(0, "", id="up to date"),
    pytest.param(59, "", id="a little behind"),
    pytest.param(
        200, "What is shown ends 3 min 20 s ago: the disk is full (collector c1).", id="far"
    ),
    pytest.param(None, "No collector has reported yet", id="nothing known"),
]


@pytest.mark.parametrize(("lag", "text"), BEHIND)
async def test_a_lagging_watermark_is_said_on_every_page(
    client: httpx.AsyncClient, world: World, html: dict[str, str], lag: float | None, text: str
) -> None:
    world.mark.flushed = None if lag is None else world.now - timedelta(seconds=lag)
    world.mark.reason = "the disk is full" if lag == 200 else ""
    for path in ("/", "/alerts", "/instances/order/order-1042"):
        page = Reader((await client.get(path, headers=html)).text).text
        assert text in page
        assert ("What is shown ends" in page) == (lag == 200)


async def test_the_refresh_script_is_ours_and_pages_do_without(
    client: httpx.AsyncClient, html: dict[str, str]
) -> None:
    answer = await client.get("/", headers=html)
    assert '<script src="/static/live.js?v=1.2.3" defer></script>' in answer.text
    script = await client.get("/static/live.js")
    assert script.headers["content-type"].startswith("text/javascript")
    assert "visibilitychange" in script.text
    assert 'http-equiv="refresh"' not in answer.text
