"""Fingerprints are Prometheus's, and the real Alertmanager agrees."""

from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from rules.fingerprint import fingerprint
from tests.notify.peers import RealAlertmanager


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        # The offset of 64-bit FNV-1a: what Prometheus has for an empty set of labels.
        pytest.param({}, "cbf29ce484222325", id="no labels"),
        pytest.param({"a": ""}, "cbf29ce484222325", id="an empty label is none"),
    ],
)
def test_known_values(labels: dict[str, str], expected: str) -> None:
    assert fingerprint(labels) == expected


def test_order_does_not_matter_and_values_do() -> None:
    first = fingerprint({"a": "1", "b": "2"})
    assert fingerprint({"b": "2", "a": "1"}) == first
    assert fingerprint({"a": "12", "b": ""}) != first
    assert fingerprint({"ab": "1", "c": "2"}) != fingerprint({"a": "b1", "c": "2"})
    assert len(first) == 16


LABELS = [
    {"alertname": "OrderStuck", "workflow": "order", "severity": "page"},
    {"alertname": "Prüfung", "state": "größer → kleiner", "x": '"\\\n'},
    {"alertname": "A" * 1000, "a": "", "_b": " "},
]


async def test_the_real_alertmanager_knows_an_alert_by_the_same_fingerprint(
    tmp_path: Path,
) -> None:
    alertmanager = RealAlertmanager(tmp_path)
    try:
        await alertmanager.start()
        now = datetime.now(UTC).isoformat()
        body = [{"labels": labels, "startsAt": now} for labels in LABELS]
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.post(f"{alertmanager.url}/api/v2/alerts", json=body)
            assert answer.status_code == 200, answer.text
        found = {alert["fingerprint"] for alert in await alertmanager.alerts()}
    finally:
        alertmanager.stop()
    assert found == {fingerprint(labels) for labels in LABELS}
