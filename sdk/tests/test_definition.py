"""Declarations: what they allow, how they are read, and what is wrong with bad ones."""

import json
import sys

import pytest
import yaml

import donewatch
from donewatch import DefinitionError, Workflow

STATES = {
    "submitted": {"status": "accepted", "stuck_after": "2m"},
    "payment_pending": {"status": "processing"},
    "review": {"status": "blocked"},
    "paid": {"status": "processing"},
    "completed": {"status": "completed", "terminal": True},
    "cancelled": {"status": "cancelled", "terminal": True},
}
TRANSITIONS = [
    {"action": "submit", "to": "submitted"},
    {"action": "request_payment", "from": "submitted", "to": "payment_pending"},
    {"action": "pay", "from": ["payment_pending", "review"], "to": "paid"},
    {"action": "settle", "from": "payment_pending", "to": "paid"},
    {"action": "fulfil", "from": "paid", "to": "completed", "actors": ["system"]},
    {"action": "force_cancel", "from": "*", "to": "cancelled", "class": "override"},
]
DOCUMENT = {
    "workflow": "order",
    "version": "3",
    "owner": "checkout",
    "lateness": "30s",
    "states": STATES,
    "transitions": TRANSITIONS,
}


def declared():
    return Workflow("order", version="3", transitions=TRANSITIONS, states=STATES)


@pytest.mark.parametrize(
    ("from_", "to", "action", "allowed"),
    [
        pytest.param(None, "submitted", "submit", True, id="creation"),
        pytest.param("", "submitted", "submit", True, id="creation, empty"),
        pytest.param(None, "submitted", "", True, id="creation without an action"),
        pytest.param(None, "paid", "pay", False, id="creation elsewhere"),
        pytest.param("submitted", "submitted", "submit", False, id="creation is from nowhere only"),
        pytest.param("payment_pending", "paid", "pay", True, id="the first of a list"),
        pytest.param("review", "paid", "pay", True, id="the second of a list"),
        pytest.param("review", "paid", "settle", False, id="another action"),
        pytest.param("review", "paid", "", True, id="judged by states alone"),
        pytest.param("submitted", "paid", "", False, id="undeclared states"),
        pytest.param("completed", "cancelled", "force_cancel", True, id="any state"),
        pytest.param("cancelled", "cancelled", "force_cancel", True, id="any state, itself too"),
        pytest.param("elsewhere", "cancelled", "force_cancel", False, id="an unknown state"),
        pytest.param(None, "cancelled", "force_cancel", False, id="any state is not creation"),
        pytest.param(object(), ["x"], 1.5, False, id="what is no name"),
    ],
)
def test_allows(from_, to, action, allowed):
    assert declared().allows(from_, to, action) is allowed


def test_without_transitions_everything_is_allowed():
    assert Workflow("order").allows("a", "b", "c")
    assert not Workflow("order", transitions=[]).allows("a", "b", "c")


def test_without_states_they_are_those_of_the_transitions():
    workflow = Workflow("order", transitions=TRANSITIONS)
    assert workflow.allows("review", "cancelled")
    assert not workflow.allows("elsewhere", "cancelled")


@pytest.mark.parametrize("suffix", [".yaml", ".yml", ".json"])
def test_a_definition_file_declares_the_same(tmp_path, suffix):
    path = tmp_path / f"order{suffix}"
    path.write_text(json.dumps(DOCUMENT) if suffix == ".json" else yaml.safe_dump(DOCUMENT))
    workflow = Workflow.load(path)
    assert (workflow.name, workflow.version) == ("order", "3")
    assert workflow._edges == declared()._edges


def test_a_guard_answers_and_emits_what_it_refuses(configure, sink):
    workflow = declared()
    assert workflow.guard("o-1", "paid", "completed", action="fulfil", sequence=4)
    assert not workflow.guard(
        "o-1", "submitted", "completed", action="fulfil", sequence=4, actor_type="operator", key="k"
    )
    assert donewatch.flush(10)
    (event,) = sink.events()
    event_id = event.attributes.pop("donewatch.event.id")
    assert event_id
    assert event.name == "donewatch.transition"
    assert event.attributes == {
        "donewatch.workflow.type": "order",
        "donewatch.workflow.version": "3",
        "donewatch.instance.id": "o-1",
        "donewatch.transition.from": "submitted",
        "donewatch.transition.to": "completed",
        "donewatch.transition.action": "fulfil",
        "donewatch.transition.key": "k",
        "donewatch.transition.outcome": "rejected",
        "donewatch.transition.rejection": "structural",
        "donewatch.transition.class": "normal",
        "donewatch.sequence": 4,
        "donewatch.actor.type": "operator",
    }


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        pytest.param({"workflow": ""}, ["workflow: is empty"], id="no name"),
        pytest.param({"workflow": 7}, ["workflow: is 7, no text; put it in quotes"], id="name 7"),
        pytest.param({"version": 1.1}, ["version: is 1.1, no text"], id="version 1.1"),
        pytest.param(
            {"transitions": [{"form": "paid", "to": "completed"}]},
            ["transitions[0]: does not know 'form'; it may have action, from, to"],
            id="a misspelt key",
        ),
        pytest.param(
            {"transitions": [{"from": "paid"}, {"to": "nowhere"}, {"from": "x", "to": "paid"}]},
            [
                "transitions[0].to: is missing",
                "transitions[1].to: no state is named 'nowhere'",
                "transitions[2].from: no state is named 'x'",
            ],
            id="every problem is told",
        ),
        pytest.param(
            {"transitions": [{"to": "paid", "class": "odd"}]},
            ["transitions[0].class: is 'odd'; it must be one of normal"],
            id="an unknown class",
        ),
        pytest.param({"transitions": "submit"}, ["transitions: is no list"], id="text for a list"),
        pytest.param(
            {"transitions": ["submit"]}, ["transitions[0]: is no mapping"], id="text in it"
        ),
        pytest.param({"states": 5}, ["states: is neither"], id="states 5"),
        pytest.param(
            {"states": {False: {}}, "transitions": []},
            ["states[0]: is False, no text"],
            id="a bare no",
        ),
    ],
)
def test_a_bad_declaration_raises_with_all_its_problems(tmp_path, changes, told):
    document = DOCUMENT | changes
    with pytest.raises(DefinitionError) as raised:
        Workflow(
            document["workflow"],
            version=document["version"],
            transitions=document["transitions"],
            states=document["states"],
        )
    for each in told:
        assert each in str(raised.value)
    path = tmp_path / "order.yaml"
    path.write_text(yaml.safe_dump(document))
    with pytest.raises(DefinitionError, match=r"order\.yaml: "):
        Workflow.load(path)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        pytest.param("order.json", "{", "is not JSON", id="broken JSON"),
        pytest.param("order.yaml", "a: [", "is not YAML", id="broken YAML"),
        pytest.param("order.yaml", "- a", "is no definition", id="a list"),
        pytest.param("order.yaml", "workflow: a", "version: is missing", id="keys are missing"),
        pytest.param("order.toml", "", "neither .yaml nor .json", id="another format"),
    ],
)
def test_a_bad_file_raises_with_its_name(tmp_path, name, text, told):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(DefinitionError, match=told) as raised:
        Workflow.load(path)
    assert str(path) in str(raised.value)


def test_a_missing_file_raises(tmp_path):
    with pytest.raises(FileNotFoundError):
        Workflow.load(tmp_path / "none.json")


def test_yaml_without_the_extra_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    path = tmp_path / "order.yaml"
    path.write_text(yaml_text := "workflow: order\n")
    assert yaml_text
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'donewatch\[yaml\]'"):
        Workflow.load(path)


def test_a_name_too_long_for_the_service_is_refused_at_once():
    with pytest.raises(ValueError, match="at most 128"):
        Workflow("w" * 129)
