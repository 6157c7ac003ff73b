"""What the terminal shows, and that the story goes on without one."""

import io
import re
from dataclasses import replace
from datetime import datetime

import pytest
from rich.console import Console

from demo.judgement import Judgement, judge
from demo.narrator import Narrator
from demo.report import Events, Report
from demo.shop import Operations
from tests.demo.test_judgement import injection, sighting


class Gone(io.StringIO):
    """A terminal whose window was closed."""

    def write(self, text: str) -> int:
        raise OSError(5, "Input/output error")


def _tell(narrator: Narrator) -> None:
    judgement: Judgement = judge(
        [injection(0, 6), injection(40, 46)], [sighting("A", 5, 9), sighting("X", 70, 75)]
    )
    with narrator.progress():
        narrator.addresses("http://127.0.0.1:1", "http://127.0.0.1:2")
        for number, outcome in enumerate(judgement.outcomes, 1):
            narrator.broke(outcome.injection.fault, number, 2)
            seen = replace(sighting("A", 5, 9), page="http://p/alerts/a", example="http://p/i/1")
            narrator.caught([seen], _start(), 6.0)
            narrator.healed(outcome.injection.fault, [seen], _start())
            narrator.over(outcome)
    narrator.outcomes(judgement.outcomes)
    narrator.verdict(Report(judgement, Events(10, 12, 10, 0, 0), Operations(3, 3, 0)))


def _start() -> datetime:
    return injection(0, 6).injected_at


def test_the_story_tells_addresses_faults_alerts_and_what_was_wrong() -> None:
    out = io.StringIO()
    _tell(Narrator(Console(file=out, width=100), clock=lambda: 0.0))
    text = out.getvalue()
    for expected in (
        "pages   http://127.0.0.1:1",
        "fault 1/2 fault at 0",
        "A fired after 5.0 s  http://p/alerts/a",
        "for example http://p/i/1",
        "resolved 3.0 s after healing",
        "NOT caught by A within 10 s",
        "10 emitted, 10 stored, 0 lost, 0 doubled (12 accepted",
        "3 started, 3 completed, 0 declined, 0 stuck",
        "X fired at 2026-01-01T00:01:10.000Z without a reason",
    ):
        assert expected in text
    assert "all as it must be" not in text
    assert text.count("A fired after") == 1  # told once, when it was caught


@pytest.mark.parametrize(
    ("terminal", "coloured"),
    [
        pytest.param(True, True, id="a terminal has colours"),
        pytest.param(False, False, id="a file or pipe has plain text"),
    ],
)
def test_colours_are_for_terminals(terminal: bool, coloured: bool) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, color_system="auto", _environ={})
    _tell(Narrator(console, clock=lambda: 0.0))
    assert bool(re.search("\x1b\\[", out.getvalue())) is coloured


def test_a_terminal_that_went_away_stops_nothing() -> None:
    _tell(Narrator(Console(file=Gone())))
