"""``donewatch check``: what each file is, and rules against definitions."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.definition_files import DEFINITION_KEYS, STATE_KEYS, TRANSITION_KEYS
from rules.check import check_files
from rules.files import GROUP_KEYS, RULE_KEYS
from rules.kinds import KINDS
from tests.rules.fakes import ORDER

FILES = Path(__file__).parent / "files"
RULE = "groups: [{name: g, rules: [{alert: A, stuck: {workflow: %s, state: %s}}]}]\n"

MAPPING = """\
mapping: m1
on: span
match: {name: x}
emit: [{event: visible, occurred_at: end, fields: {workflow_type: order, instance_id: i}}]
"""


@pytest.mark.parametrize(
    ("texts", "problems"),
    [
        pytest.param({}, [], id="nothing to check"),
        pytest.param({"order.yaml": ORDER.source, "r.yaml": RULE % ("order", "paid")}, [], id="ok"),
        pytest.param(
            {"r.yaml": RULE % ("order", "payd"), "order.yaml": ORDER.source},
            ["r.yaml:1:71: the workflow 'order' has no state 'payd' (did you mean 'paid'?)"],
            id="a rule is held against a definition given after it",
        ),
        pytest.param(
            {"order.yaml": ORDER.source + "colour: red\n", "r.yaml": RULE % ("order", "payd")},
            [
                "order.yaml:21:1: unknown key 'colour' (one of: workflow, version, owner, "
                "order_by, lateness, stuck_after, instance_url, trace_url, runbook_url, states, "
                "transitions, completion, outbox, jobs)"
            ],
            id="a broken definition does not break the rules on it as well",
        ),
        pytest.param(
            {"a.yaml": ORDER.source, "b.yaml": ORDER.source},
            [
                "b.yaml:1:1: version '3' of 'order' is already defined in a.yaml "
                "(give it another version)"
            ],
            id="one version in two files",
        ),
        pytest.param(
            {"a.yaml": RULE % ("x", "y"), "b.yaml": RULE % ("x", "y")},
            [
                "b.yaml:1:1: the alert 'A' with the same labels is already at a.yaml:1 "
                "(give it another name or a label that tells them apart)"
            ],
            id="one alert in two files",
        ),
        pytest.param(
            {"a.yaml": "rules: []\n", "b.yaml": "- 1\n", "c.yaml": "x: [\n"},
            [
                "a.yaml:1:1: neither a definition nor a rule file nor a mapping "
                "(a definition begins with workflow, a rule file with groups, a mapping with"
                " mapping)",
                "b.yaml:1:1: neither a definition nor a rule file nor a mapping "
                "(a definition begins with workflow, a rule file with groups, a mapping with"
                " mapping)",
                "c.yaml:2:1: not valid YAML: while parsing a flow node "
                "expected the node content, but found '<stream end>'",
            ],
            id="files of no known kind",
        ),
        pytest.param({"a.yaml": MAPPING, "b.yaml": MAPPING.replace("m1", "m2")}, [], id="mappings"),
        pytest.param(
            {"a.yaml": MAPPING.replace("name", "nam"), "b.yaml": MAPPING, "c.yaml": MAPPING},
            [
                "a.yaml:3:9: unknown key 'nam' (did you mean 'name'?)",
                "c.yaml:1:1: the mapping 'm1' is already in b.yaml (give it another name)",
            ],
            id="a wrong mapping, and one twice",
        ),
    ],
)
def test_all_files_are_checked_together(texts: dict[str, str], problems: list[str]) -> None:
    assert [str(problem) for problem in check_files(texts)] == problems


def test_every_problem_of_every_file_is_in_one_list() -> None:
    name = "bad_everything.yaml"
    problems = check_files({"order.yaml": "workflow: 3\n", name: (FILES / name).read_text()})
    assert {problem.file for problem in problems} == {"order.yaml", name}
    assert len(problems) > 20


KEYS = sorted(
    {
        *DEFINITION_KEYS,
        *STATE_KEYS,
        *TRANSITION_KEYS,
        *GROUP_KEYS,
        *RULE_KEYS,
        *KINDS,
        *(key for kind in KINDS.values() for key in kind.keys),
        *("groups", "starts", "visible", "objective", "within", "share", "max_lag", "max_attempts"),
    }
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["order", "paid", "5m", "99%", "*", "time", "completed", "{{ value }}", "p95"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=6)
    ),
    max_leaves=30,
)


@given(st.dictionaries(st.sampled_from(KEYS), VALUES, min_size=1, max_size=8))
def test_whatever_stands_under_our_keys_is_taken_or_located(content: dict[str, object]) -> None:
    text = yaml.safe_dump(content)
    lines = text.count("\n") + 1
    for problem in check_files({"order.yaml": ORDER.source, "f.yaml": text}):
        assert problem.file == "f.yaml"
        assert 1 <= problem.line <= lines
        assert problem.column >= 1
        assert problem.message.isprintable()
