"""docs/mappings.md says all that a mapping may say, and its examples are right."""

import re
from pathlib import Path

import pytest

from collector.mapping.shipped import SHIPPED
from lifecycle import mapping_files, mapping_sources
from lifecycle.events import EventKind
from lifecycle.mapping import OWN, Signal
from lifecycle.mapping_files import read_mapping

PAGE = (Path(__file__).parents[2] / "docs" / "mappings.md").read_text(encoding="utf-8")
KEYS = {
    "mapping": mapping_files.MAPPING_KEYS,
    "event": mapping_files.EMIT_KEYS,
    "condition": mapping_files.TEST_KEYS,
    "change": mapping_sources.CHANGE_KEYS,
    "source": mapping_sources.PLACE_KEYS,
    "kind": tuple(EventKind),
    "shipped": tuple(SHIPPED),
    **{f"part of a {signal}": OWN[signal] for signal in Signal},
}


@pytest.mark.parametrize("block", re.findall(r"```yaml\n(.*?)```", PAGE, re.S))
def test_its_examples_are_right(block: str) -> None:
    assert read_mapping(block, "mappings.md").emit


@pytest.mark.parametrize("what", KEYS)
def test_every_word_is_described(what: str) -> None:
    told = set(re.findall(r"\w+", " ".join(re.findall(r"^\|.*", PAGE, re.M))))
    assert [word for word in KEYS[what] if word not in told] == []


def test_no_other_part_is_described() -> None:
    for signal in Signal:
        (row,) = re.findall(rf"^\| `{{{signal}: .*?\| (.*)", PAGE, re.M)
        assert re.findall(r"`(\w+)`", row) == list(OWN[signal])


def test_the_largest_number_of_events_is_told() -> None:
    assert mapping_files.MAX_EMITS == 10
    assert "up to ten events" in PAGE
