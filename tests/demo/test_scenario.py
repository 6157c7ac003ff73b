"""The course of a run against a world in which time is an argument."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from demo.faults import FAULTS, Fault
from demo.judgement import Outcome, Sighting, judge
from demo.scenario import QUIET, Scenario, minimum_duration

START = datetime(2026, 1, 1, tzinfo=UTC)
STEP = 0.25


@dataclass
class World:
    """A shop, the service and the time between them, all made up.

    An alert of ``reactions`` fires so many seconds after the injection of a fault, and resolves so
    many after its healing (None: never).
    """

    reactions: dict[str, tuple[float, float | None]]
    pending: tuple[float, float] = (0.0, 0.0)  # seconds after healing with an alert pending
    at: datetime = START
    broken_at: datetime | None = None
    healed_at: datetime | None = None
    switches: list[str] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)

    def now(self) -> datetime:
        return self.at

    def until(self, condition: Callable[[], bool], timeout: float) -> bool:
        deadline = self.at + timedelta(seconds=timeout)
        while not condition():
            if self.at >= deadline:
                return False
            self.at += timedelta(seconds=STEP)
        return True

    def inject(self, name: str) -> None:
        self.switches.append(f"break {name}")
        self.broken_at, self.healed_at = self.at, None

    def heal(self, name: str) -> None:
        self.switches.append(f"heal {name}")
        self.healed_at = self.at

    def sightings(self) -> list[Sighting]:
        found = []
        for alert, (after, over) in self.reactions.items():
            if self.broken_at is None or self.at < self.broken_at + timedelta(seconds=after):
                continue
            end = None
            if self.healed_at is not None and over is not None:
                end = self.healed_at + timedelta(seconds=over)
            found.append(
                Sighting(
                    fingerprint=alert,
                    alert=alert,
                    labels={},
                    fired_at=self.broken_at + timedelta(seconds=after),
                    resolved_at=end if end is not None and end <= self.at else None,
                )
            )
        return found

    def active(self) -> list[str]:
        since = (self.at - self.healed_at).total_seconds() if self.healed_at else -1.0
        first, last = self.pending
        return ["P"] if first <= since < last else []

    def broke(self, fault: Fault, number: int, of: int) -> None:
        pass

    def caught(self, seen: Sequence[Sighting], injected_at: datetime, look: float) -> None:
        self.switches.append(f"look {look:g} s at {', '.join(each.alert for each in seen)}")

    def healed(self, fault: Fault, seen: Sequence[Sighting], injected_at: datetime) -> None:
        pass

    def over(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)


def play(world: World, must: tuple[str, ...] = ("A",), look: float = 0.0) -> Scenario:
    fault = Fault(
        name="f",
        what="",
        must=must,
        may=("B",),
        within=10.0,
        recovery=20.0,
        inject=lambda _: world.inject("f"),
        heal=lambda _: world.heal("f"),
    )
    scenario = Scenario(
        world,  # type: ignore[arg-type]  the fault above switches the world itself
        world,
        world,
        sightings=world.sightings,
        active=world.active,
        look=look,
    )
    scenario.play([fault])
    return scenario


@pytest.mark.parametrize(
    ("world", "healed_after", "over_after", "good"),
    [
        pytest.param(World({"A": (4, 3)}), 4.0, 3 + QUIET, True, id="healed as soon as it is seen"),
        pytest.param(World({}), 10.0, QUIET, False, id="healed at the deadline if nothing is seen"),
        pytest.param(World({"A": (4, None)}), 4.0, 20.0, False, id="given up if it never resolves"),
        pytest.param(
            World({"A": (4, 3), "B": (6, 8)}), 4.0, 8 + QUIET, True, id="side effects are awaited"
        ),
        pytest.param(
            World({"A": (4, 3)}, pending=(1.0, 9.0)),
            4.0,
            9 + QUIET,
            True,
            id="an alert that is pending is awaited",
        ),
    ],
)
def test_a_fault_lasts_until_it_is_seen_and_is_over_when_all_is_calm(
    world: World, healed_after: float, over_after: float, good: bool
) -> None:
    scenario = play(world)
    assert world.switches == ["break f", "heal f"]
    assert world.healed_at is not None
    assert (world.healed_at - START).total_seconds() == healed_after
    assert (world.at - world.healed_at).total_seconds() == over_after
    assert [each.good for each in world.outcomes] == [good]
    assert judge(scenario.injections, world.sightings()).false_alerts == []


@pytest.mark.parametrize(
    ("reactions", "switches", "healed_after"),
    [
        pytest.param(
            {"A": (4.0, 3.0)}, ["break f", "look 6 s at A", "heal f"], 10.0, id="it was caught"
        ),
        pytest.param({}, ["break f", "heal f"], 10.0, id="there is nothing to see"),
    ],
)
def test_a_fault_that_was_caught_stays_to_be_looked_at(
    reactions: dict[str, tuple[float, float | None]], switches: list[str], healed_after: float
) -> None:
    world = World(reactions)
    play(world, look=6.0)
    assert world.switches == switches
    assert world.healed_at is not None
    assert (world.healed_at - START).total_seconds() == healed_after


def test_an_answer_that_does_not_come_is_no_calm() -> None:
    world = World({"A": (4, 3)})
    world.active = lambda: None  # type: ignore[method-assign,assignment,return-value]
    play(world)
    assert world.healed_at is not None
    assert (world.at - world.healed_at).total_seconds() == 20.0


def test_the_shortest_run_has_room_for_every_fault() -> None:
    assert minimum_duration([]) == 30.0
    assert 100.0 < minimum_duration(FAULTS) <= 150.0
