"""What the demo refuses, and what its environment keeps out."""

import pytest

from demo.faults import FAULTS
from demo.run import COULD_NOT_RUN, run_demo
from demo.scenario import minimum_duration
from demo.server import clean_environment


@pytest.mark.parametrize("faults", [True, False])
def test_too_short_a_duration_is_refused_with_the_minimum(
    faults: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    minimum = minimum_duration(FAULTS if faults else ())
    assert run_demo(minimum - 1, True, faults, False) == COULD_NOT_RUN
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"at least {minimum:g}" in captured.err


def test_settings_of_other_runs_do_not_reach_the_demo() -> None:
    environment = {
        "PATH": "p",
        "DONEWATCH_STORE__DSN": "http://production",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://production",
    }
    assert clean_environment(environment) == {"PATH": "p"}
