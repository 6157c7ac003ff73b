"""The transitions that a workflow type declares, in code or in its definition file."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from donewatch import attributes as names

_KEYS: Final = ("action", "from", "to", "class", "actors", "reenter")


class DefinitionError(ValueError):
    """A declaration cannot be taken; ``problems`` has every reason."""

    def __init__(self, where: str, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(f"{where}: {problem}" for problem in problems))


@dataclass(frozen=True, slots=True)
class Edges:
    """The declared ways between states: actions, with their class, by (from, to). ``""`` is
    creation."""

    actions: Mapping[tuple[str, str], Mapping[str, str]]

    def declares(self, from_state: str, to_state: str, action: str) -> bool:
        """Whether the edge is declared; without an action it is judged by its states alone."""
        actions = self.actions.get((from_state, to_state))
        return actions is not None and (not action or action in actions)

    def class_of(self, from_state: str, to_state: str, action: str) -> str:
        """The declared class of the edge; ``normal`` when it is undeclared or not told apart."""
        actions = self.actions.get((from_state, to_state), {})
        if action:
            return actions.get(action, "normal")
        classes = set(actions.values())
        return classes.pop() if len(classes) == 1 else "normal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """One version of a workflow type. Without transitions (``None``) nothing is judged."""

    workflow: str
    version: str
    edges: Edges | None


def declare(
    workflow: object,
    version: object,
    transitions: object = None,
    states: object = None,
    where: str = "",
) -> Declaration:
    """Check a declaration and write out its lists and wildcards.

    ``transitions`` are mappings as in the definition file: ``action``, ``from`` (a state, a list of
    states, ``"*"`` for every state; absent for creation), ``to``, ``class``. ``states`` are names,
    or mappings with a ``name``, or the mapping of the definition file; without them the states are
    those of the transitions.

    :raises DefinitionError: with every problem found.
    """
    where = where or f"workflow {workflow!r}"
    problems: list[str] = []
    name = _text(workflow, "workflow", problems)
    if not name:
        problems.append("workflow: is empty; write for example order")
    number = "" if version is None else _version(version, problems)
    known = _states(states, problems)
    edges: dict[tuple[str, str], dict[str, str]] = {}
    if transitions is not None:
        read = _transitions(transitions, problems)
        every = known or {state for each in read for state in (*each.sources, each.target)} - {
            "",
            "*",
        }
        for position, each in enumerate(read):
            problems.extend(
                f"transitions[{position}].from: no state is named {source!r}"
                for source in each.sources
                if source not in {*every, "", "*"}
            )
            if each.target not in every:
                problems.append(f"transitions[{position}].to: no state is named {each.target!r}")
            sources = every if "*" in each.sources else each.sources
            for source in sources:
                edges.setdefault((source, each.target), {})[each.action] = each.class_
    if problems:
        raise DefinitionError(where, problems)
    declared = None if transitions is None else Edges(edges)
    return Declaration(workflow=name, version=number, edges=declared)


def load(path: str | Path) -> Declaration:
    """Read the definition file of a workflow type: ``.json``, or ``.yaml`` with the extra
    ``donewatch[yaml]``.

    Only what the application needs is read (workflow, version, states, transitions); the service
    checks the rest.

    :raises DefinitionError: with every problem found.
    :raises ModuleNotFoundError: a YAML file without the extra.
    :raises OSError: the file cannot be read.
    """
    path = Path(path)
    text = path.read_text(encoding="utf-8")
    document = _parse(path, text)
    if not isinstance(document, Mapping):
        raise DefinitionError(
            str(path), ["is no definition; it begins with workflow: and version:"]
        )
    if missing := [key for key in ("workflow", "version", "transitions") if key not in document]:
        raise DefinitionError(str(path), [f"{key}: is missing" for key in missing])
    return declare(
        document["workflow"],
        document["version"],
        document["transitions"],
        document.get("states"),
        where=str(path),
    )


def _parse(path: Path, text: str) -> object:
    if path.suffix == ".json":
        try:
            document: object = json.loads(text)
        except ValueError as error:
            raise DefinitionError(str(path), [f"is not JSON: {error}"]) from error
        return document
    if path.suffix not in (".yaml", ".yml"):
        raise DefinitionError(str(path), ["is neither .yaml nor .json"])
    try:
        import yaml
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{path}: reading YAML needs an extra: pip install 'donewatch[yaml]' "
            "(or write the file as .json)",
            name="yaml",
        ) from error
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise DefinitionError(str(path), [f"is not YAML: {error}"]) from error
    return document


@dataclass(frozen=True, slots=True)
class _Transition:
    sources: tuple[str, ...]
    target: str
    action: str
    class_: str


def _transitions(transitions: object, problems: list[str]) -> list[_Transition]:
    if not isinstance(transitions, Iterable) or isinstance(transitions, str | Mapping):
        problems.append("transitions: is no list of mappings with action, from and to")
        return []
    return [
        _transition(each, f"transitions[{position}]", problems)
        for position, each in enumerate(transitions)
    ]


def _transition(each: object, at: str, problems: list[str]) -> _Transition:
    if not isinstance(each, Mapping):
        problems.append(f"{at}: is no mapping with action, from and to")
        return _Transition((), "", "", "normal")
    problems.extend(
        f"{at}: does not know {key!r}; it may have {', '.join(_KEYS)}"
        for key in each
        if key not in _KEYS
    )
    target = _text(each.get("to"), f"{at}.to", problems)
    if not target:
        problems.append(f"{at}.to: is missing; every transition leads to a state")
    class_ = each.get("class", "normal")
    if class_ not in names.CLASSES:
        problems.append(f"{at}.class: is {class_!r}; it must be one of {', '.join(names.CLASSES)}")
    sources = each.get("from")
    listed = list(sources) if isinstance(sources, list | tuple | set | frozenset) else [sources]
    return _Transition(
        sources=tuple(_text(source, f"{at}.from", problems) for source in listed),
        target=target,
        action=_text(each.get("action"), f"{at}.action", problems),
        class_=str(class_),
    )


def _states(states: object, problems: list[str]) -> set[str]:
    if states is None:
        return set()
    if isinstance(states, str) or not isinstance(states, Iterable):
        problems.append("states: is neither a list of names nor a mapping by name")
        return set()
    listed = [
        each.get("name") if isinstance(each, Mapping) else each
        for each in states  # of a mapping, its keys
    ]
    return {
        _text(each, f"states[{position}]", problems) for position, each in enumerate(listed)
    } - {""}


def _text(value: object, at: str, problems: list[str]) -> str:
    """Text, or none. YAML reads a bare ``no`` or ``1`` as something else: that is worth a word."""
    if value is None:
        return ""
    if isinstance(value, str):
        return str.__str__(value)
    problems.append(f"{at}: is {value!r}, no text; put it in quotes")
    return ""


def _version(version: object, problems: list[str]) -> str:
    if isinstance(version, int) and not isinstance(version, bool):
        return str(version)
    return _text(version, "version", problems)
