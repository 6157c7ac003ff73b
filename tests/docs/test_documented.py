"""Everything a user can set or send is described, with the same names, and nothing else is."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from lifecycle.definition_files import read_definition
from lifecycle.events import FIELDS
from service.settings import Settings
from store.queries import query_names, query_text

DOCS = Path(__file__).parents[2] / "docs"
README = DOCS.parent / "README.md"


def settings_of(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from settings_of(kind, f"{prefix}{name}.")
        else:
            yield prefix + name, field.description or ""


def test_every_setting_is_described() -> None:
    page = (DOCS / "settings.md").read_text()
    rows = re.findall(r"^\| `([a-z_.]+)` \| `(DONEWATCH_\w+)` \| [^|]*\| (.*) \|$", page, re.M)
    described = {name: text for name, _, text in rows}
    assert described == dict(settings_of(Settings))
    for name, variable, _ in rows:
        assert variable == "DONEWATCH_" + name.upper().replace(".", "__")


def test_every_field_of_an_event_is_described() -> None:
    page = (DOCS / "events.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| `([a-z_.]+)`", page, re.M)
    assert {(field.name, field.attribute) for field in FIELDS} == set(rows)


def test_the_readme_definition_is_right() -> None:
    block = re.search(r"```yaml\n(workflow:.*?)```", README.read_text(), re.S)
    assert block is not None
    definition = read_definition(block.group(1), "README.md")
    assert definition.declares("submitted", "paid", "pay")


@pytest.mark.parametrize(
    "page", ["README.md", *sorted(f"docs/{p.name}" for p in DOCS.glob("*.md"))]
)
def test_every_page_that_is_named_exists(page: str) -> None:
    named = re.findall(r"`((?:docs|demo|sdk)/[\w./-]+\.md)`", (DOCS.parent / page).read_text())
    assert [name for name in named if not (DOCS.parent / name).exists()] == []


@pytest.mark.parametrize("name", query_names())
def test_every_query_says_which_question_it_answers(name: str) -> None:
    assert re.match(r"-- [A-Z].*\?", query_text(name)), name
