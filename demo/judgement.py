"""Which alert caught which fault, and which had no reason to fire; without clock or process."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from demo.faults import Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One alert from the moment its receiver heard of it until it heard of its end.

    ``page`` and ``example`` are where to look: the alert, and one operation that it is about.
    """

    fingerprint: str
    alert: str
    labels: Mapping[str, str]
    fired_at: datetime
    resolved_at: datetime | None = None
    page: str = ""
    example: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """A fault as it happened. ``healed_at`` is None while it lasts."""

    fault: Fault
    injected_at: datetime
    healed_at: datetime | None = None

    def allows(self, sighting: Sighting) -> bool:
        """Whether this fault explains that the alert fired when it did."""
        if sighting.alert not in (*self.fault.must, *self.fault.may):
            return False
        if sighting.fired_at < self.injected_at:
            return False
        return self.healed_at is None or sighting.fired_at <= self.healed_at + timedelta(
            seconds=self.fault.recovery
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one fault. ``alert`` is the one that caught it, None if none of them did.

    ``missing`` are alerts that had to fire in time and did not; ``unresolved`` those that fired and
    did not resolve in time. ``resolved_after`` is the time from healing until the last of its
    alerts had resolved, None if one has not.
    """

    injection: Injection
    alert: str | None
    after: float | None  # seconds from injection
    resolved_after: float | None  # seconds from healing
    missing: tuple[str, ...]
    unresolved: tuple[str, ...]

    @property
    def good(self) -> bool:
        """Caught in time by all that must, and over in time once healed."""
        return not self.missing and not self.unresolved


@dataclass(frozen=True, slots=True)
class Judgement:
    """What came of each fault, and the alerts that no fault explains."""

    outcomes: Sequence[Outcome]
    false_alerts: Sequence[Sighting] = field(default=())


def judge(injections: Sequence[Injection], sightings: Iterable[Sighting]) -> Judgement:
    """Give every sighting to the latest injection that allows it; what is left over is false."""
    explained: dict[int, list[Sighting]] = {number: [] for number in range(len(injections))}
    false_alerts = []
    for sighting in sorted(sightings, key=lambda each: each.fired_at):
        allowing = [number for number, each in enumerate(injections) if each.allows(sighting)]
        if allowing:
            explained[allowing[-1]].append(sighting)
        else:
            false_alerts.append(sighting)
    outcomes = [_outcome(each, explained[number]) for number, each in enumerate(injections)]
    return Judgement(outcomes, false_alerts)


def missing(injection: Injection, sightings: Iterable[Sighting]) -> tuple[str, ...]:
    """The alerts that this fault must raise and has not raised in time (yet)."""
    return _missing(injection, [each for each in sightings if injection.allows(each)])


def _missing(injection: Injection, explained: Sequence[Sighting]) -> tuple[str, ...]:
    fault = injection.fault
    in_time = {each.alert for each in explained if _after(injection, each) <= fault.within}
    return tuple(alert for alert in fault.must if alert not in in_time)


def _after(injection: Injection, sighting: Sighting) -> float:
    return (sighting.fired_at - injection.injected_at).total_seconds()


def _outcome(injection: Injection, explained: Sequence[Sighting]) -> Outcome:
    fault = injection.fault
    in_time = [each for each in explained if _after(injection, each) <= fault.within]
    # One that must fire says more about the fault than a side effect that was quicker.
    catching = next(
        (each for each in in_time if each.alert in fault.must), in_time[0] if in_time else None
    )
    ends: list[float] = []
    unresolved: list[str] = []
    for each in explained:
        if injection.healed_at is None or each.resolved_at is None:
            unresolved.append(each.alert)
            continue
        end = (each.resolved_at - injection.healed_at).total_seconds()
        ends.append(max(end, 0.0))
        if end > fault.recovery:
            unresolved.append(each.alert)
    all_ended = bool(explained) and len(ends) == len(explained)
    return Outcome(
        injection=injection,
        alert=catching.alert if catching else None,
        after=_after(injection, catching) if catching else None,
        resolved_after=max(ends) if all_ended else None,
        missing=_missing(injection, explained),
        unresolved=tuple(dict.fromkeys(unresolved)),
    )
