"""Rule files: text to groups of rules, with every mistake located.

The shape is Prometheus's, with one of the kinds of ``rules.kinds`` in place of ``expr``.
"""

import re
from collections.abc import Mapping
from typing import Final

from lifecycle.document import Document, Fields, Value, open_document
from rules.annotations import VARIABLES, check_annotation
from rules.kind import Kind, Known
from rules.kinds import KINDS
from rules.rule import DEFAULT_INTERVAL, Rule, RuleGroup

RULE_KEYS: Final = ("alert", "for", "keep_firing_for", "labels", "annotations")
GROUP_KEYS: Final = ("name", "interval", "limit", "rules")
# What donewatch itself says about an alert; a rule's own label must not change it.
RESERVED_LABELS: Final = ("alertname", "workflow", "environment", "state")
SHORTEST_INTERVAL: Final = 0.1

_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


def read_rules(text: str, file: str, known: Known | None = None) -> tuple[RuleGroup, ...]:
    """Read one rule file, checked against the definitions that are known.

    :raises DocumentError: with every problem of the file.
    """
    document = open_document(text, file)
    groups = rules_of(document, known or Known())
    document.raise_problems()
    return groups


def rules_of(document: Document, known: Known) -> tuple[RuleGroup, ...]:
    """The groups in a composed document; problems are recorded there."""
    fields = document.root.fields(("groups",), required=("groups",)) if document.root else None
    value = fields.get("groups") if fields else None
    groups: list[RuleGroup] = []
    lines: dict[str, int] = {}
    seen: dict[str, int] = {}  # rules by identity, over all groups of the file
    for entry in value.entries() if value else ():
        inner = entry.fields(GROUP_KEYS, required=("name", "rules"))
        if inner is None:
            continue
        name = inner.word("name")
        place = inner.get("name")
        if name in lines and place is not None:
            message = f"the group {name!r} is already given in line {lines[name]}"
            place.problem(message, "give it another name")
        lines.setdefault(name, entry.line)
        groups.append(_group(name, inner, known, seen))
    return tuple(groups)


def _group(name: str, fields: Fields, known: Known, seen: dict[str, int]) -> RuleGroup:
    interval = fields.duration("interval")
    place = fields.get("interval")
    if interval is not None and interval < SHORTEST_INTERVAL and place is not None:
        place.problem("interval is shorter than 100ms", "write for example 15s")
    interval = interval or DEFAULT_INTERVAL
    limit = fields.integer("limit") or 0
    rules = []
    value = fields.get("rules")
    for entry in value.entries() if value else ():
        rule = _rule(entry, known, name, interval, limit)
        if rule is None:
            continue
        line = seen.setdefault(rule.id, entry.line)
        if line != entry.line:
            message = f"the alert {rule.alert!r} with the same labels is already in line {line}"
            entry.problem(message, "give it another name or a label that tells them apart")
        rules.append(rule)
    return RuleGroup(
        name=name,
        interval=interval,
        limit=limit,
        rules=tuple(rules),
        source=fields.value.document.file,
    )


def _rule(entry: Value, known: Known, group: str, interval: float, limit: int) -> Rule | None:
    fields = entry.fields((*RULE_KEYS, *KINDS), required=("alert",))
    if fields is None:
        return None
    kind = _kind(fields, known)
    annotations = _annotations(fields, (*VARIABLES, *(kind.extra if kind else ())))
    rule_labels = _labels(fields)
    alert = fields.word("alert", longest=128)
    hold = fields.duration("for", zero=True)
    keep = fields.duration("keep_firing_for", zero=True)
    if kind is None or not alert:
        return None
    return Rule(
        alert=alert,
        kind=kind,
        hold=hold or 0.0,
        keep_firing_for=keep or 0.0,
        labels=rule_labels,
        annotations=annotations,
        group=group,
        interval=interval,
        limit=limit,
        source=f"{entry.document.file}:{entry.line}",
    )


def _kind(fields: Fields, known: Known) -> Kind | None:
    found = [name for name in fields if name in KINDS]
    if not found:
        unknown = [str(key.node.value) for key, _ in fields.value.pairs()]
        if not any(name not in RULE_KEYS for name in unknown):  # else that key was reported
            fields.value.problem("what it watches is missing", f"add one of: {', '.join(KINDS)}")
        return None
    for name in found[1:]:
        extra = fields.get(name)
        assert extra is not None
        extra.problem(f"a rule has one kind, this one already has {found[0]}", "make it two rules")
    value = fields.get(found[0])
    assert value is not None
    kind = KINDS[found[0]]
    inner = value.fields(kind.keys, required=kind.required)
    return kind.read(inner, known) if inner is not None else None


def _labels(fields: Fields) -> dict[str, str]:
    labels: dict[str, str] = {}
    value = fields.get("labels")
    for key, entry in value.pairs() if value else ():
        name = str(key.node.value)
        text = entry.word(longest=1024)
        if name in RESERVED_LABELS:
            key.problem(f"the label {name!r} is set by donewatch", "give it another name")
        elif not _LABEL.fullmatch(name) or name.startswith("__"):
            fix = "use letters, digits and _, for example severity"
            key.problem(f"{name!r} cannot be the name of a label", fix)
        elif text is not None and ("{{" in text or "{%" in text):
            entry.problem("labels are not templates, they are what the alert is known by")
        elif text is not None:
            labels[name] = text
    return labels


def _annotations(fields: Fields, known: tuple[str, ...]) -> Mapping[str, str]:
    annotations: dict[str, str] = {}
    value = fields.get("annotations")
    for key, entry in value.pairs() if value else ():
        name = str(key.node.value)
        if not _LABEL.fullmatch(name):
            fix = "use letters, digits and _, for example summary"
            key.problem(f"{name!r} cannot be the name of an annotation", fix)
            continue
        text = entry.text()
        if text is not None:
            check_annotation(entry, text, known)
            annotations[name] = text
    return annotations
