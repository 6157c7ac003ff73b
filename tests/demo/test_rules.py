"""The demo's definition and rules are what its table of faults speaks of."""

from pathlib import Path

import demo
from demo.faults import FAULTS
from lifecycle.definition_files import read_definitions
from lifecycle.definitions import Definitions
from rules.defaults import default_groups
from rules.files import read_rules
from rules.kind import Known
from rules.rule import RuleGroup

HOME = Path(demo.__file__).parent


def _definitions() -> Definitions:
    path = HOME / "workflows" / "order.yaml"
    return read_definitions({path.name: path.read_text(encoding="utf-8")})


def _groups() -> tuple[RuleGroup, ...]:
    path = HOME / "rules" / "order.yaml"
    return read_rules(path.read_text(encoding="utf-8"), path.name, Known(_definitions()))


def _alerts() -> set[str]:
    return {rule.alert for group in _groups() for rule in group.rules}


def test_every_alert_that_the_table_names_has_a_rule() -> None:
    named = {alert for fault in FAULTS for alert in (*fault.must, *fault.may)}
    assert named <= _alerts()


def test_every_kind_of_rule_must_catch_a_fault() -> None:
    must = {alert for fault in FAULTS for alert in fault.must}
    kinds = {r.kind.name for group in _groups() for r in group.rules if r.alert in must}
    assert kinds == {r.kind.name for group in _groups() for r in group.rules}


def test_no_default_rule_with_its_long_window_is_left_beside_them() -> None:
    assert default_groups(_definitions(), _groups()) == ()


def test_rules_are_quick_enough_for_a_run_of_minutes() -> None:
    for group in _groups():
        assert group.interval == 1.0
        for rule in group.rules:
            assert rule.keep_firing_for == 2.0
            assert getattr(rule.kind, "window", 0.0) <= 6.0
