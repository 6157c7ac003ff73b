"""Every key, kind, variable and filter is described, and the example of the page is right."""

import re
from pathlib import Path

import pytest

from lifecycle.definition_files import DEFINITION_KEYS, STATE_KEYS, TRANSITION_KEYS
from rules.annotations import _ENVIRONMENT, VARIABLES
from rules.defaults import default_rules
from rules.files import GROUP_KEYS, RESERVED_LABELS, RULE_KEYS, read_rules
from rules.kind import Kind, Known
from rules.kinds import KINDS
from tests.rules.fakes import DEFINITIONS, ORDER

DOCS = Path(__file__).parents[2] / "docs"
RULES = (DOCS / "rules.md").read_text()


@pytest.mark.parametrize("key", [*DEFINITION_KEYS, *STATE_KEYS, *TRANSITION_KEYS])
def test_keys_of_definitions(key: str) -> None:
    assert f"`{key}`" in (DOCS / "definitions.md").read_text()


@pytest.mark.parametrize("name", [*GROUP_KEYS, *RULE_KEYS, *VARIABLES, *RESERVED_LABELS])
def test_keys_and_variables_of_rules(name: str) -> None:
    assert f"`{name}`" in RULES


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_parameters_and_variables_of_kinds(kind: type[Kind]) -> None:
    (line,) = [line for line in RULES.splitlines() if line.startswith(f"| `{kind.name}` |")]
    assert all(f"`{key}`" in line for key in kind.keys)
    assert all(f"`{name}`" in RULES for name in kind.extra)


def test_filters() -> None:
    (text,) = re.findall(r"Filters: (.*?)\n\n", RULES, re.DOTALL)
    assert set(re.findall(r"\w+", text)) >= set(_ENVIRONMENT.filters)


def test_default_alerts() -> None:
    for rule in default_rules([ORDER]):
        assert f"| `{rule.alert}` | {rule.labels['severity']} |" in RULES


def test_the_example_is_right() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", RULES, re.DOTALL)
    assert read_rules(example, "example", Known(DEFINITIONS))
