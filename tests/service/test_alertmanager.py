"""Debian's Alertmanager, fed by the whole service from events."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.notify.peers import RealAlertmanager
from tests.peers.donewatch import Donewatch, until
from tests.peers.webhook import Webhook
from tests.service import story
from tests.service.conftest import Make

pytestmark = pytest.mark.system


@pytest.fixture
async def alertmanager(tmp_path: Path, hook: Webhook) -> AsyncIterator[RealAlertmanager]:
    found = RealAlertmanager(tmp_path, hook.url)
    await found.start()
    yield found
    found.stop()


async def active(alertmanager: RealAlertmanager, service: Donewatch) -> list[dict[str, Any]]:
    """The alerts it holds for firing, once it holds any."""
    for _ in range(1000):
        if found := await alertmanager.alerts():
            return found
        assert service.running
        await asyncio.sleep(0.02)
    raise AssertionError("it holds none")


async def test_it_fires_is_sent_again_and_resolves(
    make: Make, alertmanager: RealAlertmanager, hook: Webhook
) -> None:
    service = make(NOTIFY__ALERTMANAGERS=[alertmanager.url], NOTIFY__RESEND="0.5").start()
    service.take(story.submit("order-1", environment="prod", service="shop"))
    (held,) = await active(alertmanager, service)
    ours = service.wait_alert("OrderStuck", "firing")
    assert held["labels"] == ours["labels"]
    assert held["labels"]["environment"] == "prod"
    assert held["annotations"]["summary"] == "1 orders wait to be paid"
    assert "order-1 since" in held["annotations"]["members"]
    assert f"{service.pages}/instances/order/order-1" in held["annotations"]["members"]
    assert held["generatorURL"].startswith(f"{service.pages}/alerts")
    assert at(held, "startsAt") == at(ours, "firing_since")
    until(lambda: hook.told("OrderStuck") == ["firing"], what="Alertmanager telling it on")

    # it is told again and again: it would forget otherwise
    ends = at(held, "endsAt")
    for _ in range(500):
        (held,) = await alertmanager.alerts()
        if at(held, "endsAt") > ends:
            break
        await asyncio.sleep(0.02)
    assert at(held, "endsAt") > ends

    # also when it comes back with nothing
    alertmanager.stop(forget=True)
    await alertmanager.start()
    (held,) = await active(alertmanager, service)
    assert at(held, "startsAt") == at(ours, "firing_since")

    # and by a service that was killed meanwhile
    service.kill()
    alertmanager.stop(forget=True)
    await alertmanager.start()
    service.start()
    (held,) = await active(alertmanager, service)
    assert at(held, "startsAt") == at(ours, "firing_since")

    told = len(hook.told("OrderStuck"))
    service.take(story.pay("order-1", environment="prod"))
    until(lambda: "resolved" in hook.told("OrderStuck")[told:], what="its end")
    assert await alertmanager.alerts() == []
    assert "Traceback" not in service.log


def at(alert: dict[str, Any], name: str) -> datetime:
    """A time, to the millisecond that Alertmanager is told."""
    moment = datetime.fromisoformat(alert[name])
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


async def test_one_that_is_away_costs_nothing_and_hears_of_the_present_when_it_is_back(
    make: Make, alertmanager: RealAlertmanager
) -> None:
    alertmanager.stop()
    service = make(NOTIFY__ALERTMANAGERS=[alertmanager.url], NOTIFY__RESEND="0.5").start()
    service.take(story.submit("order-1"), story.submit("order-2"))
    service.wait_alert("OrderStuck", "firing")
    service.take(story.pay("order-1"))

    def one_left() -> bool:
        alert = service.alert("OrderStuck")
        return alert is not None and alert["members_total"] == 1

    until(one_left)
    await alertmanager.start()
    (held,) = await active(alertmanager, service)
    assert held["annotations"]["members"].startswith("order-2 ")
