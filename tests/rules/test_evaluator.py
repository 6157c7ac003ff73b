"""One rule along a timeline."""

import pytest

from lifecycle.errors import StoreRefused, StoreUnavailable
from rules.alert import Phase, Verdict
from rules.evaluator import evaluate
from rules.kinds import OutboxLag
from rules.rule import Rule
from rules.sample import Moment
from tests.rules.fakes import DEFINITIONS, FakeQuery, Rows, at, in_environments, moment


def rule(hold: float = 0.0, limit: int = 0) -> Rule:
    kind = OutboxLag(workflow="order", longer_than=30.0)
    return Rule(alert="Lag", kind=kind, hold=hold, interval=10.0, limit=limit)


def growing(*environments: str) -> FakeQuery:
    """An outbox that nobody empties since the start: its lag is the time flushed."""

    def lag(**parameters: object) -> Rows:
        seconds = (parameters["flushed"] - at(0)).total_seconds()  # type: ignore[operator]
        return [{"depth": 1, "oldest_recorded_at": at(0), "lag": max(0.0, seconds)}]

    found = in_environments(*(environments or ("prod",)))
    return FakeQuery(environments=found, outbox_lag=lag, outbox_members=[])


def test_a_long_timeline_gives_a_verdict_for_each_moment() -> None:
    timeline = [moment(seconds) for seconds in range(0, 70, 10)]
    found = list(evaluate(rule(hold=20.0), timeline, growing()))
    assert [(each.at, each.verdict.value, each.value) for each in found] == [
        (at(0), "ok", 0.0),
        (at(10), "ok", 10.0),
        (at(20), "ok", 20.0),
        (at(30), "ok", 30.0),
        (at(40), "pending", 40.0),
        (at(50), "pending", 50.0),
        (at(60), "firing", 60.0),
    ]
    assert [change.after for each in found for change in each.changes] == [
        Verdict.PENDING,
        Verdict.FIRING,
    ]


def test_a_timeline_in_pieces_is_the_same_as_in_one() -> None:
    timeline = [moment(seconds) for seconds in range(0, 70, 10)]
    whole = list(evaluate(rule(hold=20.0), timeline, growing()))
    pieces = []
    states: tuple[object, ...] = ()
    for each in timeline:
        (piece,) = evaluate(rule(hold=20.0), [each], growing(), states)  # type: ignore[arg-type]
        states = tuple(one for one in piece.alerts if one.phase is not Phase.INACTIVE)
        pieces.append(piece)
    assert pieces == whole


@pytest.mark.parametrize(
    ("at_moment", "hold", "verdict", "asked"),
    [
        pytest.param(
            Moment(now=at(60), flushed=None, definitions=DEFINITIONS, blind="no collector"),
            0.0,
            Verdict.UNKNOWN,
            False,
            id="without a watermark there is nothing to ask",
        ),
        pytest.param(
            moment(600, flushed=20, blind="stopped"),
            0.0,
            Verdict.UNKNOWN,
            True,
            id="nothing proven",
        ),
        pytest.param(
            moment(600, flushed=40, blind="stopped"), 0.0, Verdict.FIRING, True, id="proven"
        ),
        pytest.param(
            moment(600, flushed=40, blind="stopped"), 5.0, Verdict.UNKNOWN, True, id="only pending"
        ),
    ],
)
def test_unknown(at_moment: Moment, hold: float, verdict: Verdict, asked: bool) -> None:
    query = growing()
    (found,) = evaluate(rule(hold), [at_moment], query)
    assert found.verdict is verdict
    assert found.reason == at_moment.blind
    assert bool(query.asked) is asked


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param(StoreUnavailable("away"), "away", id="the store is away"),
        pytest.param(StoreRefused("no such table"), "no such table", id="the store refuses"),
        pytest.param([], "ValueError: one row was expected, 0 came", id="no row"),
        pytest.param([{"lag": None}], "TypeError", id="a row that makes no sense"),
        pytest.param([{}], "KeyError: 'lag'", id="a column is missing"),
    ],
)
def test_a_rule_that_cannot_be_evaluated_is_in_error_and_keeps_its_alerts(
    answer: Rows | Exception, reason: str
) -> None:
    query = growing()
    broken = FakeQuery(environments=in_environments("prod"), outbox_lag=answer)
    (firing,) = evaluate(rule(), [moment(60)], query)
    (found,) = evaluate(rule(), [moment(70)], broken, firing.alerts)
    assert found.verdict is Verdict.ERROR
    assert found.reason.startswith(reason)
    (alert,) = found.alerts
    assert (alert.phase, alert.verdict, alert.status) == (Phase.FIRING, Verdict.ERROR, "firing")


def test_more_alerts_than_the_limit_are_an_error_of_the_rule() -> None:
    query = growing("a", "b", "c")
    (fine,) = evaluate(rule(limit=3), [moment(60)], query)
    assert (fine.verdict, len(fine.alerts)) == (Verdict.FIRING, 3)
    (found,) = evaluate(rule(limit=2), [moment(60)], query)
    assert (found.verdict, found.alerts) == (Verdict.ERROR, ())
    assert found.reason == "3 alerts at once, the group's limit is 2"


def test_the_value_of_a_rule_is_its_worst_sample() -> None:
    def lag(**parameters: object) -> Rows:
        seconds = {"a": 1.0, "b": 50.0}[parameters["environments"][0]]  # type: ignore[index]
        return [{"depth": 1, "oldest_recorded_at": at(0), "lag": seconds}]

    query = FakeQuery(environments=in_environments("a", "b"), outbox_lag=lag, outbox_members=[])
    (found,) = evaluate(rule(), [moment(0)], query)
    assert found.value == 50.0
    (none,) = evaluate(rule(), [moment(0)], FakeQuery(environments=[]))
    assert (none.value, none.verdict) == (None, Verdict.OK)
