"""Live evaluation on a clock of the test's own."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from lifecycle.errors import StoreUnavailable
from rules.alert import Phase, Verdict
from rules.evaluator import Evaluation
from rules.kinds import IllegalTransitions, OutboxLag
from rules.register import AlertRegister
from rules.rule import Rule, RuleGroup
from rules.scheduler import Scheduler, next_tick
from tests.rules.fakes import DEFINITIONS, START, FakeQuery, Rows, at, in_environments
from tests.rules.test_register import MemoryStore


@pytest.mark.parametrize(
    ("seconds", "interval", "tick"),
    [
        pytest.param(0.0, 15.0, 15.0, id="on a tick: the next"),
        pytest.param(0.1, 15.0, 15.0, id="just after"),
        pytest.param(14.9, 15.0, 15.0, id="just before"),
        pytest.param(0.05, 0.1, 0.1, id="a tenth of a second"),
        pytest.param(1.0, 3600.0, 3600.0, id="an hour"),
    ],
)
def test_ticks_are_whole_multiples_of_the_interval(
    seconds: float, interval: float, tick: float
) -> None:
    assert next_tick(at(seconds), interval) == at(tick)


def test_ticks_do_not_drift() -> None:
    now, ticks = START, []
    for _ in range(1000):
        now = next_tick(now, 0.7)
        ticks.append(now)
    assert len(set(ticks)) == 1000
    assert (ticks[-1] - ticks[0]).total_seconds() == pytest.approx(999 * 0.7, abs=1e-3)


class Clock:
    """Moves only when everybody sleeps (``sleepers`` says how many); wakes them in order."""

    def __init__(self) -> None:
        self.now = START
        self.sleepers: Callable[[], int] = lambda: 0
        self._sleepers: list[tuple[datetime, asyncio.Future[None]]] = []

    def __call__(self) -> datetime:
        return self.now

    async def sleep(self, seconds: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.now + timedelta(seconds=seconds), future))
        await future

    async def until(self, done: Callable[[], bool]) -> None:
        """Let time pass until something is the case."""
        for _ in range(20_000):
            if done():
                return
            await asyncio.sleep(0.0005)  # evaluations run in threads
            self._sleepers = [(when, one) for when, one in self._sleepers if not one.done()]
            if len(self._sleepers) >= self.sleepers():
                when = min(when for when, _ in self._sleepers)
                self.now = max(self.now, when)
                for due, future in self._sleepers:
                    if due <= self.now:
                        future.set_result(None)
        raise AssertionError("it never came to pass")


@dataclass
class Mark:
    flushed: datetime | None
    collector: str = ""
    reason: str = ""


def group(name: str, interval: float = 10.0, longer_than: float = 30.0) -> RuleGroup:
    kind = OutboxLag(workflow="order", longer_than=longer_than)
    rule = Rule(alert=name, kind=kind, interval=interval, group=name)
    return RuleGroup(name=name, interval=interval, rules=(rule,), source="f.yaml")


class Scene:
    """A scheduler with an outbox that is 40 seconds behind."""

    def __init__(self, *, built_in_interval: float = 10.0) -> None:
        self.clock = Clock()
        self.store = MemoryStore()
        self.register = AlertRegister(self.store)
        self.query = FakeQuery(
            environments=in_environments("prod"),
            outbox_lag=[{"depth": 1, "oldest_recorded_at": at(0), "lag": 40.0}],
            outbox_members=[],
        )
        self.mark: Callable[[], Mark] = lambda: Mark(self.clock.now)
        self.seen: list[tuple[str, datetime, Verdict]] = []
        self.scheduler = Scheduler(
            query=self.query,
            watermark=lambda: self.mark(),
            register=self.register,
            clock=self.clock,
            sleep=self.clock.sleep,
            evaluated=self._evaluated,
            interval=built_in_interval,
        )
        self.clock.sleepers = lambda: len(self.scheduler.groups)

    def _evaluated(self, group: RuleGroup, evaluations: list[Evaluation]) -> None:
        self.seen += [(group.name, each.at, each.verdict) for each in evaluations]

    def of(self, name: str) -> list[tuple[float, Verdict]]:
        return [
            ((when - START).total_seconds(), verdict)
            for group, when, verdict in self.seen
            if group == name
        ]

    async def run_until(self, done: Callable[[], bool]) -> None:
        task = asyncio.create_task(self.scheduler.run())
        try:
            await self.clock.until(lambda: done() or task.done())
        finally:
            task.cancel()
            (error,) = await asyncio.gather(task, return_exceptions=True)
            assert isinstance(error, asyncio.CancelledError)


async def test_each_group_is_evaluated_at_its_own_ticks() -> None:
    scene = Scene()
    scene.scheduler.replace([group("fast", 10.0), group("slow", 30.0)], DEFINITIONS)
    await scene.run_until(lambda: len(scene.of("slow")) >= 2)
    assert [when for when, _ in scene.of("slow")] == [30.0, 60.0]
    assert [when for when, _ in scene.of("fast")][:5] == [10.0, 20.0, 30.0, 40.0, 50.0]
    assert [when for when, _ in scene.of("donewatch")][:3] == [10.0, 20.0, 30.0]
    assert {verdict for _, verdict in scene.of("fast")} == {Verdict.FIRING}
    assert scene.scheduler.last_evaluation is not None
    assert scene.scheduler.missed == 0


async def test_a_reload_ends_alerts_of_rules_that_are_gone_and_disturbs_no_other() -> None:
    scene = Scene()
    scene.scheduler.replace([group("a"), group("b")], DEFINITIONS)
    task = asyncio.create_task(scene.scheduler.run())
    await scene.clock.until(lambda: bool(scene.of("a")) and bool(scene.of("b")))
    scene.scheduler.replace([group("a"), group("c", longer_than=99.0)], DEFINITIONS)
    await scene.clock.until(lambda: len(scene.of("c")) >= 2 and len(scene.of("a")) >= 3)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    states = {state.alert: state for state in scene.register.alerts()}
    assert states["a"].phase is Phase.FIRING
    assert states["b"].phase is Phase.RESOLVED
    assert states["b"].reason == "its rule was removed or renamed"
    assert {verdict for _, verdict in scene.of("c")} == {Verdict.OK}
    ticks = [when for when, _ in scene.of("a")]
    assert ticks == [10.0 * (n + 1) for n in range(len(ticks))]
    assert {each.name for each in scene.scheduler.groups} == {"donewatch", "a", "c"}


async def test_a_changed_threshold_applies_to_the_alert_that_is_firing() -> None:
    scene = Scene()
    scene.scheduler.replace([group("a", longer_than=30.0)], DEFINITIONS)
    task = asyncio.create_task(scene.scheduler.run())
    await scene.clock.until(lambda: bool(scene.of("a")))
    scene.scheduler.replace([group("a", longer_than=60.0)], DEFINITIONS)
    await scene.clock.until(lambda: scene.of("a")[-1][1] is Verdict.OK)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    (state,) = scene.register.alerts()
    assert (state.phase, state.reason) == (Phase.RESOLVED, "no longer exceeded")


async def test_a_watermark_that_stops_makes_verdicts_unknown_and_then_one_alert() -> None:
    scene = Scene()
    scene.scheduler.replace([group("a", longer_than=60.0)], DEFINITIONS)
    scene.mark = lambda: Mark(at(0), "c1", "the disk is full")
    await scene.run_until(
        lambda: any(
            each.alert == "MonitoringBlind" and each.status == "firing"
            for each in scene.register.alerts()
        )
    )
    verdicts = scene.of("a")
    assert [verdict for when, verdict in verdicts if when <= 60] == [Verdict.OK] * 6
    assert {verdict for when, verdict in verdicts if when > 60} == {Verdict.UNKNOWN}
    (alert,) = scene.register.alerts()
    assert alert.firing_since == at(370)
    assert "the disk is full (collector c1)" in alert.annotations["summary"]


async def test_a_store_that_is_away_is_unknown_and_told_after_five_minutes() -> None:
    scene = Scene()
    scene.scheduler.replace([group("a")], DEFINITIONS)
    scene.store.away = True

    def no_watermark() -> Mark:
        raise StoreUnavailable("connection refused")

    scene.mark = no_watermark
    await scene.run_until(lambda: any(each.status == "firing" for each in scene.register.alerts()))
    (alert,) = scene.register.alerts()
    assert alert.alert == "MonitoringBlind"
    assert "the watermark cannot be read: connection refused" in alert.annotations["summary"]
    assert {verdict for _, verdict in scene.of("a")} == {Verdict.UNKNOWN}
    assert scene.query.asked == []


async def test_rules_that_cannot_be_evaluated_are_told_after_five_minutes() -> None:
    scene = Scene()
    scene.query.answers["outbox_lag"] = StoreUnavailable("too slow")
    scene.scheduler.replace([group("a"), group("b")], DEFINITIONS)
    await scene.run_until(lambda: any(each.status == "firing" for each in scene.register.alerts()))
    assert {verdict for _, verdict in scene.of("a")} == {Verdict.ERROR}
    (alert,) = scene.register.alerts()
    assert alert.alert == "MonitoringBlind"
    assert alert.annotations["summary"].endswith(
        "what happens: a cannot be evaluated (and 1 more): too slow"
    )


async def test_a_slow_evaluation_leaves_ticks_out_and_counts_them() -> None:
    scene = Scene(built_in_interval=1000.0)
    slow = iter([25.0])

    def lag(**parameters: object) -> Rows:
        scene.clock.now += timedelta(seconds=next(slow, 0.0))
        return [{"depth": 0, "oldest_recorded_at": None, "lag": 0.0}]

    scene.query.answers["outbox_lag"] = lag
    scene.scheduler.replace([group("a")], DEFINITIONS)
    await scene.run_until(lambda: len(scene.of("a")) >= 3)
    assert [when for when, _ in scene.of("a")][:3] == [10.0, 40.0, 50.0]
    assert scene.scheduler.missed == 2


async def test_a_mistake_of_ours_does_not_end_the_evaluations(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene = Scene()
    scene.scheduler.replace([group("a")], DEFINITIONS)
    broken = iter([True, True])

    def mark() -> Mark:
        if next(broken, False):
            raise RuntimeError("a mistake")
        return Mark(scene.clock.now)

    scene.mark = mark
    await scene.run_until(lambda: len(scene.of("a")) >= 2)
    assert "could not be evaluated" in caplog.text


def test_a_group_can_be_evaluated_at_once() -> None:
    scene = Scene()
    scene.clock.now = datetime(2026, 11, 21, 12, 0, 3, tzinfo=UTC)
    assert scene.scheduler.evaluate_group(group("nobody put it in force")) == []
    assert scene.register.alerts() == []
    scene.scheduler.replace([group("a")], DEFINITIONS)
    (evaluation,) = scene.scheduler.evaluate_group(group("a"))
    assert (evaluation.at, evaluation.verdict) == (scene.clock.now, Verdict.FIRING)


@pytest.mark.parametrize("back", [5.0, 3600.0])
async def test_a_clock_set_back_delays_no_evaluation(back: float) -> None:
    scene = Scene(built_in_interval=10.0)
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        scene.clock.now += timedelta(seconds=seconds - (back if len(slept) == 3 else 0.0))
        await asyncio.sleep(0)

    scheduler = Scheduler(
        query=scene.query,
        watermark=lambda: Mark(scene.clock.now),
        register=scene.register,
        clock=scene.clock,
        sleep=sleep,
        interval=10.0,
    )
    task = asyncio.create_task(scheduler.run())
    while len(slept) < 6:
        await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert max(slept) <= 10.0


async def test_a_rule_that_was_taken_away_during_its_evaluation_leaves_no_alert() -> None:
    scene = Scene()
    scene.scheduler.replace([group("a")], DEFINITIONS)

    def lag(**parameters: object) -> Rows:
        scene.scheduler.replace([], DEFINITIONS)
        return [{"depth": 1, "oldest_recorded_at": at(0), "lag": 40.0}]

    scene.query.answers["outbox_lag"] = lag
    assert await asyncio.to_thread(scene.scheduler.evaluate_group, group("a")) == []
    assert scene.register.alerts() == []


async def test_what_an_old_version_of_a_rule_found_is_not_taken_for_the_new_ones() -> None:
    scene = Scene()
    scene.scheduler.replace([group("a", longer_than=30.0)], DEFINITIONS)

    def lag(**parameters: object) -> Rows:
        scene.scheduler.replace([group("a", longer_than=60.0)], DEFINITIONS)
        return [{"depth": 1, "oldest_recorded_at": at(0), "lag": 40.0}]

    scene.query.answers["outbox_lag"] = lag
    old = group("a", longer_than=30.0)
    assert await asyncio.to_thread(scene.scheduler.evaluate_group, old) == []
    assert scene.register.alerts() == []


def test_each_look_knows_how_far_the_last_one_that_could_see_reached() -> None:
    scene = Scene()
    illegal = IllegalTransitions(workflow="order")
    watched = replace(group("a"), rules=(Rule(alert="a", kind=illegal, interval=10.0),))
    scene.scheduler.replace([watched], DEFINITIONS)
    row = {"committed": 0, "unjudged": 0, "illegal": 0, "rate": None}
    scene.query.answers["illegal_transitions"] = [row]
    looks = [(0.0, 0.0), (10.0, 10.0), (600.0, 12.0), (1200.0, 1190.0), (1210.0, 1200.0)]
    for now, flushed in looks:
        scene.clock.now = at(now)
        scene.mark = lambda flushed=flushed: Mark(at(flushed))  # type: ignore[misc]
        scene.scheduler.evaluate_group(watched)
    windows = [
        ((each["to"] - START).total_seconds(), (each["to"] - each["from_"]).total_seconds())
        for each in scene.query.parameters("illegal_transitions")
    ]
    # at 600 nobody could tell what has happened since 12: all of it is looked at later
    assert windows == [
        (-10.0, 300.0),
        (0.0, 300.0),
        (2.0, 300.0),
        (1180.0, 1180.0),
        (1190.0, 300.0),
    ]
