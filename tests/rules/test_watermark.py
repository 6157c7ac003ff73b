"""When the stored events reach far enough, and the alert when they do not."""

from dataclasses import dataclass
from datetime import datetime

import pytest

from rules.alert import Phase, Verdict
from rules.blind import blind_group
from rules.evaluator import evaluate
from rules.watermark import why_blind
from tests.rules.fakes import FakeQuery, at, moment


@dataclass(frozen=True)
class Mark:
    flushed: datetime | None
    collector: str = ""
    reason: str = ""


@pytest.mark.parametrize(
    ("mark", "limit", "interval", "reason"),
    [
        pytest.param(Mark(at(0)), 60, 15, "", id="at the present"),
        pytest.param(Mark(at(-60)), 60, 15, "", id="at the limit"),
        pytest.param(Mark(at(-61)), 60, 15, "the stored events end 1 min 1 s ago", id="beyond it"),
        pytest.param(Mark(at(5)), 60, 15, "", id="a collector's clock runs ahead"),
        pytest.param(Mark(at(-61)), 60, 30, "", id="never less than four intervals"),
        pytest.param(
            Mark(at(-121)),
            60,
            30,
            "the stored events end 2 min 1 s ago",
            id="beyond four intervals",
        ),
        pytest.param(Mark(at(-5)), 4, 1, "the stored events end 5 s ago", id="a limit of seconds"),
        pytest.param(
            Mark(at(-90), "c1", "the spool is full"),
            60,
            15,
            "the stored events end 1 min 30 s ago: the spool is full (collector c1)",
            id="who holds it up, and why",
        ),
        pytest.param(Mark(None), 60, 15, "no collector has reported a watermark yet", id="none"),
        pytest.param(Mark(None, "c1", "starting"), 60, 15, "starting (collector c1)", id="not yet"),
    ],
)
def test_why_blind(mark: Mark, limit: float, interval: float, reason: str) -> None:
    assert why_blind(mark, at(0), limit, interval) == reason


def test_five_minutes_of_blindness_are_one_alert_about_their_cause() -> None:
    (rule,) = blind_group(60.0, 60.0).rules
    timeline = [moment(60.0 * n, flushed=0, blind="the disk is full") for n in range(6)]
    timeline.append(moment(360.0))
    found = list(evaluate(rule, timeline, FakeQuery()))
    assert [each.verdict for each in found] == [
        *[Verdict.PENDING] * 5,
        Verdict.FIRING,
        Verdict.OK,
    ]
    (alert,) = found[5].alerts
    assert alert.labels == {"alertname": "MonitoringBlind", "severity": "page"}
    assert alert.value == 300.0
    assert alert.annotations["summary"] == (
        "donewatch has not seen for 5 min what happens: the disk is full"
    )
    assert found[6].alerts[0].phase is Phase.RESOLVED


def test_without_any_watermark_it_is_blind_too() -> None:
    (rule,) = blind_group(60.0).rules
    (found,) = evaluate(rule, [moment(0, blind="none yet")], FakeQuery())
    assert found.verdict is Verdict.PENDING
