"""The course of a run: calm, then one fault after another, each healed once it was seen."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from demo.faults import Fault, Shop
from demo.judgement import Injection, Outcome, Sighting, judge, missing

WARM_UP = 8.0  # seconds of calm before the first fault: windows and percentiles fill
QUIET = 1.5  # seconds without any alert, pending ones too, that end a fault
USUAL = 19.0  # seconds one fault takes from injection to quiet on a machine that is not busy
ENDING = 12.0  # seconds for the last orders to end and all processes to close


class Story(Protocol):
    """Who is told what happens."""

    def broke(self, fault: Fault, number: int, of: int) -> None: ...
    def caught(self, seen: Sequence[Sighting], injected_at: datetime, look: float) -> None: ...
    def healed(self, fault: Fault, seen: Sequence[Sighting], injected_at: datetime) -> None: ...
    def over(self, outcome: Outcome) -> None: ...


class Pace(Protocol):
    """How time passes; raises when the run is to end or one of its processes has ended."""

    def now(self) -> datetime: ...
    def until(self, condition: Callable[[], bool], timeout: float) -> bool: ...


def minimum_duration(faults: Sequence[Fault]) -> float:
    """The shortest run, in seconds, that has room for these faults; at least 30."""
    return max(30.0, WARM_UP + USUAL * len(faults) + ENDING)


class Scenario:
    """Breaks what ``faults`` say in turn, and keeps the record that is judged.

    ``sightings`` tells what the receiver has heard so far; ``active`` the alerts that are not over
    according to the service, None while it does not answer. ``look``: seconds that a fault stays
    after it was caught, for somebody who wants to see it on the pages.
    """

    def __init__(
        self,
        shop: Shop,
        pace: Pace,
        story: Story,
        *,
        sightings: Callable[[], Sequence[Sighting]],
        active: Callable[[], Sequence[str] | None],
        look: float = 0.0,
    ) -> None:
        self._shop = shop
        self._pace = pace
        self._story = story
        self._sightings = sightings
        self._active = active
        self._look = look
        self.injections: list[Injection] = []

    def play(self, faults: Sequence[Fault]) -> None:
        """All faults, one after another."""
        for number, fault in enumerate(faults, 1):
            self._play(fault, number, len(faults))

    def _play(self, fault: Fault, number: int, of: int) -> None:
        started = Injection(fault=fault, injected_at=self._pace.now())
        self.injections.append(started)
        fault.inject(self._shop)
        self._story.broke(fault, number, of)
        caught = self._pace.until(lambda: not missing(started, self._sightings()), fault.within)
        if caught and self._look:
            self._story.caught(self._seen(started), started.injected_at, self._look)
            self._pace.until(lambda: False, self._look)
        healed = Injection(fault=fault, injected_at=started.injected_at, healed_at=self._pace.now())
        self.injections[-1] = healed
        fault.heal(self._shop)
        self._story.healed(fault, self._seen(started), started.injected_at)
        self._pace.until(self._calm(), fault.recovery)
        outcomes = judge(self.injections, self._sightings()).outcomes
        self._story.over(outcomes[-1])

    def _seen(self, injection: Injection) -> list[Sighting]:
        return [each for each in self._sightings() if injection.allows(each)]

    def _calm(self) -> Callable[[], bool]:
        """A condition: no alert has been pending or firing for :data:`QUIET` seconds."""
        since: datetime | None = None

        def calm() -> bool:
            nonlocal since
            open_ = [each for each in self._sightings() if each.resolved_at is None]
            # A service that does not answer is not calm.
            if open_ or self._active() != []:
                since = None
                return False
            now = self._pace.now()
            since = since or now
            return (now - since).total_seconds() >= QUIET

        return calm
