"""Definition files: what a good one means, and where a bad one is wrong."""

import os
from pathlib import Path

import pytest

from lifecycle.definition_files import read_definition, read_definitions
from lifecycle.definitions import Completion, Definition, Edge, JobLimits, Objective, Status
from lifecycle.errors import DocumentError

FILES = Path(__file__).parent / "definitions"


def read(name: str) -> Definition:
    return read_definition((FILES / name).read_text(), name)


@pytest.mark.parametrize("path", sorted(FILES.glob("bad_*.yaml")), ids=lambda path: path.stem)
def test_a_bad_file_is_told_every_problem_with_its_place(path: Path) -> None:
    with pytest.raises(DocumentError) as caught:
        read_definition(path.read_text(), path.name)
    golden = path.with_suffix(".txt")
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(f"{caught.value}\n")
    assert f"{caught.value}\n" == golden.read_text()


def test_the_example_of_the_design_is_read_whole() -> None:
    order = read("good_order.yaml")
    assert (order.workflow, order.version, order.owner) == ("order", "3", "checkout")
    assert (order.order_by, order.lateness, order.stuck_after) == ("time", 30.0, 86400.0)
    assert order.instance_url == "https://admin.example/orders/{instance_id}"
    assert [state.name for state in order.states] == [
        "submitted",
        "payment_pending",
        "review",
        "paid",
        "completed",
        "failed",
        "cancelled",
    ]
    pending = order.state("payment_pending")
    assert pending is not None
    assert (pending.status, pending.terminal, pending.stuck_after) == (
        Status.PROCESSING,
        False,
        900.0,
    )
    assert (pending.owner, pending.waits_for) == ("payments", "payment provider")
    assert pending.message == "We are waiting for your bank."
    assert order.completion == Completion(
        starts="submitted",
        visible=True,
        objective=Objective(within=120, share=0.99, window=2592000),
    )
    assert order.outbox_max_lag == 30.0
    assert order.jobs == {
        "charge_card": JobLimits(
            max_attempts=5, max_wait=60.0, max_run=120.0, states=("payment_pending",)
        )
    }
    assert order.source == (FILES / "good_order.yaml").read_text()


def test_lists_and_the_star_are_written_out() -> None:
    order = read("good_order.yaml")
    assert Edge("", "submitted", "submit") in order.edges
    assert [edge.from_state for edge in order.edges if edge.action == "pay"] == [
        "payment_pending",
        "review",
    ]
    forced = [edge for edge in order.edges if edge.action == "force_cancel"]
    assert [edge.from_state for edge in forced] == [state.name for state in order.states]
    assert all(
        edge.actors == ("operator",) and edge.class_ == "override" and edge.to_state == "cancelled"
        for edge in forced
    )


def test_names_are_text_however_yaml_would_read_them() -> None:
    found = read("good_words.yaml")
    assert (found.workflow, found.version, found.lateness) == ("2026-11-21", "1.10", 0.0)
    assert [state.name for state in found.states] == ["on", "off", "3"]
    assert found.state("3") is not None
    assert found.edges[0] == Edge("", "on", "1")


def test_reenter_marks_the_self_transition_alone() -> None:
    found = read("good_words.yaml")
    assert [(edge.from_state, edge.action) for edge in found.edges if edge.reenter] == [
        ("off", "tick")
    ]


def test_an_edge_written_out_wins_over_the_star() -> None:
    found = read("good_words.yaml")
    ends = {edge.from_state: edge.class_ for edge in found.edges if edge.action == "end"}
    assert ends == {"on": "override", "off": "normal", "3": "normal"}


def test_a_version_defined_twice_is_refused_naming_both_files() -> None:
    text = (FILES / "good_order.yaml").read_text()
    newer = text.replace('version: "3"', "version: 4")
    assert len(read_definitions({"a.yaml": text, "b.yaml": newer}).all) == 2
    with pytest.raises(DocumentError) as caught:
        read_definitions({"a.yaml": text, "b.yaml": newer, "c.yaml": text})
    assert str(caught.value) == (
        "c.yaml:1:1: version '3' of 'order' is already defined in a.yaml (give it another version)"
    )


def test_the_problems_of_all_files_are_reported_together() -> None:
    names = ["bad_creation.yaml", "bad_yaml.yaml"]
    with pytest.raises(DocumentError) as caught:
        read_definitions({name: (FILES / name).read_text() for name in names})
    assert {problem.file for problem in caught.value.problems} == set(names)


def test_a_completed_state_may_be_limited_where_only_visibility_ends_the_operation() -> None:
    text = (FILES / "good_order.yaml").read_text()
    line = "completed:       {status: completed, terminal: true}"
    limited = text.replace(line, line.replace("}", ", stuck_after: 10s}"))
    assert limited != text
    completed = read_definition(limited, "order.yaml").state("completed")
    assert completed is not None and completed.terminal and completed.stuck_after == 10.0
