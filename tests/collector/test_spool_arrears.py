"""What holds the watermark, and for how long."""

import itertools

import pytest

from collector.spool.arrears import Arrears

SECOND = 1_000_000


def test_the_earliest_of_what_is_held_holds_it() -> None:
    arrears = Arrears(30)
    assert arrears.flushed_at(50) == 50
    with arrears.receiving(10):
        arrears.hold("segment", 20)
        assert (arrears.flushed_at(1_000), arrears.oldest) == (10, 10)
    assert arrears.flushed_at(1_000) == 20
    arrears.let_go("segment")
    assert (arrears.flushed_at(1_000), arrears.oldest) == (1_000, None)


def test_what_is_held_under_another_key_is_never_forgotten() -> None:
    arrears = Arrears(30)
    arrears.hold("entry", 10)
    arrears.hold("segment", 10)
    arrears.let_go("entry")
    assert arrears.flushed_at(1_000) == 10


def test_letting_go_twice_is_harmless() -> None:
    arrears = Arrears(30)
    arrears.hold("a", 1)
    arrears.let_go("a")
    arrears.let_go("a")
    assert arrears.flushed_at(9) == 9


def test_those_told_to_send_again_hold_it_until_they_have_had_the_time() -> None:
    arrears = Arrears(30)
    arrears.turn_away(10, 10)
    arrears.turn_away(5 * SECOND, 5 * SECOND)
    assert arrears.flushed_at(34 * SECOND) == 10, "the second may have been the first again"
    assert arrears.flushed_at(35 * SECOND) == 35 * SECOND
    assert arrears.flushed_at(34 * SECOND) == 34 * SECOND, "it is over for good"


def test_an_earlier_moment_told_later_counts() -> None:
    arrears = Arrears(30)
    arrears.turn_away(20, 20)
    arrears.turn_away(10, 30)
    assert arrears.flushed_at(40) == 10


@pytest.mark.parametrize(
    "now", [pytest.param(-60 * SECOND, id="far back"), pytest.param(95, id="a little")]
)
def test_a_clock_that_is_stepped_back_holds_nothing_for_ever(now: int) -> None:
    arrears = Arrears(30)
    arrears.turn_away(90, 100)
    assert arrears.flushed_at(now) == min(now, 90)


def test_what_was_received_in_the_future_does_not_run_ahead() -> None:
    arrears = Arrears(30)
    arrears.hold("a", 5_000)
    assert arrears.flushed_at(100) == 100


def test_two_bodies_at_the_same_moment_are_two() -> None:
    arrears = Arrears(30)
    ticks = itertools.repeat(7)
    with arrears.receiving(next(ticks)):
        with arrears.receiving(next(ticks)):
            pass
        assert arrears.flushed_at(100) == 7
