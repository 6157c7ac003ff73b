"""The summary has exactly the fields it promises, and says what was not as it must be."""

from datetime import UTC, datetime, timedelta

import pytest

from demo.judgement import Judgement, Outcome, Sighting
from demo.report import Events, Report
from demo.server import accepted_in
from demo.shop import Operations
from demo.tally import Tally, tally
from tests.demo.test_judgement import injection, sighting

START = datetime(2026, 1, 1, tzinfo=UTC)
GOOD = Events(emitted=10, accepted=12, stored=10, lost=0, doubled=0)
OPERATIONS = Operations(started=3, completed=2, stuck=0)


def outcome(
    *, missing: tuple[str, ...] = (), unresolved: tuple[str, ...] = (), alert: str | None = "A"
) -> Outcome:
    return Outcome(
        injection=injection(0, 6),
        alert=alert,
        after=5.123 if alert else None,
        resolved_after=None if unresolved else 3.0,
        missing=missing,
        unresolved=unresolved,
    )


def test_the_object_has_exactly_the_promised_fields() -> None:
    false_alert = Sighting(
        fingerprint="f", alert="X", labels={"alertname": "X"}, fired_at=START + timedelta(seconds=1)
    )
    report = Report(Judgement([outcome()], [false_alert]), GOOD, OPERATIONS)
    assert report.as_json() == {
        "faults": [
            {
                "fault": "fault at 0",
                "injected_at": "2026-01-01T00:00:00.000Z",
                "alert": "A",
                "after_seconds": 5.12,
                "resolved_after_seconds": 3.0,
            }
        ],
        "false_alerts": [
            {"alert": "X", "fired_at": "2026-01-01T00:00:01.000Z", "labels": {"alertname": "X"}}
        ],
        "events": {"emitted": 10, "accepted": 12, "stored": 10, "lost": 0, "doubled": 0},
        "operations": {"started": 3, "completed": 2, "stuck": 0},
    }


def test_nothing_is_null_but_what_did_not_happen() -> None:
    [fault] = Report(
        Judgement([outcome(alert=None, missing=("A",), unresolved=("A",))]), GOOD, OPERATIONS
    ).as_json()["faults"]
    assert fault["alert"] is None
    assert fault["after_seconds"] is None
    assert fault["resolved_after_seconds"] is None


@pytest.mark.parametrize(
    ("report", "complaint"),
    [
        pytest.param(
            Report(Judgement([outcome(missing=("A",))]), GOOD, OPERATIONS),
            "fault at 0: not caught within 10 s by A",
            id="a fault uncaught",
        ),
        pytest.param(
            Report(Judgement([outcome(unresolved=("B",))]), GOOD, OPERATIONS),
            "fault at 0: not over 20 s after healing: B",
            id="a fault unresolved",
        ),
        pytest.param(
            Report(Judgement([outcome()], [sighting("X", 5, 6)]), GOOD, OPERATIONS),
            "X fired at 2026-01-01T00:00:05.000Z without a reason",
            id="a false alert",
        ),
        pytest.param(
            Report(Judgement([]), Events(10, 9, 9, 1, 0), OPERATIONS),
            "1 events were committed and are not in the store",
            id="an event lost",
        ),
        pytest.param(
            Report(Judgement([]), Events(10, 12, 10, 0, 2), OPERATIONS),
            "2 events are counted more than once",
            id="an event doubled",
        ),
    ],
)
def test_each_thing_that_went_wrong_is_said(report: Report, complaint: str) -> None:
    assert report.complaints() == [complaint]


def test_a_good_run_has_no_complaints() -> None:
    assert Report(Judgement([outcome()]), GOOD, OPERATIONS).complaints() == []


@pytest.mark.parametrize(
    ("emitted", "stored", "expected"),
    [
        pytest.param("abc", "abc", Tally(3, 3, 0, 0), id="all there"),
        pytest.param("abc", "ab", Tally(3, 2, 1, 0), id="one lost"),
        pytest.param("abc", "abcc", Tally(3, 3, 0, 1), id="one doubled"),
        pytest.param("abc", "abb", Tally(3, 2, 1, 1), id="one lost behind one doubled"),
        pytest.param("", "", Tally(0, 0, 0, 0), id="nothing at all"),
    ],
)
def test_ids_are_compared_not_numbers(emitted: str, stored: str, expected: Tally) -> None:
    assert tally(emitted, list(stored)) == expected


def test_accepted_events_are_summed_over_labels() -> None:
    exposition = (
        "# HELP donewatch_collector_events_accepted_total x\n"
        "# TYPE donewatch_collector_events_accepted_total counter\n"
        'donewatch_collector_events_accepted_total{door="otlp"} 40\n'
        'donewatch_collector_events_accepted_total{door="native"} 2\n'
        "# TYPE donewatch_collector_events_rejected_total counter\n"
        "donewatch_collector_events_rejected_total 7\n"
    )
    assert accepted_in(exposition) == 42


def test_a_collector_without_the_counter_is_an_error_not_a_nought() -> None:
    with pytest.raises(ValueError, match="donewatch_collector_events_accepted_total"):
        accepted_in("# TYPE other_total counter\nother_total 1\n")
