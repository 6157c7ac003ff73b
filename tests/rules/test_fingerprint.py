"""Fingerprints are Prometheus's; that Alertmanager agrees is tested with the real one."""

import pytest

from rules.fingerprint import fingerprint


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
