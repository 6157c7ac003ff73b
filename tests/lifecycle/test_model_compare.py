"""The comparison itself: made-up situations are hostile enough, and a wrong answer is noticed."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from tests.histories import loader
from tests.model.case import Case
from tests.model.compare import Row, compare, same
from tests.model.instance import instances
from tests.model.strategies import cases

Change = Callable[[list[dict[str, Any]]], list[dict[str, Any]]]


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
def test_made_up_events_have_one_order_of_receipt_and_equal_the_model_itself(case: Case) -> None:
    receipts = [(e.received_at, e.segment, e.position) for e in case.events]
    assert len(set(receipts)) == len(receipts)
    assert [at for at, _, _ in receipts] == sorted(at for at, _, _ in receipts)
    assert case.settled <= case.flushed
    assert case.from_ < case.to
    assert 1 <= len(instances(case.events, "order", [])) <= 4
    compare(case.model, case)


def _first(column: str, value: Any) -> Change:
    return lambda rows: [{**rows[0], column: value}, *rows[1:]]


WRONG = [
    pytest.param("plain_path", "edges", _first("count", 2), id="another count"),
    pytest.param("plain_path", "edges", lambda rows: rows[1:], id="a row is missing"),
    pytest.param("plain_path", "dwell", lambda rows: [*rows, rows[0]], id="a row too much"),
    pytest.param("plain_path", "dwell", _first("p99", None), id="null for a number"),
    pytest.param(
        "plain_path", "dwell", _first("p50", 10.00001), id="a float off by more than 1e-6"
    ),
    pytest.param("percentile_not_reached", "dwell", _first("p50", 90.0), id="a number for null"),
    pytest.param("never_visible", "stuck", lambda rows: rows[::-1], id="not the oldest first"),
    pytest.param(
        "each_event_by_its_version", "edges", _first("declared", None), id="unjudged for declared"
    ),
    pytest.param(
        "plain_path",
        "instance_runs",
        lambda rows: [{k: v for k, v in row.items() if k != "ended_how"} for row in rows],
        id="a column is missing",
    ),
]


@pytest.mark.parametrize(("name", "figure", "change"), WRONG)
def test_a_wrong_answer_is_named_with_its_figure(name: str, figure: str, change: Change) -> None:
    case = loader.load(name).case

    def query(asked: str, **parameters: Any) -> list[Row]:
        rows = case.model(asked, **parameters)
        return list(change(rows)) if asked == figure and rows else list(rows)

    with pytest.raises(AssertionError, match=f"^{figure}\\(workflow='order'.*differs"):
        compare(query, case)


def test_a_limit_that_drops_the_oldest_or_forgets_the_total_is_noticed() -> None:
    case = loader.load("never_visible").case

    def query(asked: str, **parameters: Any) -> list[Row]:
        rows = case.model(asked, **{**parameters, "limit": 1000})
        return list(rows[-parameters["limit"] :]) if asked == "stuck" else list(rows)

    with pytest.raises(AssertionError, match=r"^stuck\(.*limit=1\) differs"):
        compare(query, case)


@pytest.mark.parametrize(
    ("expected", "actual", "equal"),
    [
        pytest.param(1.0, 1.0000005, True, id="rounding"),
        pytest.param(1.0, 1.000002, False, id="more than rounding"),
        pytest.param(None, None, True, id="null is null"),
        pytest.param(None, 0.0, False, id="null is not zero"),
        pytest.param(0.0, None, False, id="zero is not null"),
        pytest.param(1.0, float("nan"), False, id="nan is no number"),
        pytest.param(True, 1, True, id="engines write booleans as numbers"),
        pytest.param("a", "b", False, id="text"),
    ],
)
def test_values_are_the_same(expected: Any, actual: Any, equal: bool) -> None:
    assert same(expected, actual) is equal
