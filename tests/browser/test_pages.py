"""What somebody on call sees and does, in a real browser."""

import json
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Watched
from tests.peers.donewatch import Donewatch, until
from tests.peers.webhook import Webhook
from tests.service import story

pytestmark = pytest.mark.system

PAGES = [
    "/",
    "/workflows/order",
    "/workflows/order/members?figure=stuck",
    "/instances?which=all",
    f"/instances/order/{quote('stuck/1', safe='')}",
    "/alerts",
    "/rules",
    "/ingest",
]


def stuck_alert(service: Donewatch) -> str:
    return f"/alerts/{service.wait_alert('OrderStuck', 'firing')['fingerprint']}"


def test_the_overview_leads_to_what_is_stuck(watched: Watched) -> None:
    page = watched.go("/")
    expect(page.locator(".verdict")).to_contain_text("order needs attention. 1 stuck of 1 open")
    row = page.locator(".firing tbody tr")
    expect(row).to_contain_text("1 orders wait to be paid")
    row.get_by_role("link", name="stuck/1").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("stuck/1")
    expect(page.locator(".holds")).to_contain_text("submitted")
    page.get_by_role("link", name="OrderStuck").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("OrderStuck")
    expect(page.locator("main")).to_contain_text("1 instance.")
    assert watched.complaints == []


SEARCHES = [
    pytest.param("done", ["done-1", "done-2", "done-3"], id="a part of the id finds a list"),
    pytest.param("STUCK", ["stuck/1"], id="in any case"),
]


@pytest.mark.parametrize(("text", "found"), SEARCHES)
def test_a_search_finds_instances(watched: Watched, text: str, found: list[str]) -> None:
    page = watched.go("/alerts")
    page.get_by_placeholder("Find an id").fill(text)
    page.keyboard.press("Enter")
    expect(page.locator("tbody th a.id")).to_have_text(found)


def test_a_whole_id_leads_to_its_timeline(watched: Watched) -> None:
    page = watched.go("/")
    page.get_by_placeholder("Find an id").fill(" done-2 ")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("done-2")
    expect(page.locator(".timeline li")).to_have_count(3)


def test_a_page_that_stays_open_shows_what_comes(watched: Watched, service: Donewatch) -> None:
    page = watched.go("/instances?search=fresh&which=all")
    expect(page.locator(".verdict")).to_contain_text("No instance fits.")
    page.evaluate("window.sameDocument = true")
    service.take(story.submit("fresh-1", environment="test"))
    expect(page.locator("tbody th a.id")).to_have_text(["fresh-1"], timeout=20_000)
    assert page.evaluate("window.sameDocument") is True
    assert watched.complaints == []
    service.take(story.transition("fresh-1", "submitted", "paid", "pay", environment="test"))
    service.take(story.transition("fresh-1", "paid", "shipped", "ship", environment="test"))


def test_what_was_opened_stays_open(watched: Watched, service: Donewatch) -> None:
    page = watched.go(f"/instances/order/{quote('stuck/1', safe='')}")
    page.get_by_text("raw event").first.click()
    before = page.locator("#fresh time").get_attribute("datetime")
    expect(page.locator("#fresh time")).not_to_have_attribute(
        "datetime", before or "", timeout=20_000
    )
    raw = page.locator("details[open] code").first
    expect(raw).to_be_visible()
    assert json.loads(raw.inner_text())["instance_id"] == "stuck/1"


def test_what_was_refused_is_explained(watched: Watched, service: Donewatch) -> None:
    service.send([{"event": "transition", "workflow_type": "order", "instance_id": "refused-1"}])
    page = watched.go("/")
    page.get_by_role("link", name="Ingest").click()
    trouble = page.locator(".card", has_text="1 record was refused")
    expect(trouble).to_be_visible(timeout=20_000)
    expect(trouble).to_contain_text("What to do: Figures lack them.")
    page.get_by_text("the newest").first.click()
    raw = page.locator("details[open] code").first
    expect(raw).to_contain_text("refused-1")
    before = page.locator("#fresh time").get_attribute("datetime")
    expect(page.locator("#fresh time")).not_to_have_attribute(
        "datetime", before or "", timeout=20_000
    )
    expect(raw).to_be_visible()
    assert watched.complaints == []


WITHOUT = pytest.mark.parametrize("watched", [{"java_script_enabled": False}], indirect=True)
PHONE = pytest.mark.parametrize(
    "watched", [{"viewport": {"width": 390, "height": 800}}], indirect=True
)


@WITHOUT
def test_everything_can_be_read_without_scripts(watched: Watched, service: Donewatch) -> None:
    for path in [*PAGES, stuck_alert(service)]:
        page = watched.go(path)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        expect(page.get_by_text("Updates by itself.")).to_be_hidden()
    page = watched.go("/")
    page.get_by_placeholder("Find an id").fill("stuck/1")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("stuck/1")


@PHONE
def test_pages_fit_a_phone_and_ask_nobody_else(watched: Watched, service: Donewatch) -> None:
    for path in [*PAGES, stuck_alert(service)]:
        page: Page = watched.go(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
    assert watched.complaints == []
    assert [url for url in watched.requests if not url.startswith(service.pages + "/")] == []


def test_every_link_of_a_notification_leads_to_its_page(
    watched: Watched, service: Donewatch, hook: Webhook
) -> None:
    told = until(lambda: hook.alerts("OrderStuck"), what="a notification")[-1]
    for url, heading in [
        (told["generatorURL"], "OrderStuck"),
        *((member["url"], member["instance_id"]) for member in told["members"]),
    ]:
        answer = watched.page.goto(url)
        assert answer is not None and answer.ok, url
        expect(watched.page.get_by_role("heading", level=1)).to_contain_text(heading)
    assert [member["instance_id"] for member in told["members"]] == ["stuck/1"]
    assert told["members"][0]["url"].endswith("?environment=test")
