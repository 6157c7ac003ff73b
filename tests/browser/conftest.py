"""A real browser in front of a real service with a handful of orders, one of them stuck."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from tests.peers.donewatch import Donewatch, donewatch
from tests.peers.webhook import Webhook
from tests.service import story

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Ends with its module: while it lives, no other test could run an event loop."""
    assert Path(CHROMIUM).exists(), "chromium is missing: apt-get install chromium"
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield found
        found.close()


@pytest.fixture(scope="module")
def hook() -> Iterator[Webhook]:
    """Somebody who is told of alerts."""
    with Webhook() as found:
        yield found


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, hook: Webhook) -> Iterator[Donewatch]:
    """Watches orders; ``stuck/1`` is stuck, ``done-1`` to ``done-3`` are shipped."""
    directory = tmp_path_factory.mktemp("browser")
    for folder, name, text in (
        (
            "workflows",
            "order.yaml",
            story.DEFINITION.replace("accepted}", "accepted, stuck_after: 1s}"),
        ),
        ("rules", "orders.yaml", story.STUCK),
    ):
        (directory / folder).mkdir()
        (directory / folder / name).write_text(text)
    with donewatch(directory, NOTIFY__WEBHOOKS=[hook.url]) as found:
        where = {"environment": "test"}
        found.take(story.submit("stuck/1", occurred_at=story.ago(600), **where))
        for number in (1, 2, 3):
            name = f"done-{number}"
            found.take(
                story.submit(name, **where),
                story.transition(name, "submitted", "paid", "pay", **where),
                story.transition(name, "paid", "shipped", "ship", **where),
            )
        found.wait_alert("OrderStuck", "firing")
        yield found


class Watched:
    """A page whose every request and complaint is kept."""

    def __init__(self, page: Page, service: Donewatch) -> None:
        self.page = page
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self._service = service
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _said(self, message: ConsoleMessage) -> None:
        # violations of the content security policy are told here as well
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def go(self, path: str) -> Page:
        """Open a page of the service, which must be well."""
        answer = self.page.goto(self._service.pages + path)
        assert answer is not None and answer.ok, path
        return self.page


@pytest.fixture
def watched(browser: Browser, service: Donewatch, request: Any) -> Iterator[Watched]:
    """A fresh page; ``indirect`` parameters go to the browser's context."""
    context: BrowserContext = browser.new_context(**getattr(request, "param", {}))
    yield Watched(context.new_page(), service)
    context.close()
