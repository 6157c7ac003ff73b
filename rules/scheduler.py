"""Live evaluation: each group at its interval, on the clock that is handed in."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from lifecycle.definitions import Definitions
from lifecycle.errors import DonewatchError
from rules.alert import Verdict
from rules.blind import blind_group
from rules.evaluator import Evaluation, evaluate
from rules.register import AlertRegister
from rules.rule import DEFAULT_INTERVAL, Rule, RuleGroup
from rules.sample import Moment, Query
from rules.watermark import WATERMARK_LIMIT, Watermark, why_blind

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _NoWatermark:
    reason: str
    flushed: datetime | None = None
    collector: str = ""


def next_tick(now: datetime, interval: float) -> datetime:
    """The next whole multiple of ``interval`` (seconds) since the epoch, after ``now``.

    Aligned like this, a restart or a reload moves no evaluation, and two evaluators look at the
    same moments.
    """
    passed = now.timestamp() / interval
    tick = (math.floor(passed + 1e-6) + 1) * interval
    return datetime.fromtimestamp(tick, UTC)


class Scheduler:
    """Evaluates the groups in force and keeps the register.

    ``query`` and ``watermark`` are called in a worker thread. ``clock`` gives the present,
    ``sleep`` waits that many seconds. ``evaluated`` is called on the event loop after each group.
    """

    def __init__(
        self,
        *,
        query: Query,
        watermark: Callable[[], Watermark],
        register: AlertRegister,
        clock: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        evaluated: Callable[[RuleGroup, list[Evaluation]], object] | None = None,
        watermark_limit: float = WATERMARK_LIMIT,
        interval: float = DEFAULT_INTERVAL,
    ) -> None:
        self._query = query
        self._watermark = watermark
        self._register = register
        self._clock = clock
        self._sleep = sleep
        self._evaluated = evaluated
        self._limit = watermark_limit
        self._built_in = blind_group(watermark_limit, interval)
        self._groups: dict[str, RuleGroup] = {}
        self._definitions = Definitions()
        self._tasks: dict[str, tuple[RuleGroup, asyncio.Task[None]]] = {}
        self._changed = asyncio.Event()
        self._looked: dict[str, datetime] = {}  # by group: the watermark of its last good look
        self.last_evaluation: datetime | None = None
        self.missed = 0  # evaluations left out because the one before took too long

    @property
    def groups(self) -> tuple[RuleGroup, ...]:
        """The groups in force, the built-in one included."""
        return (self._built_in, *self._groups.values())

    def replace(
        self, groups: Iterable[RuleGroup], definitions: Definitions, *, complete: bool = True
    ) -> None:
        """Put these groups and definitions in force; alerts of rules that are gone resolve.

        Not while files are broken (``complete`` is false): those rules may stand there. Call it on
        the event loop, after the register has been loaded. An unchanged group keeps its rhythm.
        """
        self._groups = {group.key: group for group in groups}
        self._looked = {key: at for key, at in self._looked.items() if key in self._groups}
        self._definitions = definitions
        self._register.keep_rules(self._rules(), self._clock(), complete=complete)
        self._changed.set()

    def _rules(self) -> list[Rule]:
        return [rule for group in self.groups for rule in group.rules]

    async def run(self) -> None:
        """Evaluate until cancelled."""
        try:
            while True:
                self._changed.clear()
                self._start_and_stop()
                await self._changed.wait()
        finally:
            tasks = [task for _, task in self._tasks.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._tasks.clear()

    def _start_and_stop(self) -> None:
        wanted = {group.key: group for group in self.groups}
        for key, (group, task) in list(self._tasks.items()):
            if wanted.get(key) != group:
                task.cancel()
                del self._tasks[key]
        for key, group in wanted.items():
            if key not in self._tasks:
                self._tasks[key] = (group, asyncio.create_task(self._follow(group)))

    async def _follow(self, group: RuleGroup) -> None:
        while True:
            due = next_tick(self._clock(), group.interval)
            # A sleep may end early: evaluating before the tick would do it twice.
            while (wait := (due - self._clock()).total_seconds()) > 0:
                await self._sleep(wait)
                # a clock that was set back must not put the tick off
                due = min(due, next_tick(self._clock(), group.interval))
            try:
                evaluations = await asyncio.to_thread(self.evaluate_group, group)
                if self._evaluated is not None:
                    self._evaluated(group, evaluations)
            except Exception:  # noqa: BLE001
                # Our own mistake, not a rule's: the group must be looked at again at its next tick.
                _LOG.exception("the group %r could not be evaluated", group.name)
            late = (self._clock() - due).total_seconds()
            self.missed += max(0, math.floor(late / group.interval))

    def evaluate_group(self, group: RuleGroup) -> list[Evaluation]:
        """Look at every rule of a group once, now. Blocks; thread-safe."""
        definitions = self._definitions
        moment = self._moment(group, definitions)
        if group is self._built_in and not moment.blind:
            moment = replace(moment, blind=self._in_error())
        evaluations: list[Evaluation] = []
        for rule in group.rules:
            before = self._register.of_rule(rule.id)
            started = self._clock()
            found = list(evaluate(rule, [moment], self._query, before))
            # a clock that is set back meanwhile must not make it negative
            seconds = max(0.0, (self._clock() - started).total_seconds())
            evaluations.extend(replace(each, seconds=seconds) for each in found)
        if group not in self.groups:
            return []  # a reload meanwhile has put another in its place, or ended its alerts
        self._register.apply(evaluations, moment.now)
        sighted = not moment.blind and all(
            each.verdict is not Verdict.ERROR for each in evaluations
        )
        if sighted and moment.flushed is not None:
            self._looked[group.key] = moment.flushed
        self.last_evaluation = moment.now
        return evaluations

    def _in_error(self) -> str:
        """A rule that cannot be evaluated sees as little as one without a watermark."""
        failed = [each for each in self._register.verdicts() if each.verdict is Verdict.ERROR]
        if not failed:
            return ""
        first = min(failed, key=lambda each: each.rule.alert)
        others = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        return f"{first.rule.alert} cannot be evaluated{others}: {first.reason}"

    def _moment(self, group: RuleGroup, definitions: Definitions) -> Moment:
        try:
            watermark = self._watermark()
        except DonewatchError as error:
            watermark = _NoWatermark(f"the watermark cannot be read: {error}")
        now = self._clock()
        return Moment(
            now=now,
            flushed=watermark.flushed,
            definitions=definitions,
            blind=why_blind(watermark, now, self._limit, group.interval),
            looked=self._looked.get(group.key),
        )
