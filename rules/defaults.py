"""The rules that follow from a definition alone."""

import math
import re
from collections.abc import Iterable, Sequence
from typing import Final

from lifecycle.definitions import Definition, Definitions, Objective
from rules.kind import DEFAULT_WINDOW, Kind
from rules.kinds import CompletionLag, IllegalTransitions, OutboxLag, RetryExhaustion, Stuck
from rules.rule import DEFAULT_INTERVAL, Rule, RuleGroup

_STUCK: Final = (
    "{{ count }} {{ workflow }} operation{{ 's are' if count != 1 else ' is' }} stuck, "
    "the oldest for {{ oldest | duration }}"
)
_ILLEGAL: Final = (
    "{{ count }} of {{ committed }} transitions of {{ workflow }} in {{ window | duration }} "
    "are not declared in its definition"
)
_OUTBOX: Final = (
    "The outbox of {{ workflow }} is {{ value | duration }} behind, "
    "{{ depth }} record{{ 's wait' if depth != 1 else ' waits' }}"
)
_COMPLETION: Final = (
    "{{ percentile }} from acceptance to completion of {{ workflow }} is "
    "{{ '' if reached else 'more than ' }}{{ value | duration }}, "
    "the objective is {{ threshold | duration }}"
)
_RETRIES: Final = (
    "{{ count }} of {{ ended }} jobs of {{ workflow }} in {{ window | duration }} "
    "have used up their retries"
)
_FIRST: Final = (
    "{% for member in members[:5] %}{{ member.instance_id }}: {{ member.detail }}\n{% endfor %}"
    "{% if total > 5 %}and {{ total - 5 }} more{% endif %}"
)


def camel_case(workflow: str) -> str:
    """The workflow's name as the beginning of an alert's: ``user-sign_up`` is ``UserSignUp``."""
    words = re.findall(r"[^\W_]+", workflow)
    return "".join(word[:1].upper() + word[1:] for word in words)


def default_groups(
    definitions: Definitions,
    groups: Iterable[RuleGroup] = (),
    *,
    interval: float = DEFAULT_INTERVAL,
) -> tuple[RuleGroup, ...]:
    """One group for each workflow type, less the alerts that ``groups`` of rule files define.

    A rule of the same alert name and workflow replaces the default one. ``interval`` in seconds.
    """
    given = {(rule.alert, rule.kind.workflow) for group in groups for rule in group.rules}
    found = []
    for workflow in definitions.workflows():
        rules = tuple(
            rule
            for rule in default_rules(definitions.of(workflow), interval=interval)
            if (rule.alert, workflow) not in given
        )
        if rules:
            source = "definitions"
            found.append(RuleGroup(name=workflow, interval=interval, rules=rules, source=source))
    return tuple(found)


def default_rules(
    versions: Sequence[Definition], *, interval: float = DEFAULT_INTERVAL
) -> tuple[Rule, ...]:
    """The rules of one workflow type. ``versions``: the newest first, at least one."""
    newest = versions[0]
    workflow = newest.workflow
    prefix = camel_case(workflow)
    owner = {"owner": newest.owner} if newest.owner else {}
    # Braces would make a template of it.
    runbook = newest.runbook_url.replace("{", "%7B").replace("}", "%7D")

    def rule(name: str, kind: Kind, severity: str, summary: str, keep: float = 0.0) -> Rule:
        annotations = {"summary": summary, "description": _FIRST}
        if runbook:
            annotations["runbook_url"] = runbook
        return Rule(
            alert=prefix + name,
            kind=kind,
            keep_firing_for=keep,
            labels={"severity": severity, **owner},
            annotations=annotations,
            group=workflow,
            interval=interval,
            source=f"the definition of {workflow}",
            default=True,
        )

    rules = []
    if any(_has_limits(version) for version in versions):
        rules.append(rule("Stuck", Stuck(workflow=workflow), "page", _STUCK))
    rules.append(
        rule("IllegalTransitions", IllegalTransitions(workflow=workflow), "page", _ILLEGAL)
    )
    if newest.outbox_max_lag is not None:
        # The lag of a dispatcher at its limit goes up and down like a saw.
        rules.append(rule("OutboxLag", OutboxLag(workflow=workflow), "page", _OUTBOX, keep=60.0))
    if newest.completion.objective is not None:
        kind = _completion(workflow, newest.completion.objective)
        rules.append(rule("CompletionLag", kind, "page", _COMPLETION))
    if any(version.jobs for version in versions):
        kind_of_retries = RetryExhaustion(workflow=workflow)
        rules.append(rule("RetriesExhausted", kind_of_retries, "ticket", _RETRIES))
    return tuple(rules)


def _has_limits(definition: Definition) -> bool:
    limits = (definition.stuck_after, *(state.stuck_after for state in definition.states))
    return any(limit is not None for limit in limits)


def _completion(workflow: str, objective: Objective) -> CompletionLag:
    """The share as a percentile, over a window that is short beside the objective's own.

    A percentile of fewer runs than 1 ÷ (1 − share) is the slowest of them, and no objective
    forbids a single slow run.
    """
    return CompletionLag(
        workflow=workflow,
        percentile=objective.share,
        window=min(objective.window, max(DEFAULT_WINDOW, objective.within)),
        min_runs=math.ceil(round(1 / (1 - objective.share), 6)),
    )
