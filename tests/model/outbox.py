"""Outbox records that wait to be dispatched (docs/figures.md, 5)."""

from collections.abc import Sequence
from dataclasses import dataclass

from lifecycle.events import Event
from tests.model.instance import Instance, effective_at

SENT = {"dispatched", "acknowledged", "discarded"}


@dataclass(frozen=True, slots=True)
class Pending:
    """A record, by the event that recorded it first."""

    recorded: Event

    @property
    def recorded_at(self) -> int:
        return effective_at(self.recorded)


def pending(instances: Sequence[Instance]) -> list[Pending]:
    """Records that were recorded and neither sent nor discarded, oldest first."""
    found = []
    for instance in instances:
        records: dict[str, list[Event]] = {}
        for event in instance.events:
            if event.event == "outbox":
                records.setdefault(event.outbox_id, []).append(event)
        for record in records.values():
            recorded = [event for event in record if event.outbox_state == "recorded"]
            if recorded and not any(event.outbox_state in SENT for event in record):
                found.append(Pending(min(recorded, key=lambda e: (effective_at(e), e.event_id))))
    return sorted(found, key=lambda each: each.recorded_at)
