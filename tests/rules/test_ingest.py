"""The rules about what comes in: silent without cause, firing with it, over when it is over."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from lifecycle.errors import DocumentError, StoreUnavailable
from rules.alert import AlertState, Phase, Verdict
from rules.evaluator import Evaluation, evaluate
from rules.files import read_rules
from rules.ingest import ingest_groups
from rules.kinds import Ingest
from rules.rule import Rule
from rules.sample import Moment
from tests.rules.fakes import FakeQuery, Rows, at, moment

(GROUP,) = ingest_groups()
RULES = {rule.alert: rule for rule in GROUP.rules}


def refused(**changes: Any) -> dict[str, Any]:
    row = {
        "reason": "missing",
        "field": "to",
        "count": 3,
        "last_at": at(-5),
        "detail": "'to' is missing",
        "collector": "c1",
    }
    return {**row, **changes}


def skewed(**changes: Any) -> dict[str, Any]:
    row = {
        "service": "shop",
        "environment": "prod",
        "events": 10,
        "median": 0.5,
        "least": 0.1,
        "greatest": 9.0,
        "heartbeat": 0.2,
        "ahead": 0,
    }
    return {**row, **changes}


def spool(share: float, name: str = "c1") -> dict[str, Any]:
    filled = round(share * 1000)
    return {"collector": name, "pending": 7, "pending_bytes": filled, "limit_bytes": 1000}


def report(marked: float, name: str = "c1", **changes: Any) -> dict[str, Any]:
    """``marked``: seconds after the start."""
    row = {
        "collector": name,
        "marked_at": at(marked),
        "retired": False,
        "pending": 0,
        "trouble": "",
    }
    return {**row, **changes}


DROPPED = {"service": "shop", "environment": "prod", "dropped": 4, "last_at": at(-5)}
NOTHING: Mapping[str, Rows] = {
    "rejected_by_reason": [],
    "producer_drops": [],
    "clock_skew": [],
    "spools": [],
    "collector_reports": [],
}

QUIET = [
    pytest.param("EventsRefused", {}, id="nothing was ever refused"),
    pytest.param(
        "EventsRefused",
        {"rejected_by_reason": [refused(reason="unmapped", count=900)]},
        id="a mapping had nothing to make of some spans",
    ),
    pytest.param("EventsDropped", {}, id="no heartbeat was ever sent"),
    pytest.param("ClockSkew", {}, id="nothing came at all"),
    pytest.param("ClockSkew", {"clock_skew": [skewed()]}, id="clocks are right"),
    pytest.param(
        "ClockSkew", {"clock_skew": [skewed(least=-59.0)]}, id="a clock is a little ahead"
    ),
    pytest.param(
        "ClockSkew",
        {"clock_skew": [skewed(least=3e6, median=3e7, greatest=4e7, heartbeat=None)]},
        id="last year's events are imported",
    ),
    pytest.param(
        "ClockSkew",
        {"clock_skew": [skewed(median=600.0, greatest=900.0, heartbeat=0.2)]},
        id="what was held back during an outage comes late, and the present in time",
    ),
    pytest.param("SpoolFilling", {}, id="no collector has ever registered"),
    pytest.param("SpoolFilling", {"spools": [spool(0.5)]}, id="a spool is half full"),
    pytest.param(
        "SpoolFilling",
        {"spools": [{**spool(0), "limit_bytes": 0, "pending_bytes": 0}]},
        id="a collector of an older version does not tell",
    ),
    pytest.param("CollectorSilent", {}, id="there is no collector yet"),
    pytest.param("CollectorSilent", {"collector_reports": [report(-1)]}, id="a collector reports"),
    pytest.param(
        "CollectorSilent",
        {"collector_reports": [report(-9000, retired=True)]},
        id="a collector has left, or was retired",
    ),
    pytest.param(
        "CollectorSilent", {"collector_reports": [report(400)]}, id="a collector's clock is ahead"
    ),
]


@pytest.mark.parametrize(("alert", "answers"), QUIET)
def test_nothing_fires_without_cause(alert: str, answers: dict[str, Rows]) -> None:
    query = FakeQuery(**{**NOTHING, **answers})
    # evaluated as of the start throughout, so that what has just reported stays so
    moments = [replace(moment(0.0), flushed=at(0)) for _ in range(20)]
    found = list(evaluate(RULES[alert], moments, query))
    assert {each.verdict for each in found} == {Verdict.OK}
    assert not any(each.changes for each in found)


CAUSES = [
    pytest.param(
        "EventsRefused",
        "rejected_by_reason",
        [refused()],
        {"reason": "missing", "severity": "ticket"},
        ["3 records were refused in 15 min: missing", "to: 'to' is missing", "Mend the producer"],
        id="records are refused",
    ),
    pytest.param(
        "EventsRefused",
        "rejected_by_reason",
        [refused(reason="refused_by_store", field="", count=1, detail="Code: 6")],
        {"reason": "refused_by_store", "severity": "ticket"},
        ["1 record was refused", "quarantine at c1", "donewatch quarantine --retry", "Code: 6"],
        id="the store refuses a record",
    ),
    pytest.param(
        "EventsDropped",
        "producer_drops",
        [DROPPED],
        {"service": "shop", "environment": "prod", "severity": "ticket"},
        ["shop dropped 4 events in 15 min", "Is a collector reachable"],
        id="a producer drops events",
    ),
    pytest.param(
        "EventsDropped",
        "producer_drops",
        [{**DROPPED, "service": "", "environment": "", "dropped": 1}],
        {"severity": "ticket"},
        ["A producer dropped 1 event in"],
        id="a producer without a name does",
    ),
    pytest.param(
        "ClockSkew",
        "clock_skew",
        [skewed(least=-90.0, ahead=2)],
        {"service": "shop", "environment": "prod", "severity": "ticket"},
        ["shop is 1 min 30 s ahead of the collector's", "time synchronisation"],
        id="a clock is ahead",
    ),
    pytest.param(
        "ClockSkew",
        "clock_skew",
        [skewed(least=119.0, heartbeat=120.0)],
        {"service": "shop", "environment": "prod", "severity": "ticket"},
        ["shop is 2 min behind the collector's"],
        id="a clock is behind",
    ),
    pytest.param(
        "SpoolFilling",
        "spools",
        [spool(0.1, "well"), spool(0.81, "full")],
        {"severity": "page"},
        ["The spool of full is 81% full: 7 records", "DONEWATCH_COLLECTOR__SPOOL_BYTES"],
        id="a spool fills",
    ),
    pytest.param(
        "CollectorSilent",
        "collector_reports",
        [report(-61, "gone"), report(1e6, "here")],
        {"collector": "gone", "severity": "ticket"},
        ["gone has not reported for", "donewatch retire gone"],
        id="a collector is silent",
    ),
]


def run(
    rule: Rule, query: FakeQuery, begin: int, end: int, before: Iterable[AlertState] = ()
) -> tuple[Evaluation, list[AlertState]]:
    """Look every 15 s in this time; the last look, and the alerts there are then."""
    moments = [moment(float(seconds)) for seconds in range(begin, end, 15)]
    found = list(evaluate(rule, moments, query, before))
    return found[-1], [each for each in found[-1].alerts if each.phase is not Phase.INACTIVE]


@pytest.mark.parametrize(("alert", "name", "rows", "labels", "told"), CAUSES)
def test_each_fires_with_its_cause_and_resolves_without(
    alert: str, name: str, rows: Rows, labels: dict[str, str], told: list[str]
) -> None:
    rule = RULES[alert]
    query = FakeQuery(**{**NOTHING, name: rows})
    last, states = run(rule, query, 0, 150)
    assert last.verdict is Verdict.FIRING
    (state,) = [each for each in states if each.phase is Phase.FIRING]
    assert state.labels == {**labels, "alertname": alert}
    text = "\n".join(state.annotations.values())
    assert [each for each in told if each not in text] == []
    assert "{{" not in text and "rror" not in text, text

    well = {"spools": [spool(0.1)], "collector_reports": [report(1e6, "gone")]}
    query = FakeQuery(**{**NOTHING, **well})
    last, states = run(rule, query, 150, 300, states)
    assert last.verdict is Verdict.OK
    assert [each.phase for each in states] == [Phase.RESOLVED]


HOLDS = [(rule.alert, rule.hold) for rule in GROUP.rules if rule.hold]


@pytest.mark.parametrize(("alert", "hold"), HOLDS)
def test_what_passes_at_once_is_not_told(alert: str, hold: float) -> None:
    causes = {case.values[0]: case.values for case in CAUSES}
    _, name, rows, *_ = causes[alert]
    query = FakeQuery(**{**NOTHING, str(name): rows})
    last, states = run(RULES[alert], query, 0, int(hold), [])
    assert last.verdict is Verdict.PENDING
    last, states = run(RULES[alert], FakeQuery(**NOTHING), int(hold), int(hold) + 30, states)
    assert last.verdict is Verdict.OK and states == []


@pytest.mark.parametrize("alert", RULES)
def test_while_the_store_is_away_nothing_resolves(alert: str) -> None:
    causes = {case.values[0]: case.values for case in CAUSES}
    _, name, rows, *_ = causes[alert]
    _, firing = run(RULES[alert], FakeQuery(**{**NOTHING, str(name): rows}), 0, 150)
    away = FakeQuery(**{each: StoreUnavailable("away") for each in NOTHING})
    last, states = run(RULES[alert], away, 150, 900, firing)
    assert last.verdict is Verdict.ERROR
    assert [each.phase for each in states] == [each.phase for each in firing]


def test_collectors_are_judged_while_nothing_else_can_be() -> None:
    """Their silence is why; it must not hide itself."""
    blind = [
        Moment(now=at(seconds), flushed=at(-600), blind="the watermark stands")
        for seconds in range(0, 150, 15)
    ]
    answers = {**NOTHING, "spools": [spool(0.9)], "collector_reports": [report(-600)]}
    for alert, verdict in (
        ("SpoolFilling", Verdict.FIRING),
        ("CollectorSilent", Verdict.FIRING),
        ("EventsRefused", Verdict.UNKNOWN),
        ("EventsDropped", Verdict.UNKNOWN),
        ("ClockSkew", Verdict.UNKNOWN),
    ):
        found = list(evaluate(RULES[alert], blind, FakeQuery(**answers)))
        assert found[-1].verdict is verdict, alert


def test_what_was_stored_late_is_not_stepped_over() -> None:
    query = FakeQuery(**NOTHING)
    now = moment(0.0, flushed=-20.0)
    RULES["EventsRefused"].kind.evaluate(query, replace(now, looked=at(-7200)))
    RULES["EventsRefused"].kind.evaluate(query, replace(now, looked=at(-60)))
    assert query.parameters("rejected_by_reason") == [
        {"from_": at(-7200), "to": at(-20)},
        {"from_": at(-920), "to": at(-20)},
    ]


def test_a_rule_file_replaces_them() -> None:
    text = """
groups:
  - name: own
    rules:
      - alert: EventsRefused
        ingest: {condition: refused, window: 5m, more_than: 100}
      - alert: SpoolFilling
        ingest: {condition: spool, more_than: 80%}
      - alert: ClocksOff
        ingest: {condition: clock_skew, longer_than: 5s}
"""
    own = read_rules(text, "own.yaml")
    assert [rule.kind for rule in own[0].rules] == [
        Ingest(condition="refused", threshold=100, window=300.0),
        Ingest(condition="spool", threshold=0.8),
        Ingest(condition="clock_skew", threshold=5.0, window=300.0),
    ]
    (group,) = ingest_groups(own, interval=2.0)
    assert [rule.alert for rule in group.rules] == ["EventsDropped", "ClockSkew", "CollectorSilent"]
    assert group.interval == 2.0


BAD = [
    pytest.param("{condition: refusd}", "refused", id="a condition that there is not"),
    pytest.param("{window: 5m}", "condition", id="no condition"),
    pytest.param("{condition: silent, window: 5m}", "no window", id="a parameter of another"),
    pytest.param("{condition: dropped, longer_than: 5m}", "no longer_than", id="likewise"),
    pytest.param("{condition: spool, more_than: 5}", "share|%", id="a number that is no share"),
    pytest.param("{condition: refused, more_than: 5%}", "number", id="a share that is no number"),
]


@pytest.mark.parametrize(("text", "message"), BAD)
def test_mistakes_are_told(text: str, message: str) -> None:
    rules = f"groups: [{{name: g, rules: [{{alert: A, ingest: {text}}}]}}]"
    with pytest.raises(DocumentError, match=message):
        read_rules(rules, "own.yaml")


def test_every_default_is_documented() -> None:
    from tests.rules.test_documentation import RULES as PAGE

    for rule in GROUP.rules:
        assert isinstance(rule.kind, Ingest)
        line = f"| `{rule.alert}` | {rule.labels['severity']} | `{rule.kind.condition}`"
        assert line in PAGE
