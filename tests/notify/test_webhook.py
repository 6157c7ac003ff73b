"""The webhook against a real HTTP server: its payload, refusals, failures and retries."""

from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest

from notify.delivery import Delivery
from notify.notification import DeliveryError, Notification
from notify.webhook import Webhook, payload
from tests.notify.peers import START, Hook, free_port, member, notification, running, until


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as found:
        yield found


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    found = Hook()
    await found.start()
    yield found
    await found.stop()


def test_the_payload_is_alertmanagers_version_4_with_members() -> None:
    other = notification(
        fingerprint="00000000000000bb",
        status="resolved",
        labels={"alertname": "OrderStuck", "workflow": "order", "severity": "ticket"},
        ends_at=START + timedelta(seconds=90, milliseconds=5),
        members=(),
        total=0,
    )
    body = payload(
        [notification(members=(member(1), member(2)), total=250), other],
        receiver="hook",
        external_url="http://127.0.0.1:8080",
    )
    assert body == {
        "version": "4",
        "groupKey": '{}:{alertname="OrderStuck"}',
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "hook",
        "groupLabels": {"alertname": "OrderStuck"},
        "commonLabels": {"alertname": "OrderStuck", "workflow": "order"},
        "commonAnnotations": {"summary": "3 orders are stuck"},
        "externalURL": "http://127.0.0.1:8080",
        "alerts": [
            {
                "status": "firing",
                "labels": {"alertname": "OrderStuck", "workflow": "order", "severity": "page"},
                "annotations": {"summary": "3 orders are stuck"},
                "startsAt": "2026-11-21T12:00:00.000Z",
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "http://127.0.0.1:8080/alerts/00000000000000aa",
                "fingerprint": "00000000000000aa",
                "value": 3.0,
                "members": [
                    {
                        "workflow": "order",
                        "environment": "prod",
                        "instance_id": f"o-{number}",
                        "since": "2026-11-21T12:00:00.000Z",
                        "detail": "in paid for 41 min, limit 5 min",
                        "url": f"http://127.0.0.1:8080/instances/order/o-{number}",
                    }
                    for number in (1, 2)
                ],
                "membersTotal": 250,
            },
            {
                "status": "resolved",
                "labels": {"alertname": "OrderStuck", "workflow": "order", "severity": "ticket"},
                "annotations": {"summary": "3 orders are stuck"},
                "startsAt": "2026-11-21T12:00:00.000Z",
                "endsAt": "2026-11-21T12:01:30.005Z",
                "generatorURL": "http://127.0.0.1:8080/alerts/00000000000000aa",
                "fingerprint": "00000000000000bb",
                "value": 3.0,
                "members": [],
                "membersTotal": 0,
            },
        ],
    }


def test_a_group_is_resolved_when_all_of_it_is() -> None:
    body = payload([notification(status="resolved")], receiver="r", external_url="")
    assert body["status"] == "resolved"


async def test_it_posts_json_with_the_headers_it_was_given(
    hook: Hook, client: httpx.AsyncClient
) -> None:
    webhook = Webhook(hook.url, client, headers={"Authorization": "Bearer secret"})
    await webhook.send([notification()])
    assert hook.headers[0]["content-type"] == "application/json"
    assert hook.headers[0]["authorization"] == "Bearer secret"
    assert hook.taken[0]["alerts"][0]["labels"]["alertname"] == "OrderStuck"


@pytest.mark.parametrize(
    ("answer", "permanent", "retry_after"),
    [
        pytest.param((400, {}), True, None, id="a request it finds wrong"),
        pytest.param((401, {}), True, None, id="not allowed"),
        pytest.param((404, {}), True, None, id="not there"),
        pytest.param((301, {"location": "http://x/"}), True, None, id="redirects are not followed"),
        pytest.param((408, {}), False, None, id="its time ran out"),
        pytest.param((429, {"retry-after": "7"}), False, 7.0, id="too often"),
        pytest.param((500, {}), False, None, id="its own error"),
        pytest.param((503, {"retry-after": "soon"}), False, None, id="away, unclear how long"),
        pytest.param("hang up", False, None, id="it hangs up"),
    ],
)
async def test_what_a_refusal_means(
    hook: Hook,
    client: httpx.AsyncClient,
    answer: tuple[int, dict[str, str]] | str,
    permanent: bool,
    retry_after: float | None,
) -> None:
    hook.answers = [answer]
    with pytest.raises(DeliveryError) as caught:
        await Webhook(hook.url, client).send([notification()])
    assert (caught.value.permanent, caught.value.retry_after) == (permanent, retry_after)
    assert str(caught.value).startswith(f"http://127.0.0.1:{hook.port}")


@pytest.mark.parametrize(
    ("url", "permanent"),
    [
        pytest.param(f"http://127.0.0.1:{free_port()}/", False, id="nobody listens"),
        pytest.param("ftp://127.0.0.1/x", True, id="no web address"),
    ],
)
async def test_an_address_that_cannot_be_reached(
    client: httpx.AsyncClient, url: str, permanent: bool
) -> None:
    with pytest.raises(DeliveryError) as caught:
        await Webhook(url, client).send([notification()])
    assert caught.value.permanent is permanent


async def test_secrets_in_an_address_are_not_shown(client: httpx.AsyncClient) -> None:
    url = f"http://user:secret@127.0.0.1:{free_port()}/services/secret?token=secret"
    webhook = Webhook(url, client)
    with pytest.raises(DeliveryError) as caught:
        await webhook.send([notification()])
    assert "secret" not in str(caught.value)
    assert "secret" not in webhook.name
    assert webhook.name == Webhook(url, client).name != Webhook(url + "2", client).name


async def test_what_fails_is_tried_again_until_it_is_taken(
    hook: Hook, client: httpx.AsyncClient
) -> None:
    hook.answers = [(500, {}), "hang up", (429, {}), (503, {})]
    settled: list[tuple[str, str, str]] = []
    webhook = Webhook(hook.url, client, name="hook")
    delivery = Delivery(
        [webhook], lambda *told: settled.append(told), first_wait=0.01, longest_wait=0.05
    )
    delivery.submit("hook", notification())
    async with running(delivery.run()):
        await until(lambda: bool(settled))
    assert settled == [("hook", "00000000000000aa", "firing@1")]
    assert (len(hook.bodies), len(hook.taken)) == (5, 1)
    stats = delivery.stats["hook"]
    assert (stats.delivered, stats.failed_attempts, stats.dead, stats.queued) == (1, 4, 0, 0)
    assert stats.last_error == ""


async def test_a_receiver_that_comes_back_hears_everything_in_order(
    client: httpx.AsyncClient,
) -> None:
    hook = Hook(port=free_port())
    settled: list[str] = []
    delivery = Delivery(
        [Webhook(hook.url, client, name="hook")],
        lambda receiver, fingerprint, episode: settled.append(episode),
        first_wait=0.01,
        longest_wait=0.02,
    )
    async with running(delivery.run()):
        for number in range(3):
            delivery.submit("hook", notification(episode=f"firing@{number}"))
            ended = notification(episode=f"resolved@{number}", status="resolved", ends_at=START)
            delivery.submit("hook", ended)
        await until(lambda: delivery.stats["hook"].failed_attempts > 3)
        assert settled == []
        await hook.start()
        await until(lambda: len(settled) == 6)
    await hook.stop()
    assert [body["status"] for body in hook.taken] == ["firing", "resolved"] * 3


async def test_one_that_is_refused_for_good_takes_no_other_with_it(
    hook: Hook, client: httpx.AsyncClient
) -> None:
    hook.refuse = lambda body: any(alert["value"] == 13.0 for alert in body["alerts"])
    settled: list[str] = []
    delivery = Delivery(
        [Webhook(hook.url, client, name="hook")],
        lambda receiver, fingerprint, episode: settled.append(fingerprint),
        first_wait=0.01,
    )
    for number in range(5):
        bad = 13.0 if number == 2 else 1.0
        delivery.submit("hook", notification(fingerprint=f"{number:016x}", value=bad))
    hook.answers = [(200, {}), (200, {}), (500, {})]  # a hiccup while they go one by one
    async with running(delivery.run()):
        await until(lambda: len(settled) == 5)
    taken = [alert["fingerprint"] for body in hook.taken for alert in body["alerts"]]
    assert taken == [f"{number:016x}" for number in (0, 1, 3, 4)]
    stats = delivery.stats["hook"]
    assert (stats.delivered, stats.dead) == (4, 1)
    assert "answered 400" in stats.last_error or stats.last_error == ""


class Note:
    """A receiver in memory."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.sent: list[list[Notification]] = []

    async def send(self, notifications: list[Notification]) -> None:
        self.sent.append(notifications)


async def test_a_receiver_that_is_away_holds_up_no_other(client: httpx.AsyncClient) -> None:
    away = Webhook(f"http://127.0.0.1:{free_port()}/", client, name="away")
    note = Note("note")
    delivery = Delivery([away, note], lambda *told: None, first_wait=0.01, longest_wait=0.02)
    async with running(delivery.run()):
        for name in delivery.names:
            delivery.submit(name, notification())
        await until(lambda: len(note.sent) == 1 and delivery.stats["away"].failed_attempts > 1)
    assert delivery.stats["away"].queued == 1
    assert "127.0.0.1" in delivery.stats["away"].last_error
