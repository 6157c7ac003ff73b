"""What the definitions say about an event (docs/figures.md, 3)."""

from collections.abc import Sequence
from dataclasses import dataclass

from lifecycle.definitions import Definition, State, newest
from lifecycle.events import Event


@dataclass(frozen=True, slots=True)
class Judge:
    """All versions of one workflow type; there may be none."""

    versions: Sequence[Definition]

    @property
    def newest(self) -> Definition | None:
        return newest(self.versions)

    @property
    def by_sequence(self) -> bool:
        return self.newest is not None and self.newest.order_by == "sequence"

    @property
    def visible_step(self) -> bool | None:
        """Whether visibility ends a run; ``None`` without a definition (where seen, it does)."""
        return self.newest.completion.visible if self.newest else None

    @property
    def clock_starts(self) -> str:
        return self.newest.completion.starts if self.newest else ""

    def definition(self, event: Event) -> Definition | None:
        """The version that judges the event, ``None`` if nobody defined it."""
        if not event.workflow_version:
            return self.newest
        return next(
            (each for each in self.versions if each.version == event.workflow_version), None
        )

    def declared(self, event: Event) -> bool | None:
        """Whether the transition is declared, ``None`` where it cannot be judged."""
        definition = self.definition(event)
        if definition is None or event.class_ == "replay":
            return None
        return definition.declares(event.from_state, event.to_state, event.action)

    def reenters(self, event: Event) -> bool:
        """Whether the transition takes an edge that begins a new visit of the same state."""
        definition = self.definition(event)
        return definition is not None and any(
            edge.reenter
            and (edge.from_state, edge.to_state) == (event.from_state, event.to_state)
            and event.action in ("", edge.action)
            for edge in definition.edges
        )

    def state(self, event: Event, name: str) -> State | None:
        """The state as the event's version has it, as the newest has it where that is unknown."""
        definition = self.definition(event) or self.newest
        return definition.state(name) if definition else None

    def state_limit(self, event: Event, name: str) -> float | None:
        """Seconds that one may stay in the state; no limit where the event is not judged."""
        definition = self.definition(event)
        state = definition.state(name) if definition else None
        return state.stuck_after if state else None

    def run_limit(self, event: Event) -> float | None:
        definition = self.definition(event)
        return definition.stuck_after if definition else None
