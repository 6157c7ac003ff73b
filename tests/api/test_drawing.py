"""Bars to scale, and numbers as a person reads them."""

from dataclasses import dataclass
from datetime import datetime

import pytest

from api.drawing import Bar, part, shares, visit_axis, visit_bars
from api.web import count, duration, percent, reached
from tests.api.world import NOW, ago


@dataclass(frozen=True)
class Stay:
    entered_at: datetime
    exited_at: datetime | None = None
    limit_seconds: float | None = None


BARS = [
    pytest.param([Stay(ago(100))], [Bar(0, 1000, 0, None)], id="one open visit fills the axis"),
    pytest.param(
        [Stay(ago(100), ago(75)), Stay(ago(75))],
        [Bar(0, 250, 0, None), Bar(250, 750, 0, None)],
        id="two, to scale",
    ),
    pytest.param(
        [Stay(ago(100), None, 40)],
        [Bar(0, 400, 600, 400)],
        id="the part over the limit is told apart",
    ),
    pytest.param(
        [Stay(ago(100), None, 500)], [Bar(0, 1000, 0, None)], id="a limit beyond the axis"
    ),
    pytest.param(
        [Stay(ago(100), ago(99.99)), Stay(ago(99.99), ago(0)), Stay(ago(0))],
        [Bar(0, 4, 0, None), Bar(0.1, 999.9, 0, None), Bar(996, 4, 0, None)],
        id="even the shortest can be seen",
    ),
    pytest.param(
        [Stay(ago(100), ago(120)), Stay(ago(50))],
        [Bar(0, 4, 0, None), Bar(500, 500, 0, None)],
        id="an exit before the entry, by a clock that was set back",
    ),
]


@pytest.mark.parametrize(("stays", "bars"), BARS)
def test_visits_to_scale(stays: list[Stay], bars: list[Bar]) -> None:
    axis = visit_axis(stays, NOW)
    assert axis is not None
    assert visit_bars(stays, axis) == bars


def test_without_visits_there_is_no_axis() -> None:
    assert visit_axis([], NOW) is None


def test_an_instant_has_an_axis_too() -> None:
    axis = visit_axis([Stay(NOW)], None)
    assert axis is not None and axis.seconds > 0


def test_shares_fill_the_bar() -> None:
    assert shares([("a", 1), ("b", 0), ("c", 3)]) == [("a", 0.0, 250.0), ("c", 250.0, 750.0)]
    assert shares([]) == []


@pytest.mark.parametrize(
    ("value", "most", "length"),
    [(None, 9, 0), (0, 9, 0), (5, 0, 0), (5, 10, 500), (1, 1e6, 4), (20, 10, 1000)],
)
def test_a_part_of_the_most(value: float | None, most: float, length: float) -> None:
    assert part(value, most) == length


READ = [
    pytest.param(count(None), "–", id="no number"),
    pytest.param(count(48210), "48\u202f210", id="thousands"),
    pytest.param(count(17.0), "17", id="a whole float"),
    pytest.param(count(0.1234), "0.123", id="a fraction"),
    pytest.param(percent(None), "–", id="no share"),
    pytest.param(percent(0), "0 %", id="nothing"),
    pytest.param(percent(0.00001), "< 0.01 %", id="something is not nothing"),
    pytest.param(percent(0.00265), "0.27 %", id="below one"),
    pytest.param(percent(0.999), "99.9 %", id="nearly all is not all"),
    pytest.param(percent(0.99996), "> 99.9 %", id="even nearer"),
    pytest.param(percent(1), "100 %", id="all"),
    pytest.param(duration(None), "–", id="no duration"),
    pytest.param(reached(None, 2460), "> 41 min", id="not reached"),
    pytest.param(reached(None, None), "–", id="nothing to reach"),
    pytest.param(reached(0.0, 5), "0 ms", id="zero is a value"),
]


@pytest.mark.parametrize(("read", "text"), READ)
def test_numbers_as_a_person_reads_them(read: str, text: str) -> None:
    assert read == text
