"""Mapping files: what a good one means, and where a bad one is wrong."""

import os
from pathlib import Path

import pytest

from lifecycle.errors import DocumentError
from lifecycle.events import EventKind
from lifecycle.mapping import Condition, Key, Mapping, Place, Signal, Source
from lifecycle.mapping_files import read_mapping, repeated_mappings
from lifecycle.patterns import MAX_TEXT, Pattern

FILES = Path(__file__).parent / "mappings"


def read(name: str) -> Mapping:
    return read_mapping((FILES / name).read_text(), name)


def own(name: str) -> Key:
    return Key(Place.OWN, name)


def attribute(name: str) -> Key:
    return Key(Place.ATTRIBUTE, name)


@pytest.mark.parametrize("path", sorted(FILES.glob("bad_*.yaml")), ids=lambda path: path.stem)
def test_a_bad_file_is_told_every_problem_with_its_place(path: Path) -> None:
    with pytest.raises(DocumentError) as caught:
        read_mapping(path.read_text(), path.name)
    golden = path.with_suffix(".txt")
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(f"{caught.value}\n")
    assert f"{caught.value}\n" == golden.read_text()


def test_conditions() -> None:
    mapping = read("good_jobs.yaml")
    assert (mapping.name, mapping.signal, mapping.ignores_others) == (
        "shop-jobs",
        Signal.SPAN,
        False,
    )
    both, legacy = mapping.match
    assert both == (
        Condition(key=own("kind"), one_of=frozenset({"consumer", "internal"})),
        Condition(key=own("name"), prefix="process "),
        Condition(key=own("scope"), matches=Pattern(r"^shop\.worker")),
        Condition(key=attribute("messaging.system"), one_of=frozenset({"rabbitmq"})),
        Condition(key=attribute("order.test"), none_of=frozenset({"true", "1"})),
        Condition(key=Key(Place.RESOURCE, "service.name"), exists=True),
    )
    # not the truth value that YAML makes of it: what is compared is text
    assert legacy == (Condition(key=attribute("job.legacy"), one_of=frozenset({"yes"})),)


def test_events_and_where_their_fields_come_from() -> None:
    started, succeeded, moved = read("good_jobs.yaml").emit
    assert [(each.kind, each.occurred_at, each.place) for each in (started, succeeded, moved)] == [
        (EventKind.JOB, "start", 1),
        (EventKind.JOB, "end", 2),
        (EventKind.TRANSITION, "end", 3),
    ]
    assert started.when == ((),), "always"
    assert started.keep == ("messaging.destination.name", "retries")
    fields = {rule.field.name: rule for rule in started.fields}
    assert fields["workflow_type"].sources == (Source(literal="order"),)
    assert fields["instance_id"].sources == (
        Source(key=attribute("order.id")),
        Source(key=attribute("message.key"), after="order-", before=":"),
    )
    (template,) = fields["job_id"].sources
    assert template.template == (
        attribute("messaging.message.id"),
        "/",
        Key(Place.RESOURCE, "service.name"),
        "/",
        own("name"),
        "/",
        "{",
        "x",
        "}",
    )
    assert fields["attempt"].sources == (Source(key=attribute("retries"), plus=1, default=1),)
    assert {name for name, rule in fields.items() if rule.required} == {
        "workflow_type",
        "instance_id",
        "job_id",
        "job_state",
    }
    needed = {rule.field.name for rule in succeeded.fields if rule.required}
    assert "max_attempts" in needed, "as the file says"
    other = {rule.field.name: rule for rule in moved.fields}
    assert "job_id" not in other, "a shared field goes to the events that have it"
    assert other["to"].sources[0].table == {"declined": "failed", "7": "review"}


def test_a_mapping_of_logs() -> None:
    mapping = read("good_logs.yaml")
    assert (mapping.signal, mapping.ignores_others) == (Signal.LOG, True)
    (shown,) = mapping.emit
    assert shown.occurred_at == "time"
    assert shown.fields[1].sources == (Source(key=own("body"), after="order ", before=" is shown"),)


def test_two_mappings_of_one_name() -> None:
    text = (FILES / "good_logs.yaml").read_text()
    first, second = read_mapping(text, "a.yaml"), read_mapping(text, "b.yaml")
    (problem,) = repeated_mappings([first, read("good_jobs.yaml"), second])
    assert str(problem) == (
        "b.yaml:1:1: the mapping 'shop-logs' is already in a.yaml (give it another name)"
    )


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        pytest.param("der-[0-9]+", "order-7x", True, id="anywhere"),
        pytest.param("^order-[0-9]+$", "order-7x", False, id="anchored"),
        pytest.param("^(a+)+$", "a" * (MAX_TEXT - 1) + "b", False, id="no catastrophe"),
        pytest.param("a", "a" * (MAX_TEXT + 1), False, id="too long to be looked at"),
    ],
)
def test_patterns(pattern: str, text: str, found: bool) -> None:
    assert Pattern(pattern).found_in(text) is found


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        pytest.param("(", "unclosed group", id="not closed"),
        pytest.param(r"(a)\1", "backreferences are not supported", id="back-reference"),
        pytest.param("(?<=a)b", "look-around", id="look-around"),
        pytest.param("((a{500}){500}){50}", "size limit", id="a huge machine"),
        pytest.param("a" * 501, "longer than 500", id="long"),
    ],
)
def test_what_is_no_pattern(pattern: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Pattern(pattern)
