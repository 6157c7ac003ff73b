"""The bar of an import: in a terminal it tells how far it is, elsewhere nothing."""

import io

import pytest
from rich.console import Console

from service.importing.batch import Place
from service.importing.importer import Seen
from service.importing.progress import State
from service.terminal.meter import Meter

STATE = State(place=Place(100, 1500), accepted=1200, reasons={"missing": 34})


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        pytest.param(Seen(STATE, 0.25, ""), ["f[1].csv", "25%", "1,234 rows"], id="a file"),
        pytest.param(Seen(STATE, None, ""), ["f[1].csv", "1,234 rows"], id="a pipe"),
        pytest.param(Seen(STATE, 0.5, "it asks for patience"), ["patience"], id="waiting"),
    ],
)
def test_in_a_terminal(seen: Seen, told: list[str]) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=150)
    with Meter("f[1].csv", shown=True, console=console) as meter:
        meter.show(seen)
    assert [part for part in told if part not in out.getvalue()] == []


@pytest.mark.parametrize(("shown", "terminal"), [(True, False), (False, True)])
def test_elsewhere_nothing(shown: bool, terminal: bool) -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal)
    with Meter("f.csv", shown=shown, console=console) as meter:
        meter.show(Seen(STATE, 0.25, ""))
    assert out.getvalue().strip() == ""
