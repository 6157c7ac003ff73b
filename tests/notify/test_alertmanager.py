"""Alertmanager: what it is sent, and that the real one understands."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from notify.alertmanager import Alertmanager, alert_body
from notify.notification import Notification
from notify.webhook import payload
from tests.notify.peers import (
    START,
    Hook,
    RealAlertmanager,
    free_port,
    member,
    notification,
    running,
    until,
)


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as found:
        yield found


def test_a_firing_alert_ends_well_ahead() -> None:
    now = START + timedelta(seconds=10)
    assert alert_body(notification(members=()), now, 120.0) == {
        "labels": {"alertname": "OrderStuck", "workflow": "order", "severity": "page"},
        "annotations": {"summary": "3 orders are stuck"},
        "startsAt": "2026-11-21T12:00:00.000Z",
        "endsAt": "2026-11-21T12:02:10.000Z",
        "generatorURL": "http://127.0.0.1:8080/alerts/00000000000000aa",
    }


def test_a_resolved_alert_ends_when_it_ended() -> None:
    ended = notification(
        status="resolved", ends_at=START + timedelta(seconds=5), generator_url="", members=()
    )
    body = alert_body(ended, START + timedelta(seconds=60), 120.0)
    assert body["endsAt"] == "2026-11-21T12:00:05.000Z"
    assert "generatorURL" not in body


def test_the_first_ten_members_are_an_annotation_with_their_pages() -> None:
    many = notification(members=tuple(member(number) for number in range(12)), total=250)
    lines = alert_body(many, START, 60.0)["annotations"]["members"].splitlines()
    assert lines[0] == (
        "o-0 since 2026-11-21T12:00:00.000Z (in paid for 41 min, limit 5 min) "
        "http://127.0.0.1:8080/instances/order/o-0"
    )
    assert (len(lines), lines[-1]) == (11, "and 240 more")
    one = alert_body(notification(), START, 60.0)["annotations"]["members"]
    assert "\n" not in one


def test_empty_labels_and_annotations_are_left_out() -> None:
    body = alert_body(
        notification(labels={"alertname": "A", "x": ""}, annotations={"y": ""}, members=()),
        START,
        60.0,
    )
    assert (body["labels"], body["annotations"]) == ({"alertname": "A"}, {})


class Scene:
    """What is current, on a clock of its own; the sender wakes when told or at its interval."""

    def __init__(self, url: str, client: httpx.AsyncClient, *, resend: float = 30.0) -> None:
        self.current: list[Notification] = []
        self.told: list[tuple[str, str, str]] = []
        self.now = datetime.now(UTC)
        self.sender = Alertmanager(
            url,
            client,
            current=lambda: self.current,
            told=lambda *told: self.told.append(told),
            clock=lambda: self.now,
            name="am",
            resend=resend,
        )


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    found = Hook()
    await found.start()
    yield found
    await found.stop()


async def test_it_sends_at_its_interval_and_right_after_a_change(
    hook: Hook, client: httpx.AsyncClient
) -> None:
    scene = Scene(f"http://127.0.0.1:{hook.port}", client, resend=0.05)
    scene.current = [notification()]
    async with running(scene.sender.run()):
        await until(lambda: len(hook.taken) >= 3)
    assert all(len(body) == 1 for body in hook.taken)
    assert scene.told[0] == ("am", "00000000000000aa", "firing@1")
    slow = Scene(f"http://127.0.0.1:{hook.port}", client, resend=3600.0)
    hook.taken.clear()
    async with running(slow.sender.run()):
        await asyncio.sleep(0)
        slow.current = [notification()]
        slow.sender.wake()
        await until(lambda: len(hook.taken) == 1)


async def test_nothing_is_sent_when_there_is_nothing(hook: Hook, client: httpx.AsyncClient) -> None:
    await Scene(f"http://127.0.0.1:{hook.port}", client).sender.send_all()
    assert hook.bodies == []


@pytest.mark.parametrize(
    ("age", "sent"),
    [pytest.param(890, 1, id="within fifteen minutes"), pytest.param(910, 0, id="after")],
)
async def test_a_resolved_alert_is_sent_again_for_fifteen_minutes(
    hook: Hook, client: httpx.AsyncClient, age: float, sent: int
) -> None:
    scene = Scene(f"http://127.0.0.1:{hook.port}", client)
    ended = scene.now - timedelta(seconds=age)
    scene.current = [notification(status="resolved", ends_at=ended)]
    await scene.sender.send_all()
    assert len(hook.taken) == sent


async def test_many_alerts_are_several_requests(hook: Hook, client: httpx.AsyncClient) -> None:
    scene = Scene(f"http://127.0.0.1:{hook.port}", client)
    scene.current = [notification(fingerprint=f"{n:016x}") for n in range(600)]
    await scene.sender.send_all()
    assert [len(body) for body in hook.taken] == [256, 256, 88]
    assert len(scene.told) == 600


async def test_a_request_that_it_finds_wrong_is_counted_and_told_to_nobody(
    hook: Hook, client: httpx.AsyncClient
) -> None:
    hook.answers = [(400, {})]
    scene = Scene(f"http://127.0.0.1:{hook.port}", client)
    scene.current = [notification()]
    await scene.sender.send_all()
    assert (scene.sender.stats.refused, scene.told) == (1, [])
    assert "answered 400" in scene.sender.stats.last_error


async def test_one_that_comes_back_hears_of_the_present(client: httpx.AsyncClient) -> None:
    hook = Hook(port=free_port())
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await asyncio.sleep(0.005)

    scene = Scene(f"http://127.0.0.1:{hook.port}", client)
    sender = Alertmanager(
        f"http://127.0.0.1:{hook.port}",
        client,
        current=lambda: scene.current,
        told=lambda *told: None,
        clock=lambda: scene.now,
        sleep=sleep,
        jitter=lambda: 1.0,
    )
    scene.current = [notification()]
    async with running(sender.run()):
        await until(lambda: sender.stats.failed_attempts > 6)
        assert sender.stats.last_error
        scene.current = [notification(fingerprint="00000000000000bb")]
        await hook.start()
        await until(lambda: sender.stats.sent > 0)
        assert sender.stats.last_error == ""
        assert hook.taken
    await hook.stop()
    assert waits[:6] == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0]


# The real one.


@pytest.fixture
async def alertmanager(tmp_path: Path, hook: Hook) -> AsyncIterator[RealAlertmanager]:
    found = RealAlertmanager(tmp_path, hook.url)
    try:
        await found.start()
        yield found
    finally:
        found.stop()


async def active(alertmanager: RealAlertmanager, number: int) -> list[dict[str, Any]]:
    for _ in range(500):
        found = await alertmanager.alerts()
        if len(found) == number:
            return found
        await asyncio.sleep(0.02)
    raise AssertionError(f"{len(found)} alerts are active, not {number}")


async def test_the_real_one_takes_a_firing_alert_and_its_end(
    alertmanager: RealAlertmanager, client: httpx.AsyncClient, hook: Hook
) -> None:
    scene = Scene(alertmanager.url, client)
    since = scene.now - timedelta(minutes=3)
    scene.current = [notification(starts_at=since)]
    async with running(scene.sender.run()):
        (found,) = await active(alertmanager, 1)
        assert found["labels"] == {
            "alertname": "OrderStuck",
            "workflow": "order",
            "severity": "page",
        }
        assert "o-1 since" in found["annotations"]["members"]
        assert found["generatorURL"].endswith("/alerts/00000000000000aa")
        ends = datetime.fromisoformat(found["endsAt"])
        assert (ends - scene.now).total_seconds() == pytest.approx(120.0, abs=0.01)
        await until(lambda: bool(hook.taken))
        assert hook.taken[0]["status"] == "firing"
        # By its own clock: an end that is still to come for it does not shorten an alert.
        scene.now = datetime.now(UTC)
        scene.current = [notification(status="resolved", starts_at=since, ends_at=scene.now)]
        scene.sender.wake()
        await until(lambda: len(hook.taken) == 2)
        assert hook.taken[1]["status"] == "resolved"
        assert await alertmanager.alerts() == []
    assert scene.sender.stats.failed_attempts == 0


async def test_our_webhook_has_the_shape_of_the_real_ones(
    alertmanager: RealAlertmanager, client: httpx.AsyncClient, hook: Hook
) -> None:
    scene = Scene(alertmanager.url, client)
    scene.current = [notification(starts_at=scene.now)]
    await scene.sender.send_all()
    await until(lambda: bool(hook.taken))
    real, ours = hook.taken[0], payload(scene.current, receiver="hook", external_url="")
    assert set(ours) == set(real)
    assert ours["version"] == real["version"]
    assert set(ours["alerts"][0]) == {*real["alerts"][0], "members", "membersTotal", "value"}
    for name, value in real["alerts"][0].items():
        assert type(ours["alerts"][0][name]) is type(value), name


async def test_the_real_one_that_forgot_everything_is_told_again(
    alertmanager: RealAlertmanager, client: httpx.AsyncClient
) -> None:
    scene = Scene(alertmanager.url, client, resend=0.2)
    scene.current = [notification(starts_at=scene.now)]
    async with running(scene.sender.run()):
        await active(alertmanager, 1)
        alertmanager.stop(forget=True)
        await until(lambda: scene.sender.stats.failed_attempts > 0)
        await alertmanager.start()
        (found,) = await active(alertmanager, 1)
    assert found["labels"]["alertname"] == "OrderStuck"


async def test_after_our_own_restart_the_real_one_sees_the_same_alert(
    alertmanager: RealAlertmanager, client: httpx.AsyncClient
) -> None:
    since = datetime.now(UTC) - timedelta(minutes=3)
    for _ in range(2):
        scene = Scene(alertmanager.url, client)
        scene.current = [notification(starts_at=since)]
        async with running(scene.sender.run()):
            await until(lambda told=scene.told: bool(told))  # type: ignore[misc]
    (found,) = await active(alertmanager, 1)
    assert datetime.fromisoformat(found["startsAt"]) == since.replace(
        microsecond=since.microsecond // 1000 * 1000
    )


async def test_the_real_one_takes_the_valid_of_a_request_it_refuses(
    alertmanager: RealAlertmanager, client: httpx.AsyncClient
) -> None:
    scene = Scene(alertmanager.url, client)
    bad = notification(labels={"no name": "x"}, starts_at=scene.now)
    scene.current = [notification(starts_at=scene.now), bad]
    await scene.sender.send_all()
    assert scene.sender.stats.refused == 1
    (found,) = await active(alertmanager, 1)
    assert found["labels"]["alertname"] == "OrderStuck"


async def test_amtool_shows_the_alert(
    alertmanager: RealAlertmanager, client: httpx.AsyncClient
) -> None:
    scene = Scene(alertmanager.url, client)
    scene.current = [notification(starts_at=scene.now)]
    await scene.sender.send_all()
    await active(alertmanager, 1)
    out = await alertmanager.amtool("alert", "query", "alertname=OrderStuck", "-o", "extended")
    assert "3 orders are stuck" in out
    assert 'severity="page"' in out
