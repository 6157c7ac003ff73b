"""Rule files: what a good one means, and where a bad one is wrong."""

import os
from pathlib import Path

import pytest

from lifecycle.definitions import Definitions
from lifecycle.errors import DocumentError
from rules.files import read_rules
from rules.kind import Known, MoreThan
from rules.kinds import CompletionLag, IllegalTransitions, OutboxLag, RetryExhaustion, Stuck
from tests.rules.fakes import BARE, DEFINITIONS

FILES = Path(__file__).parent / "files"
KNOWN = Known(DEFINITIONS)


@pytest.mark.parametrize("path", sorted(FILES.glob("bad_*.yaml")), ids=lambda path: path.stem)
def test_a_bad_file_is_told_every_problem_with_its_place(path: Path) -> None:
    with pytest.raises(DocumentError) as caught:
        read_rules(path.read_text(), path.name, KNOWN)
    golden = path.with_suffix(".txt")
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(f"{caught.value}\n")
    assert f"{caught.value}\n" == golden.read_text()


def test_the_example_of_the_design_is_read_whole() -> None:
    groups = read_rules((FILES / "good_order.yaml").read_text(), "good_order.yaml", KNOWN)
    first = groups[0]
    assert (first.name, first.interval, first.limit, first.key) == (
        "order",
        15.0,
        0,
        "good_order.yaml;order",
    )
    rule = first.rules[0]
    assert rule.alert == "OrderStuckInPayment"
    assert rule.kind == Stuck(workflow="order", state="payment_pending", longer_than=900.0)
    assert (rule.hold, rule.keep_firing_for, rule.interval) == (60.0, 0.0, 15.0)
    assert rule.labels == {"severity": "page"}
    assert set(rule.annotations) == {"summary", "runbook_url"}
    assert (rule.group, rule.source, rule.default) == ("order", "good_order.yaml:5", False)


def test_the_parameters_of_every_kind() -> None:
    group = read_rules((FILES / "good_order.yaml").read_text(), "good_order.yaml", KNOWN)[1]
    assert (group.interval, group.limit) == (60.0, 20)
    assert [rule.limit for rule in group.rules] == [20] * 5
    assert [rule.kind for rule in group.rules] == [
        IllegalTransitions(
            workflow="order", window=600.0, more_than=MoreThan(share=0.01), min_count=50
        ),
        OutboxLag(workflow="order"),
        CompletionLag(
            workflow="order", percentile=0.999, longer_than=300.0, window=3600.0, min_runs=20
        ),
        RetryExhaustion(workflow="order", more_than=MoreThan(count=3), min_jobs=5),
        RetryExhaustion(workflow="order", more_than=MoreThan(count=30)),
    ]
    assert group.rules[0].labels == {"severity": "page", "priority": "1"}


RULE = "groups: [{{name: g, rules: [{{alert: A, {kind}}}]}}]"


@pytest.mark.parametrize(
    ("kind", "known", "problem"),
    [
        pytest.param(
            "stuck: {workflow: anything}", Known(), "", id="without definitions all may be right"
        ),
        pytest.param(
            "outbox_lag: {workflow: payout, longer_than: 1m}",
            KNOWN,
            "",
            id="a workflow without definition can be watched with limits of the rule's own",
        ),
        pytest.param(
            "outbox_lag: {workflow: payout}",
            KNOWN,
            "f:1:62: unknown workflow 'payout', and without a definition there is no limit "
            "(add a definition file for it)",
            id="but has no limits to fall back on",
        ),
        pytest.param(
            "retry_exhaustion: {workflow: Order}",
            KNOWN,
            "f:1:68: unknown workflow 'Order' (did you mean 'order'?)",
            id="a typing error is not taken for a workflow without definition",
        ),
        pytest.param(
            "stuck: {workflow: order, state: nope}",
            Known(DEFINITIONS, frozenset({"order"})),
            "",
            id="nothing is held against a workflow whose own file is broken",
        ),
        pytest.param(
            "stuck: {workflow: bare}",
            KNOWN,
            "f:1:46: neither the rule has longer_than nor the definition stuck_after "
            "(add longer_than, for example 30s)",
            id="a limit in neither place",
        ),
        pytest.param("stuck: {workflow: order, state: paid}", KNOWN, "", id="the run has a limit"),
        pytest.param(
            "completion_lag: {workflow: bare}",
            Known(Definitions((BARE,))),
            "f:1:55: neither the rule has longer_than nor the definition completion.objective "
            "(add longer_than, for example 30s)",
            id="no objective",
        ),
    ],
)
def test_rules_are_held_against_the_definitions(kind: str, known: Known, problem: str) -> None:
    text = RULE.format(kind=kind)
    if not problem:
        assert len(read_rules(text, "f", known)[0].rules) == 1
        return
    with pytest.raises(DocumentError) as caught:
        read_rules(text, "f", known)
    assert str(caught.value) == problem


def test_a_rule_keeps_its_identity_when_its_limits_change_and_not_when_its_name_does() -> None:
    def identity(kind: str) -> str:
        return read_rules(RULE.format(kind=kind), "f")[0].rules[0].id

    first = identity("stuck: {workflow: order, longer_than: 1m}")
    assert identity("for: 1m, stuck: {workflow: order, longer_than: 2m}") == first
    assert identity("stuck: {workflow: order, state: paid, longer_than: 1m}") != first
    assert identity("labels: {a: b}, stuck: {workflow: order, longer_than: 1m}") != first
