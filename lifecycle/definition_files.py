"""Definition files: text to a ``Definition``, with every mistake located."""

import re
from collections.abc import Mapping
from typing import Final

from donewatch import attributes as names
from lifecycle.definitions import (
    DEFAULT_LATENESS,
    Completion,
    Definition,
    Definitions,
    Edge,
    JobLimits,
    Objective,
    State,
    Status,
)
from lifecycle.document import Document, Fields, Value, did_you_mean, open_document
from lifecycle.errors import DocumentError, Problem

DEFINITION_KEYS: Final = (
    "workflow",
    "version",
    "owner",
    "order_by",
    "lateness",
    "stuck_after",
    "instance_url",
    "trace_url",
    "runbook_url",
    "states",
    "transitions",
    "completion",
    "outbox",
    "jobs",
)
STATE_KEYS: Final = (
    "status",
    "terminal",
    "stuck_after",
    "owner",
    "waits_for",
    "message",
)
TRANSITION_KEYS: Final = ("action", "from", "to", "class", "actors", "reenter")
_ENDS: Final = (Status.COMPLETED, Status.FAILED, Status.CANCELLED)
_MAX_EDGES: Final = 20_000  # "*" times the states; a table of edges larger than this is a mistake


def read_definition(text: str, file: str) -> Definition:
    """Read one definition file.

    :raises DocumentError: with every problem of the file.
    """
    document = open_document(text, file)
    definition = definition_of(document)
    document.raise_problems()
    assert definition is not None
    return definition


def read_definitions(texts: Mapping[str, str]) -> Definitions:
    """Read several files, by name, that are in force together.

    :raises DocumentError: with every problem of all the files; a version defined twice is one.
    """
    problems: list[Problem] = []
    read: list[tuple[Document, Definition]] = []
    for file, text in texts.items():
        document = open_document(text, file)
        definition = definition_of(document)
        problems.extend(document.problems)
        if definition is not None:
            read.append((document, definition))
    problems.extend(repeated_versions(read))
    if problems:
        raise DocumentError(problems)
    return Definitions(tuple(definition for _, definition in read))


def repeated_versions(read: "list[tuple[Document, Definition]]") -> list[Problem]:
    """A problem for each file that defines a version which another one already did."""
    first: dict[tuple[str, str], str] = {}
    problems = []
    for document, definition in read:
        key = (definition.workflow, definition.version)
        if key in first:
            what = f"version {definition.version!r} of {definition.workflow!r}"
            message = f"{what} is already defined in {first[key]}"
            problems.append(Problem(document.file, 1, 1, message, "give it another version"))
        else:
            first[key] = document.file
    return problems


def definition_of(document: Document) -> Definition | None:
    """The definition in a composed document; ``None`` if the document has problems, then or now."""
    root = document.root
    fields = (
        root.fields(DEFINITION_KEYS, required=("workflow", "version", "states", "transitions"))
        if root
        else None
    )
    if fields is None:
        return None
    states = _states(fields, shown=_ends_when_shown(fields))
    edges = _edges(fields, states)
    _check_reachable(fields, states, edges)
    lateness = fields.duration("lateness", zero=True)
    definition = Definition(
        workflow=fields.word("workflow", longest=128),
        version=fields.word("version", longest=128),
        states=tuple(states.values()),
        edges=edges,
        owner=fields.text("owner"),
        order_by=fields.choice("order_by", ("time", "sequence"), "time"),
        lateness=DEFAULT_LATENESS if lateness is None else lateness,
        stuck_after=fields.duration("stuck_after"),
        instance_url=_url(fields, "instance_url", "instance_id"),
        trace_url=_url(fields, "trace_url", "trace_id"),
        runbook_url=_url(fields, "runbook_url"),
        completion=_completion(fields, states),
        outbox_max_lag=_outbox(fields),
        jobs=_jobs(fields, states),
        source=document.text,
    )
    return None if document.problems else definition


def _url(fields: Fields, name: str, *placeholders: str) -> str:
    text = fields.text(name)
    value = fields.get(name)
    if value is None or not text:
        return text
    if not re.match(r"https?://[^\s/]+", text) or not text.isprintable() or " " in text:
        value.problem(f"{name}: {text!r} is not a web address", "begin it with https:// or http://")
    for found in re.findall(r"\{([^{}]*)\}", text):
        if found not in placeholders:
            known = [f"{{{each}}}" for each in placeholders]
            fix = did_you_mean(f"{{{found}}}", known) or "remove it"
            value.problem(f"{name}: unknown placeholder {{{found}}}", fix)
    return text


def _ends_when_shown(fields: Fields) -> bool:
    """Whether ``completion.visible`` is true; what is wrong with it is reported elsewhere."""
    completion = fields.get("completion")
    if completion is None or completion.type != "map":
        return False
    return any(
        key.node.value == "visible" and value.type == "bool" and bool(value.boolean())
        for key, value in completion.pairs()
    )


def _states(fields: Fields, *, shown: bool) -> dict[str, State]:
    states: dict[str, State] = {}
    value = fields.get("states")
    if value is None:
        return states
    items = value.pairs()
    if not items and value.type == "map":
        value.problem("there must be at least one state")
    for key, body in items:
        name = key.word()
        if name is None:
            continue
        if name == "*":
            key.problem("a state cannot be called '*'", "'*' stands for every state in `from`")
            continue
        # Kept even when its body is wrong, so that edges to it are not reported as well.
        states[name] = _state(name, body, shown=shown)
    return states


def _state(name: str, body: Value, *, shown: bool) -> State:
    fields = body.fields(STATE_KEYS, required=("status",))
    if fields is None:
        return State(name=name, status=Status.PROCESSING)
    status = Status(fields.choice("status", tuple(Status), Status.PROCESSING))
    terminal = fields.boolean("terminal")
    given = fields.get("status")
    if terminal and status not in _ENDS and given is not None and given.node.value in tuple(Status):
        given.problem(
            f"the terminal state {name!r} cannot have the status {status.value!r}",
            "a terminal state is completed, failed or cancelled",
        )
    stuck_after = fields.duration("stuck_after")
    limit = fields.get("stuck_after")
    if terminal and limit is not None:
        _check_terminal_limit(name, status, limit, shown=shown)
    return State(
        name=name,
        status=status,
        terminal=terminal,
        stuck_after=stuck_after,
        owner=fields.text("owner"),
        waits_for=fields.text("waits_for"),
        message=fields.text("message"),
    )


def _check_terminal_limit(name: str, status: Status, limit: Value, *, shown: bool) -> None:
    """An operation can only be stuck in an end that is not the end yet: completed, not visible."""
    if status is not Status.COMPLETED:
        message = f"the terminal state {name!r} has a limit, though nothing can be stuck in it"
        limit.problem(message, "remove stuck_after or terminal")
    elif not shown:
        message = f"the terminal state {name!r} has a limit, though it ends the operation"
        fix = "remove stuck_after; or, if it ends once its user can see it, write"
        limit.problem(message, f"{fix} completion: {{visible: true}}")


def _known_state(value: Value, word: str, states: Mapping[str, State]) -> bool:
    if word in states:
        return True
    value.problem(f"unknown state {word!r}", did_you_mean(word, states, "declare it under states"))
    return False


def _edges(fields: Fields, states: Mapping[str, State]) -> tuple[Edge, ...]:
    value = fields.get("transitions")
    if value is None:
        return ()
    entries = value.entries()
    if not entries and value.type == "seq":
        value.problem("there must be at least one transition")
    edges: dict[tuple[str, str, str], Edge] = {}
    lines: dict[tuple[str, str, str], tuple[int, bool]] = {}
    for entry in entries:
        read = _transition(entry, states)
        if read is None:
            continue
        every, found = read
        for edge in found:
            key = (edge.from_state, edge.to_state, edge.action)
            line, was_every = lines.get(key, (0, False))
            if line and every == was_every:
                way = f"{edge.from_state or 'creation'} → {edge.to_state} by {edge.action!r}"
                message = f"the transition {way} is already declared in line {line}"
                entry.problem(message, "keep one of the two")
            elif not line or was_every:  # what is written out wins over "*"
                edges[key] = edge
                lines[key] = (entry.line, every)
        if len(edges) > _MAX_EDGES:
            entry.problem(f"more than {_MAX_EDGES:,} transitions with '*' written out")
            break
    if entries and not any(not edge.from_state for edge in edges.values()):
        fix = "declare one without `from`, for example {action: submit, to: submitted}"
        if not value.document.problems:
            value.problem("no transition creates an instance", fix)
    return tuple(edges.values())


def _transition(entry: Value, states: Mapping[str, State]) -> tuple[bool, list[Edge]] | None:
    fields = entry.fields(TRANSITION_KEYS, required=("action", "to"))
    if fields is None:
        return None
    action = fields.word("action")
    to = fields.word("to")
    target = fields.get("to")
    known = target is not None and bool(to) and _known_state(target, to, states)
    sources = fields.words("from")
    every = [word for _, word in sources] == ["*"]
    froms = [""] if "from" not in fields else []
    if every:
        froms = list(states)
    else:
        for value, word in sources:
            if word == "*":
                value.problem("'*' stands for every state, others beside it add nothing")
            elif word in froms:
                value.problem(f"{word!r} is listed twice", "keep one of the two")
            elif _known_state(value, word, states):
                froms.append(word)
    actors = []
    for value, word in fields.words("actors"):
        if word in names.ACTOR_TYPES:
            actors.append(word)
        else:
            fix = did_you_mean(word, names.ACTOR_TYPES)
            value.problem(f"unknown actor {word!r}", fix)
    class_ = fields.choice("class", names.CLASSES, "normal")
    reenter = fields.boolean("reenter")
    if reenter and known and to not in froms:
        place = fields.get("reenter")
        assert place is not None
        place.problem("reenter belongs to a transition from a state to itself", "remove it")
    if not action or not known:
        return None
    return every, [
        Edge(source, to, action, class_, tuple(actors), reenter and source == to)
        for source in froms
    ]


def _check_reachable(fields: Fields, states: Mapping[str, State], edges: tuple[Edge, ...]) -> None:
    value = fields.get("states")
    if value is None or value.document.problems:
        return  # a wrong edge would make every state behind it look unreachable
    reached = {""}
    while True:
        new = {edge.to_state for edge in edges if edge.from_state in reached} - reached
        if not new:
            break
        reached |= new
    for key, _ in value.pairs():
        name = str(key.node.value)
        if name in states and name not in reached:
            fix = "declare a transition to it, or remove it"
            key.problem(f"no transition leads to the state {name!r}", fix)


def _completion(fields: Fields, states: Mapping[str, State]) -> Completion:
    value = fields.get("completion")
    inner = value.fields(("starts", "visible", "objective")) if value else None
    if inner is None:
        return Completion()
    starts = inner.word("starts")
    place = inner.get("starts")
    if place is not None and starts:
        _known_state(place, starts, states)
    objective = inner.get("objective")
    return Completion(
        starts=starts,
        visible=inner.boolean("visible"),
        objective=_objective(objective) if objective else None,
    )


def _objective(value: Value) -> Objective | None:
    keys = ("within", "share", "window")
    fields = value.fields(keys, required=keys)
    if fields is None:
        return None
    within, share, window = (
        fields.duration("within"),
        fields.share("share"),
        fields.duration("window"),
    )
    place = fields.get("share")
    if share is not None and place is not None and not 0 < share < 1:
        # At 100 % there is no budget for failure to burn, and a percentile would be the maximum.
        place.problem(f"share is {share:.0%}; it must be between 0% and 100%", "write e.g. 99.9%")
    if within is not None and window is not None and within > window:
        value.problem("within is longer than window", "an objective's window holds many runs")
    if within is None or share is None or window is None:
        return None
    return Objective(within=within, share=share, window=window)


def _outbox(fields: Fields) -> float | None:
    value = fields.get("outbox")
    inner = value.fields(("max_lag",)) if value else None
    return inner.duration("max_lag") if inner else None


def _jobs(fields: Fields, states: Mapping[str, State]) -> dict[str, JobLimits]:
    value = fields.get("jobs")
    jobs: dict[str, JobLimits] = {}
    for key, body in value.pairs() if value else ():
        name = key.word()
        inner = body.fields(("max_attempts", "max_wait", "max_run", "states"))
        if name is None or inner is None:
            continue
        where = inner.words("states")
        jobs[name] = JobLimits(
            max_attempts=inner.integer("max_attempts", least=1),
            max_wait=inner.duration("max_wait"),
            max_run=inner.duration("max_run"),
            states=tuple(word for place, word in where if _known_state(place, word, states)),
        )
    return jobs
