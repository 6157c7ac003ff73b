"""Instances: which events count, each once (docs/figures.md, 1)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lifecycle.events import Event


def effective_at(event: Event) -> int:
    """When the event happened, as far as we believe it. Microseconds since the epoch."""
    return min(event.occurred_at, event.received_at)


@dataclass(frozen=True, slots=True)
class Instance:
    """One operation and its events, every event id once."""

    environment: str
    instance_id: str
    events: tuple[Event, ...]

    @property
    def probe(self) -> bool:
        """Whether any event marks the instance as synthetic."""
        return any(event.actor_type == "probe" for event in self.events)


def receipt(event: Event) -> tuple[int, str, int, int]:
    """The order in which copies of an event arrived."""
    return event.received_at, event.collector, event.segment, event.position


def instances(
    events: Iterable[Event], workflow: str, environments: Sequence[str]
) -> list[Instance]:
    """The instances of one workflow type; all environments when ``environments`` is empty."""
    kept: dict[tuple[str, str], dict[str, Event]] = {}
    for event in sorted(events, key=receipt):
        if event.workflow_type == workflow and (
            not environments or event.environment in environments
        ):
            of_instance = kept.setdefault((event.environment, event.instance_id), {})
            of_instance.setdefault(event.event_id, event)
    return [Instance(*identity, tuple(each.values())) for identity, each in sorted(kept.items())]
