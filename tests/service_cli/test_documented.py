"""docs/cli.md has every command, argument and option, with the words of its help."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from service.cli import app

TEXT = Path(__file__).parents[2].joinpath("docs", "cli.md").read_text(encoding="utf-8")
COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]


def section(name: str) -> str:
    found = re.search(rf"^## `donewatch {name}\b.*?(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert found, f"docs/cli.md has no section ## `donewatch {name}…`"
    return found.group()


def row(parameter: Any) -> str:
    names = [*parameter.opts, *parameter.secondary_opts]
    if parameter.param_type_name == "argument":
        names = [(parameter.metavar or parameter.name).upper()]
    told = [parameter.help]
    if parameter.envvar:
        told.append(f"Also `{parameter.envvar}`.")
    if isinstance(parameter.default, str | int | float) and parameter.default not in ("", True, 0):
        told.append(f"Default {parameter.default}.")
    return f"| `{'`, `'.join(names)}` | {' '.join(told)} |"


def rows(command: Any) -> list[str]:
    return [row(each) for each in command.params if not getattr(each, "hidden", False)]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_documented(name: str) -> None:
    documented = [line for line in section(name).splitlines() if line.startswith("| `")]
    assert documented == rows(COMMANDS[name])


def test_no_other_command_is_documented() -> None:
    assert set(re.findall(r"^## `donewatch (\S+?)[ `]", TEXT, re.MULTILINE)) == set(COMMANDS)


def test_the_overview_names_each() -> None:
    overview = TEXT.split("\n## ")[0]
    assert re.findall(r"^\| \[`(\w+)`\]", overview, re.MULTILINE) == list(COMMANDS)
