"""Definition and rule files in force: read, checked, and read again when they change."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from lifecycle.definition_files import read_definition, repeated_versions
from lifecycle.definitions import Definition, Definitions
from lifecycle.document import open_document
from lifecycle.errors import DocumentError, Problem
from rules.check import repeated_alerts
from rules.defaults import default_groups
from rules.files import read_rules
from rules.ingest import ingest_groups
from rules.kind import Known
from rules.rule import RuleGroup

_LOG: Final = logging.getLogger(__name__)
_Read = TypeVar("_Read")


@dataclass(frozen=True, slots=True)
class Documents:
    """What is in force, and what is wrong with the files that are not."""

    definitions: Definitions = field(default_factory=Definitions)
    groups: tuple[RuleGroup, ...] = ()
    problems: tuple[Problem, ...] = ()


class DocumentFolder:
    """Definition and rule files of two folders. A broken one keeps what it said in force."""

    def __init__(self, workflows: Path, rules: Path, *, default_interval: float) -> None:
        self._workflows = workflows
        self._rules = rules
        self._default_interval = default_interval
        self._seen: dict[Path, tuple[int, int]] | None = None
        self._definitions: dict[str, Definition] = {}
        self._groups: dict[str, tuple[RuleGroup, ...]] = {}
        self.current = Documents()

    def reload(self) -> bool:
        """Read what has changed since the last time; returns whether anything had."""
        seen = {**stamps(self._workflows), **stamps(self._rules)}
        if seen == self._seen:
            return False
        before = self.current
        problems: list[Problem] = []
        definition_texts, rule_texts = texts(self._workflows), texts(self._rules)
        # what could not be read may become readable with neither its time nor its size changed
        whole = None not in (*definition_texts.values(), *rule_texts.values())
        self._seen = seen if whole else None
        self._definitions = read_each(
            definition_texts, self._definitions, read_definition, problems
        )
        self._drop_repeated_versions(problems)
        definitions = Definitions(tuple(self._definitions.values()))
        known = Known(definitions)
        self._groups = read_each(
            rule_texts,
            self._groups,
            lambda text, name: read_rules(text, name, known),
            problems,
        )
        groups = [group for each in self._groups.values() for group in each]
        problems += repeated_alerts(groups)
        defaults = default_groups(definitions, groups, interval=self._default_interval)
        ingest = ingest_groups(groups, interval=self._default_interval)
        self.current = Documents(
            definitions, (*groups, *defaults, *ingest), tuple(sorted(problems))
        )
        if self.current == before and not whole:
            return False
        for problem in self.current.problems:
            _LOG.error("not in force: %s", problem)
        return True

    def _drop_repeated_versions(self, problems: list[Problem]) -> None:
        opened = [
            (open_document(each.source, name), each) for name, each in self._definitions.items()
        ]
        repeated = repeated_versions(opened)
        problems += repeated
        for problem in repeated:
            self._definitions.pop(problem.file, None)


def stamps(folder: Path) -> dict[Path, tuple[int, int]]:
    """Time of change and size of each of its files."""
    found = {}
    for path in _files(folder):
        try:
            stat = path.stat()
        except OSError:
            continue  # gone meanwhile; the next look sees the folder without it
        found[path] = (stat.st_mtime_ns, stat.st_size)
    return found


def _files(folder: Path) -> Sequence[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix in (".yaml", ".yml"))


def texts(folder: Path) -> Mapping[str, str | None]:
    """The text of each file; ``None`` of one that cannot be read now."""
    found: dict[str, str | None] = {}
    for path in _files(folder):
        try:
            found[str(path)] = path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            continue  # gone meanwhile
        except OSError:
            found[str(path)] = None
    return found


def read_each(
    texts: Mapping[str, str | None],
    before: Mapping[str, _Read],
    read: Callable[[str, str], _Read],
    problems: list[Problem],
) -> dict[str, _Read]:
    """What each text says; what one that is wrong said before stays, and ``problems`` grow."""
    found = {}
    for name, text in texts.items():
        try:
            if text is None:
                fix = "give donewatch leave to read it, or remove it"
                raise DocumentError([Problem(name, 1, 1, "the file cannot be read", fix)])
            found[name] = read(text, name)
        except DocumentError as error:
            problems.extend(error.problems)
            if name in before:
                found[name] = before[name]
    return found
