"""Which alert caught which fault; everything unexplained is false."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from demo.faults import FAULTS, Fault
from demo.judgement import Injection, Sighting, judge, missing

START = datetime(2026, 1, 1, tzinfo=UTC)


def _nothing(_: object) -> None:
    """Breaks nothing."""


def fault(name: str, must: Sequence[str], may: Sequence[str] = ()) -> Fault:
    return Fault(
        name=name,
        what="",
        must=tuple(must),
        may=tuple(may),
        within=10.0,
        recovery=20.0,
        inject=_nothing,
        heal=_nothing,
    )


def injection(
    at: float, healed: float | None, must: Sequence[str] = ("A",), may: Sequence[str] = ("B",)
) -> Injection:
    return Injection(
        fault=fault(f"fault at {at}", must, may),
        injected_at=_at(at),
        healed_at=None if healed is None else _at(healed),
    )


def sighting(alert: str, fired: float, resolved: float | None) -> Sighting:
    return Sighting(
        fingerprint=f"{alert} at {fired}",
        alert=alert,
        labels={"alertname": alert},
        fired_at=_at(fired),
        resolved_at=None if resolved is None else _at(resolved),
    )


def _at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("injections", "sightings", "expected", "false_alerts"),
    [
        pytest.param(
            [injection(0, 6)],
            [sighting("A", 5, 9)],
            [("A", 5.0, 3.0, True)],
            [],
            id="caught by the one that must, resolved after healing",
        ),
        pytest.param(
            [injection(0, 6)],
            [sighting("B", 2, 12), sighting("A", 5, 9)],
            [("A", 5.0, 6.0, True)],
            [],
            id="a quicker side effect does not take the credit, and counts until it is over",
        ),
        pytest.param(
            [injection(0, 10)],
            [],
            [(None, None, None, False)],
            [],
            id="nothing caught it",
        ),
        pytest.param(
            [injection(0, 10)],
            [sighting("B", 5, 12)],
            [("B", 5.0, 2.0, False)],
            [],
            id="only a side effect caught it, the one that must did not",
        ),
        pytest.param(
            [injection(0, 10)],
            [sighting("A", 10.1, 12)],
            [(None, None, 2.0, False)],
            [],
            id="the one that must came too late",
        ),
        pytest.param(
            [injection(0, 10)],
            [sighting("A", 10.0, 12)],
            [("A", 10.0, 2.0, True)],
            [],
            id="just in time",
        ),
        pytest.param(
            [injection(0, 6, must=("A", "C"))],
            [sighting("A", 5, 9)],
            [("A", 5.0, 3.0, False)],
            [],
            id="two must fire and one did not",
        ),
        pytest.param(
            [injection(0, 6)],
            [sighting("A", 5, None)],
            [("A", 5.0, None, False)],
            [],
            id="it never resolved",
        ),
        pytest.param(
            [injection(0, 6)],
            [sighting("A", 5, 9), sighting("B", 7, None)],
            [("A", 5.0, None, False)],
            [],
            id="its side effect never resolved",
        ),
        pytest.param(
            [injection(0, 6)],
            [sighting("A", 5, 26.1)],
            [("A", 5.0, 20.1, False)],
            [],
            id="it resolved too late",
        ),
        pytest.param(
            [injection(0, 6)],
            [sighting("A", 5, 7), sighting("A", 8, 11)],
            [("A", 5.0, 5.0, True)],
            [],
            id="it fired twice: over is when both are over",
        ),
        pytest.param(
            [injection(0, 6)],
            [sighting("A", 3, 4)],
            [("A", 3.0, 0.0, True)],
            [],
            id="it resolved before the healing",
        ),
        pytest.param(
            [injection(0, None)],
            [sighting("A", 5, None)],
            [("A", 5.0, None, False)],
            [],
            id="not healed yet",
        ),
        pytest.param(
            [injection(0, 6)],
            [sighting("A", 5, 9), sighting("X", 5, 9)],
            [("A", 5.0, 3.0, True)],
            ["X"],
            id="an alert that the fault does not explain is false",
        ),
        pytest.param(
            [injection(10, 16)],
            [sighting("A", 9.9, 11), sighting("A", 15, 18)],
            [("A", 5.0, 2.0, True)],
            ["A"],
            id="the right alert before the fault is false",
        ),
        pytest.param(
            [injection(0, 6)],
            [sighting("A", 5, 9), sighting("B", 26.1, 30)],
            [("A", 5.0, 3.0, True)],
            ["B"],
            id="a side effect long after the recovery is false",
        ),
        pytest.param(
            [injection(0, 6), injection(20, 26, must=("C",), may=("B",))],
            [sighting("A", 5, 9), sighting("B", 22, 28), sighting("C", 25, 29)],
            [("A", 5.0, 3.0, True), ("C", 5.0, 3.0, True)],
            [],
            id="of two faults that explain it, the later one has caused it",
        ),
        pytest.param(
            [], [sighting("A", 5, 9)], [], ["A"], id="without faults every alert is false"
        ),
        pytest.param([], [], [], [], id="without faults and alerts all is well"),
    ],
)
def test_every_alert_is_a_faults_or_false(
    injections: list[Injection],
    sightings: list[Sighting],
    expected: list[tuple[str | None, float | None, float | None, bool]],
    false_alerts: list[str],
) -> None:
    judgement = judge(injections, sightings)
    assert [
        (each.alert, each.after, each.resolved_after, each.good) for each in judgement.outcomes
    ] == expected
    assert [each.alert for each in judgement.false_alerts] == false_alerts


@pytest.mark.parametrize(
    ("sightings", "expected"),
    [
        pytest.param([], ("A", "C"), id="nothing yet"),
        pytest.param([sighting("B", 1, None)], ("A", "C"), id="a side effect does not count"),
        pytest.param([sighting("A", -1, None)], ("A", "C"), id="nor one from before"),
        pytest.param([sighting("A", 1, 2)], ("C",), id="one is still missing"),
        pytest.param([sighting("A", 1, 2), sighting("C", 3, None)], (), id="all are there"),
    ],
)
def test_a_fault_waits_for_all_that_must_fire(
    sightings: list[Sighting], expected: tuple[str, ...]
) -> None:
    assert missing(injection(0, None, must=("A", "C")), sightings) == expected


def test_the_table_names_each_fault_once_and_no_alert_on_both_sides() -> None:
    assert len({each.name for each in FAULTS}) == len(FAULTS)
    for each in FAULTS:
        assert each.must
        assert not set(each.must) & set(each.may)
