"""What a definition alone is watched for."""

from dataclasses import replace

import pytest

from lifecycle.definitions import Definitions, Objective
from rules.annotations import render, variables
from rules.defaults import camel_case, default_groups, default_rules
from rules.files import read_rules
from rules.kinds import CompletionLag, IllegalTransitions, OutboxLag, RetryExhaustion, Stuck
from rules.sample import Member, Sample
from tests.rules.fakes import BARE, DEFINITIONS, ORDER, at


def test_a_full_definition_is_watched_in_every_way() -> None:
    rules = default_rules([ORDER])
    assert {rule.alert: rule.kind for rule in rules} == {
        "OrderStuck": Stuck(workflow="order"),
        "OrderIllegalTransitions": IllegalTransitions(workflow="order"),
        "OrderOutboxLag": OutboxLag(workflow="order"),
        "OrderCompletionLag": CompletionLag(
            workflow="order", percentile=0.99, window=300.0, min_runs=100
        ),
        "OrderRetriesExhausted": RetryExhaustion(workflow="order"),
    }
    severities = {rule.alert: rule.labels["severity"] for rule in rules}
    assert severities["OrderStuck"] == "page"
    assert severities["OrderRetriesExhausted"] == "ticket"
    assert all(rule.labels["owner"] == "checkout" and rule.default for rule in rules)
    assert all(
        rule.annotations["runbook_url"] == "https://runbooks.example/order" for rule in rules
    )


def test_what_a_definition_does_not_say_is_not_watched() -> None:
    (rule,) = default_rules([BARE])
    assert rule.alert == "BareIllegalTransitions"
    assert rule.labels == {"severity": "page"}
    assert "runbook_url" not in rule.annotations


def test_there_is_one_group_for_each_workflow() -> None:
    groups = default_groups(DEFINITIONS, interval=1.0)
    assert [(group.name, len(group.rules), group.interval) for group in groups] == [
        ("bare", 1, 1.0),
        ("order", 5, 1.0),
    ]
    assert all(rule.interval == 1.0 for group in groups for rule in group.rules)


@pytest.mark.parametrize(
    ("alert", "workflow", "left"),
    [
        pytest.param("OrderStuck", "order", 4, id="the same name and workflow replace it"),
        pytest.param("OrderStuck", "other", 5, id="another workflow does not"),
        pytest.param("OrderStuck2", "order", 5, id="another name does not"),
    ],
)
def test_a_rule_file_replaces_a_default(alert: str, workflow: str, left: int) -> None:
    text = f"""
groups:
  - name: own
    rules:
      - {{alert: {alert}, stuck: {{workflow: {workflow}, longer_than: 5m}}}}
"""
    groups = default_groups(Definitions((ORDER,)), read_rules(text, "own.yaml"))
    assert [len(group.rules) for group in groups] == [left]


def test_a_workflow_whose_defaults_are_all_replaced_has_no_group() -> None:
    text = (
        "groups: [{name: own, rules: [{alert: BareIllegalTransitions, illegal_transitions: %s}]}]"
    )
    own = read_rules(text % "{workflow: bare, more_than: 5}", "own.yaml")
    assert default_groups(Definitions((BARE,)), own) == ()


@pytest.mark.parametrize(
    ("objective", "window", "min_runs"),
    [
        pytest.param(Objective(within=120, share=0.99, window=2592000), 300.0, 100, id="quick"),
        pytest.param(Objective(within=7200, share=0.95, window=2592000), 7200.0, 20, id="slow"),
        pytest.param(Objective(within=10, share=0.5, window=60), 60.0, 2, id="a short window"),
    ],
)
def test_the_objective_is_judged_over_a_window_it_suits(
    objective: Objective, window: float, min_runs: int
) -> None:
    changed = replace(ORDER, completion=replace(ORDER.completion, objective=objective))
    kinds = [rule.kind for rule in default_rules([changed])]
    (kind,) = [kind for kind in kinds if isinstance(kind, CompletionLag)]
    assert (kind.percentile, kind.window, kind.min_runs) == (objective.share, window, min_runs)


@pytest.mark.parametrize(
    ("workflow", "name"),
    [
        ("order", "Order"),
        ("user-sign_up", "UserSignUp"),
        ("payOut.v2", "PayOutV2"),
        ("prüfung", "Prüfung"),
        ("***", ""),
    ],
)
def test_names_are_made_of_the_workflow(workflow: str, name: str) -> None:
    assert camel_case(workflow) == name


MEMBERS = tuple(
    Member(
        workflow="order", environment="prod", instance_id=f"o-{n}", since=at(0), detail="in paid"
    )
    for n in range(7)
)


@pytest.mark.parametrize(
    ("alert", "summary"),
    [
        ("OrderStuck", "12 order operations are stuck, the oldest for 41 min"),
        (
            "OrderIllegalTransitions",
            "12 of 400 transitions of order in 5 min are not declared in its definition",
        ),
        ("OrderOutboxLag", "The outbox of order is 2 min 5 s behind, 12 records wait"),
        (
            "OrderCompletionLag",
            "p99 from acceptance to completion of order is more than 2 min 5 s, "
            "the objective is 2 min",
        ),
        (
            "OrderRetriesExhausted",
            "12 of 400 jobs of order in 5 min have used up their retries",
        ),
    ],
)
def test_what_a_person_reads(alert: str, summary: str) -> None:
    rule = next(rule for rule in default_rules([ORDER]) if rule.alert == alert)
    sample = Sample(
        labels={"workflow": "order"},
        value=125.0,
        threshold=120.0,
        firing=True,
        count=12,
        oldest=2460.0,
        members=MEMBERS,
        total=12,
        extra={
            "committed": 400,
            "ended": 400,
            "depth": 12,
            "window": 300.0,
            "percentile": "p99",
            "reached": False,
        },
    )
    values = variables(alert, {"workflow": "order"}, sample)
    assert render("summary", rule.annotations["summary"], values) == summary
    description = render("description", rule.annotations["description"], values)
    assert description.splitlines() == [
        *(f"o-{n}: in paid" for n in range(5)),
        "and 7 more",
    ]


def test_defaults_use_only_variables_that_their_kind_has() -> None:
    for rule in default_rules([ORDER]):
        quoted = {name: text.replace('"', '\\"') for name, text in rule.annotations.items()}
        lines = "\n".join(
            f'          {name}: "{text}"'.replace("\n", "\\n") for name, text in quoted.items()
        )
        text = f"""
groups:
  - name: g
    rules:
      - alert: {rule.alert}
        {rule.kind.name}: {{workflow: order}}
        annotations:
{lines}
"""
        assert read_rules(text, "f")[0].rules[0].annotations == rule.annotations
