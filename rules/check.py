"""``donewatch check``: every mistake in definitions, rules and mappings that belong together."""

from collections.abc import Mapping

from lifecycle.definition_files import definition_of, repeated_versions
from lifecycle.definitions import Definition, Definitions
from lifecycle.document import Document, open_document
from lifecycle.errors import Problem
from lifecycle.mapping import Mapping as SpanMapping
from lifecycle.mapping_files import mapping_of, repeated_mappings
from rules.files import rules_of
from rules.kind import Known
from rules.rule import RuleGroup


def check_files(texts: Mapping[str, str]) -> list[Problem]:
    """Check files by name, rules against the definitions. What a file is, its keys tell."""
    documents = [open_document(text, file) for file, text in texts.items()]
    rule_documents: list[Document] = []
    read: list[tuple[Document, Definition]] = []
    mappings: list[SpanMapping] = []
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
        elif "mapping" in keys or "emit" in keys:
            mapping = mapping_of(document)
            if mapping is not None:
                mappings.append(mapping)
        elif document.root is not None:
            fix = (
                "a definition begins with workflow, a rule file with groups, a mapping with mapping"
            )
            document.root.problem("neither a definition nor a rule file nor a mapping", fix)
    known = Known(Definitions(tuple(each for _, each in read)), frozenset(broken))
    groups = [group for document in rule_documents for group in rules_of(document, known)]
    problems = [problem for document in documents for problem in document.problems]
    repeated = [*repeated_versions(read), *repeated_alerts(groups), *repeated_mappings(mappings)]
    return sorted({*problems, *repeated})


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
