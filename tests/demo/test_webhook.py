"""The receiver turns notifications into one sighting per alert."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from demo.webhook import Receiver, Sightings

START = datetime(2026, 1, 1, tzinfo=UTC)


def notification(*alerts: tuple[str, str]) -> dict[str, Any]:
    return {
        "version": "4",
        "alerts": [
            {"fingerprint": name, "status": status, "labels": {"alertname": name}}
            for name, status in alerts
        ],
    }


@pytest.mark.parametrize(
    ("notifications", "expected"),
    [
        pytest.param([[("A", "firing")]], [("A", 0, None)], id="it fires"),
        pytest.param(
            [[("A", "firing")], [("A", "firing")]], [("A", 0, None)], id="told again, still one"
        ),
        pytest.param(
            [[("A", "firing")], [("A", "resolved")]], [("A", 0, 1)], id="it fires and resolves"
        ),
        pytest.param(
            [[("A", "firing")], [("A", "resolved")], [("A", "resolved")]],
            [("A", 0, 1)],
            id="its end told twice",
        ),
        pytest.param(
            [[("A", "firing")], [("A", "resolved")], [("A", "firing")]],
            [("A", 0, 1), ("A", 2, None)],
            id="it fires again: two sightings",
        ),
        pytest.param(
            [[("A", "firing"), ("B", "firing")], [("A", "resolved"), ("B", "firing")]],
            [("A", 0, 1), ("B", 0, None)],
            id="two in one notification",
        ),
        pytest.param([[("A", "resolved")]], [], id="the end of one never heard of"),
    ],
)
def test_notifications_become_sightings(
    notifications: list[list[tuple[str, str]]],
    expected: list[tuple[str, int, int | None]],
) -> None:
    sightings = Sightings()
    for second, alerts in enumerate(notifications):
        sightings.take(notification(*alerts), START + timedelta(seconds=second))
    found = [
        (
            each.alert,
            (each.fired_at - START).seconds,
            None if each.resolved_at is None else (each.resolved_at - START).seconds,
        )
        for each in sightings.all()
    ]
    assert found == expected


@pytest.fixture
def receiver() -> Iterator[tuple[Receiver, Sightings]]:
    sightings = Sightings()
    with Receiver(sightings, lambda: START) as serving:
        yield serving, sightings


def test_the_receiver_hears_what_is_posted(receiver: tuple[Receiver, Sightings]) -> None:
    serving, sightings = receiver
    answer = httpx.post(serving.url, json=notification(("A", "firing")))
    assert answer.status_code == 200
    assert [(each.alert, each.fired_at) for each in sightings.all()] == [("A", START)]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{", id="broken JSON"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b'{"version": "3", "alerts": []}', id="another version"),
        pytest.param(b'{"version": "4", "alerts": [{}]}', id="an alert without labels"),
    ],
)
def test_what_is_no_notification_is_refused(
    receiver: tuple[Receiver, Sightings], body: bytes
) -> None:
    serving, sightings = receiver
    assert httpx.post(serving.url, content=body).status_code == 400
    assert sightings.all() == []
