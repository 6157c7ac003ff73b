"""The run as one JSON object, and whether it was good."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from demo.judgement import Judgement
from demo.shop import Operations


@dataclass(frozen=True, slots=True)
class Events:
    """Ids committed by the application, accepted by the collector (copies and heartbeats too), in
    the store; committed and not in the store; counted more than once there."""

    emitted: int
    accepted: int
    stored: int
    lost: int
    doubled: int


@dataclass(frozen=True, slots=True)
class Report:
    """What the run showed."""

    judgement: Judgement
    events: Events
    operations: Operations

    def complaints(self) -> Sequence[str]:
        """Everything that was not as it must be, one sentence each."""
        found = []
        for outcome in self.judgement.outcomes:
            fault = outcome.injection.fault
            if outcome.missing:
                alerts = ", ".join(outcome.missing)
                found.append(f"{fault.name}: not caught within {fault.within:g} s by {alerts}")
            if outcome.unresolved:
                alerts = ", ".join(outcome.unresolved)
                found.append(f"{fault.name}: not over {fault.recovery:g} s after healing: {alerts}")
        found.extend(
            f"{alert.alert} fired at {_time(alert.fired_at)} without a reason"
            for alert in self.judgement.false_alerts
        )
        if self.events.lost:
            found.append(f"{self.events.lost} events were committed and are not in the store")
        if self.events.doubled:
            found.append(f"{self.events.doubled} events are counted more than once")
        return found

    def as_json(self) -> dict[str, Any]:
        """What ``donewatch demo --json`` prints. Times RFC 3339 UTC, durations seconds."""
        return {
            "faults": [
                {
                    "fault": each.injection.fault.name,
                    "injected_at": _time(each.injection.injected_at),
                    "alert": each.alert,
                    "after_seconds": _seconds(each.after),
                    "resolved_after_seconds": _seconds(each.resolved_after),
                }
                for each in self.judgement.outcomes
            ],
            "false_alerts": [
                {"alert": each.alert, "fired_at": _time(each.fired_at), "labels": dict(each.labels)}
                for each in self.judgement.false_alerts
            ],
            "events": {
                "emitted": self.events.emitted,
                "accepted": self.events.accepted,
                "stored": self.events.stored,
                "lost": self.events.lost,
                "doubled": self.events.doubled,
            },
            "operations": {
                "started": self.operations.started,
                "completed": self.operations.completed,
                "stuck": self.operations.stuck,
            },
        }


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _seconds(duration: float | None) -> float | None:
    return None if duration is None else round(duration, 2)
