"""``donewatch check``: every mistake in definition and rule files that belong together."""

from collections.abc import Mapping

from lifecycle.definition_files import definition_of, repeated_versions
from lifecycle.definitions import Definition, Definitions
from lifecycle.document import Document, open_document
from lifecycle.errors import Problem
from rules.files import rules_of
from rules.kind import Known
from rules.rule import RuleGroup


def check_files(texts: Mapping[str, str]) -> list[Problem]:
    """Check files by name, rules against the definitions. What a file is, its keys tell."""
    documents = [open_document(text, file) for file, text in texts.items()]
    rule_documents: list[Document] = []
    read: list[tuple[Document, Definition]] = []
    broken: set[str] = set()
    for document in documents:
        keys = _keys(document)
        if "groups" in keys:
            rule_documents.append(document)
        elif "workflow" in keys or "states" in keys:
            definition = definition_of(document)
            if definition is None:
                broken.add(keys.get("workflow", ""))
            else:
                read.append((document, definition))
        elif document.root is not None:
            fix = "a definition begins with workflow, a rule file with groups"
            document.root.problem("neither a definition nor a rule file", fix)
    known = Known(Definitions(tuple(each for _, each in read)), frozenset(broken))
    groups = [group for document in rule_documents for group in rules_of(document, known)]
    problems = [problem for document in documents for problem in document.problems]
    return sorted({*problems, *repeated_versions(read), *repeated_alerts(groups)})


def repeated_alerts(groups: list[RuleGroup]) -> list[Problem]:
    """A problem for each rule whose alerts another file's rule already has."""
    first: dict[str, str] = {}
    problems = []
    for rule in (rule for group in groups for rule in group.rules):
        file, _, line = rule.source.rpartition(":")
        earlier = first.setdefault(rule.id, rule.source)
        if earlier.rpartition(":")[0] != file:  # within a file its reader reports it
            message = f"the alert {rule.alert!r} with the same labels is already at {earlier}"
            fix = "give it another name or a label that tells them apart"
            problems.append(Problem(file, int(line), 1, message, fix))
    return problems


def _keys(document: Document) -> dict[str, str]:
    root = document.root
    if root is None or root.type != "map":
        return {}
    return {str(key.node.value): str(value.node.value) for key, value in root.pairs()}
