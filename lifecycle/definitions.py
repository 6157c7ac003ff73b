"""What a workflow type declares: its states, edges, limits and completion."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

DEFAULT_LATENESS = 30.0  # seconds; how late an event may come and still be in order


class Status(StrEnum):
    """What a user, support and an operator all call the position of an operation."""

    ACCEPTED = "accepted"
    PROCESSING = "processing"
    BLOCKED = "blocked"
    FAILED = "failed"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """One named position. ``stuck_after`` in seconds, ``None`` for no limit."""

    name: str
    status: Status
    terminal: bool = False
    stuck_after: float | None = None
    owner: str = ""
    waits_for: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Edge:
    """One declared way from a state to another; an empty ``from_state`` is creation."""

    from_state: str
    to_state: str
    action: str
    class_: str = "normal"
    actors: tuple[str, ...] = ()
    reenter: bool = False  # a self-transition that begins a new visit


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """``share`` (0 to 1) of the runs complete ``within`` seconds, over ``window`` seconds."""

    within: float
    share: float
    window: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """Which entry starts the completion clock, and whether only visibility ends it."""

    starts: str = ""
    visible: bool = False
    objective: Objective | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobLimits:
    """Limits of a job type: attempts, and seconds it may wait and run; ``states`` it may act in."""

    max_attempts: int | None = None
    max_wait: float | None = None
    max_run: float | None = None
    states: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """One version of a workflow type, as its file declares it. Durations in seconds.

    ``edges`` have every ``from: [a, b]`` and ``from: "*"`` written out.
    """

    workflow: str
    version: str
    states: tuple[State, ...]
    edges: tuple[Edge, ...]
    owner: str = ""
    order_by: str = "time"  # or "sequence"
    lateness: float = DEFAULT_LATENESS
    stuck_after: float | None = None
    instance_url: str = ""
    trace_url: str = ""
    runbook_url: str = ""
    completion: Completion = field(default_factory=Completion)
    outbox_max_lag: float | None = None
    jobs: Mapping[str, JobLimits] = field(default_factory=dict)
    source: str = ""  # the text of the file

    def state(self, name: str) -> State | None:
        """The state of that name, or ``None`` if this version does not know it."""
        return next((state for state in self.states if state.name == name), None)

    def declares(self, from_state: str, to_state: str, action: str) -> bool:
        """Whether the edge is declared; without an action it is judged by its states alone."""
        return any(
            edge.from_state == from_state
            and edge.to_state == to_state
            and (not action or edge.action == action)
            for edge in self.edges
        )


def version_key(version: str) -> tuple[tuple[int, int, str], ...]:
    """A key that sorts versions naturally: digits compare as numbers (3 < 10, 1.9 < 1.10)."""
    parts = re.findall(r"\d+|\D+", version)
    return tuple((1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts)


def newest(definitions: Iterable[Definition]) -> Definition | None:
    """The definition with the highest version, or ``None`` if there is none."""
    return max(definitions, key=lambda each: version_key(each.version), default=None)


@dataclass(frozen=True, slots=True)
class Definitions:
    """All definitions in force."""

    all: tuple[Definition, ...] = ()

    def of(self, workflow: str) -> Sequence[Definition]:
        """Every version of one workflow type, the newest first."""
        found = [each for each in self.all if each.workflow == workflow]
        return sorted(found, key=lambda each: version_key(each.version), reverse=True)

    def newest(self, workflow: str) -> Definition | None:
        """The newest version of one workflow type."""
        return newest(self.of(workflow))

    def workflows(self) -> Sequence[str]:
        """The workflow types that have a definition, sorted."""
        return sorted({each.workflow for each in self.all})
