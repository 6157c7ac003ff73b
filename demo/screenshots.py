"""Makes the pictures of the documentation again: ``python -m demo.screenshots [FOLDER]``.

Runs the demo's shop, lets a release of the worker take its shortcut for a moment and the payment
provider hang, and photographs what the pages show then. Needs Chromium and Playwright.
"""

import argparse
import sys
import tempfile
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx
from playwright.sync_api import Page, sync_playwright

from demo.children import Children
from demo.faults import FAULTS
from demo.run import RATE, Clock
from demo.server import Server, clean_environment
from demo.shop import Shop
from demo.webhook import Receiver, Sightings

CHROMIUM = "/usr/bin/chromium"
WIDTH = 1280
ORDERS = 60  # complete before anything is broken, so that percentiles mean something
WITHIN = 60.0  # seconds that each step may take
ALERTS = ("OrderIllegalTransitions", "OrderStuckInPayment")


def main() -> None:
    """Write ``overview.png``, ``workflow.png`` and ``instance.png``."""
    parser = argparse.ArgumentParser(prog="python -m demo.screenshots")
    parser.add_argument("folder", type=Path, nargs="?", default=Path("docs/images"))
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    sightings = Sightings()
    with (
        tempfile.TemporaryDirectory(prefix="donewatch-screenshots-") as scratch,
        Receiver(sightings) as receiver,
        Children(Path(scratch) / "logs", clean_environment()) as children,
        sync_playwright() as playwright,
    ):
        directory = Path(scratch)
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": WIDTH, "height": 800}, color_scheme="light")
        clock = Clock(threading.Event(), children)
        server = Server.start(children, directory, webhook=receiver.url, port=0, otlp_port=0)
        shop = Shop(children, directory / "app", server.otlp)
        shop.open()
        shop.admit(RATE)
        _wait(clock, "orders", lambda: shop.operations().completed >= ORDERS)
        faults = {fault.name: fault for fault in FAULTS}
        for name, alert in zip(("illegal_shortcut", "provider_hangs"), ALERTS, strict=True):
            faults[name].inject(shop)
            _wait(clock, alert, partial(_fires, sightings, alert))
            if name == "illegal_shortcut":
                faults[name].heal(shop)
        # neither the oldest, which is about to end, nor one that no alert has counted yet
        stuck = httpx.get(f"{server.pages}/api/v1/instances?stuck=true&limit=1000", timeout=30.0)
        items = stuck.raise_for_status().json()["items"]
        instance = items[len(items) // 2]["page"]
        for name, path, height in (
            ("instance", instance, 1080),
            ("overview", "/", 720),
            ("workflow", "/workflows/order?window=15m", 1260),
        ):
            _photograph(page, server.pages + path, folder / f"{name}.png", height)
        browser.close()


def _fires(sightings: Sightings, alert: str) -> bool:
    return alert in sightings.firing()


def _wait(clock: Clock, what: str, condition: Callable[[], bool]) -> None:
    if not clock.until(condition, WITHIN):
        sys.exit(f"{what} did not come within {WITHIN:g} s")


def _photograph(page: Page, url: str, file: Path, height: int) -> None:
    page.set_viewport_size({"width": WIDTH, "height": height})
    page.goto(url)
    page.screenshot(path=file)
    sys.stdout.write(f"{file}\n")


if __name__ == "__main__":
    main()
