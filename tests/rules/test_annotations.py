"""Annotations: what templates can say, and what they cannot do."""

import time

import pytest

from rules.annotations import MAX_OUTPUT, render, variables
from rules.sample import Member, Sample
from tests.rules.fakes import at

MEMBERS = tuple(
    Member(workflow="order", environment="prod", instance_id=f"o-{n}", since=at(n), detail="late")
    for n in range(3)
)
SAMPLE = Sample(
    labels={"workflow": "order"},
    value=3.0,
    threshold=0.01,
    firing=True,
    count=3,
    oldest=7503.0,
    rate=0.0342,
    members=MEMBERS,
    total=12,
    extra={"committed": 12345},
)
LABELS = {"workflow": "order", "environment": "prod", "alertname": "A", "severity": "page"}
VALUES = variables("A", LABELS, SAMPLE)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        pytest.param(
            "{{ value }} orders wait, the oldest {{ oldest | duration }}",
            "3 orders wait, the oldest 2 h 5 min",
            id="the example of the design",
        ),
        pytest.param("{{ rate | percent }} > {{ threshold | percent }}", "3.42% > 1%", id="shares"),
        pytest.param("{{ committed | number }}", "12,345", id="a number of the kind's own"),
        pytest.param("{{ rate }}", "0.0342", id="a number as it is"),
        pytest.param("{{ labels.severity }} {{ labels['workflow'] }}", "page order", id="labels"),
        pytest.param("{{ workflow }}/{{ environment }}/{{ state }}", "order/prod/", id="names"),
        pytest.param(
            "{% for m in members %}{{ m.instance_id }} {% endfor %}", "o-0 o-1 o-2 ", id="members"
        ),
        pytest.param(
            "{{ members | join(', ', attribute='instance_id') }}", "o-0, o-1, o-2", id="joined"
        ),
        pytest.param("{{ members[1].since }}", "2026-11-21T12:00:01Z", id="a time"),
        pytest.param("{% if count > 2 %}many{% else %}few{% endif %}", "many", id="a condition"),
        pytest.param("{{ total - count }} more", "9 more", id="arithmetic"),
        pytest.param("{{ (rate * 100) | round(1) }}", "3.4", id="rounded"),
        pytest.param("{{ rate | round(999999999) }}", "0.0342", id="rounded without end"),
        pytest.param("<b>{{ '&' }}</b>", "<b>&</b>", id="nothing is escaped: it is no HTML"),
        pytest.param("plain", "plain", id="no template at all"),
        pytest.param("{{ alert ~ '!' }}", "A!", id="joined texts"),
    ],
)
def test_what_a_template_can_say(template: str, text: str) -> None:
    assert render("summary", template, VALUES) == text


def test_what_is_not_known_says_so() -> None:
    values = variables(
        "A", LABELS, Sample(labels={}, value=1.0, threshold=0.0, firing=True, extra={})
    )
    text = "{{ oldest | duration }} {{ rate | percent }} {{ rate | number }} {{ oldest }}"
    assert render("summary", text, values) == "unknown unknown unknown unknown"


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        pytest.param("{{ nope }}", "'nope' is undefined", id="an unknown variable"),
        pytest.param("{{ labels.nope }}", "has no attribute 'nope'", id="an unknown label"),
        pytest.param("{{ 1 / 0 }}", "division by zero", id="a division by zero"),
        pytest.param("{{ value | nope }}", "No filter named 'nope'", id="an unknown filter"),
        pytest.param("{{ workflow | duration }}", "could not convert", id="text for a number"),
        pytest.param("{{ value", "unexpected end of template", id="an open brace"),
        pytest.param("{{ members | sort }}", "not supported", id="what has no order"),
        pytest.param("{{ ''.__class__ }}", "unsafe", id="a way out: attributes of Python"),
        pytest.param("{{ ''['__class__'] }}", "unsafe", id="a way out: by index"),
        pytest.param("{{ members.__class__.__mro__ }}", "unsafe", id="a way out: classes"),
        pytest.param("{{ '{0.x}'.format(value) }}", "a call is not", id="a way out: format"),
        pytest.param("{{ value | attr('__class__') }}", "No filter", id="a way out: attr"),
        pytest.param("{{ range(10**9) | list }}", "not available", id="cost: range"),
        pytest.param("{{ 'x' * 10000000000 }}", "is for numbers", id="cost: a long text"),
        pytest.param("{{ [1] * 10000000000 }}", "is for numbers", id="cost: a long list"),
        pytest.param("{{ '%9999999999d' % 1 }}", "is for numbers", id="cost: a wide number"),
        pytest.param("{{ 9 ** 9999999999 }}", "** is not available", id="cost: a power"),
        pytest.param("{% set x = 1 %}", "set is not available", id="cost: doubling a variable"),
        pytest.param(
            "{% for a in members %}{% for b in members %}{% endfor %}{% endfor %}",
            "a loop inside a loop",
            id="cost: loops in loops",
        ),
        pytest.param(
            "{% for a in members recursive %}{% endfor %}", "a loop inside", id="cost: recursion"
        ),
        pytest.param("{% macro m() %}{% endmacro %}", "macro is not", id="cost: macros"),
        pytest.param("{% include 'x' %}", "include is not", id="files"),
        pytest.param("{% import 'x' as y %}", "import is not", id="modules"),
        pytest.param("{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}", "Recursion", id="nesting"),
    ],
)
def test_an_annotation_that_fails_says_why_in_its_place(template: str, reason: str) -> None:
    started = time.monotonic()
    text = render("summary", template, VALUES)
    assert text.startswith("<the annotation summary failed: ")
    assert reason in text
    assert time.monotonic() - started < 5


def test_a_long_output_is_cut() -> None:
    text = render("summary", "{% for m in members %}" + "x" * 4000 + "{% endfor %}", VALUES)
    assert len(text) == MAX_OUTPUT + 1
    assert text.endswith("x…")
