"""Evaluation of one rule along a timeline: no clock and no database of its own.

Live, the timeline is one moment long; a backtest's is long; a unit test's is short.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from lifecycle.errors import DonewatchError
from rules.alert import AlertState, Change, Phase, Verdict
from rules.alerting import Look, advance
from rules.rule import Rule
from rules.sample import Moment, Query, Sample

_WORST_FIRST = (Verdict.FIRING, Verdict.RECOVERING, Verdict.PENDING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What one look at a rule found. ``alerts`` include those that have just become inactive.

    ``seconds``: how long it took, where somebody measured it.
    """

    rule: Rule
    at: datetime
    verdict: Verdict
    reason: str = ""
    samples: tuple[Sample, ...] = ()
    alerts: tuple[AlertState, ...] = ()
    changes: tuple[Change, ...] = ()
    seconds: float | None = None

    @property
    def worst(self) -> Sample | None:
        """The sample furthest beyond (or nearest to) its threshold; ``None`` without samples."""
        return max(self.samples, key=lambda each: each.value - each.threshold, default=None)

    @property
    def value(self) -> float | None:
        """The value of the worst sample."""
        return self.worst.value if self.worst is not None else None


def evaluate(
    rule: Rule, timeline: Iterable[Moment], query: Query, before: Iterable[AlertState] = ()
) -> Iterator[Evaluation]:
    """Evaluate a rule at each moment in turn. ``before``: the alerts that it already has."""
    alerts = {state.fingerprint: state for state in before}
    for moment in timeline:
        look = _look(rule, moment, query)
        states, changes = advance(rule, alerts, look)
        alerts = {state.fingerprint: state for state in states if state.phase is not Phase.INACTIVE}
        yield Evaluation(
            rule=rule,
            at=moment.now,
            verdict=_verdict(look, states),
            reason=look.reason,
            samples=tuple(look.samples),
            alerts=tuple(states),
            changes=tuple(changes),
        )


def _look(rule: Rule, moment: Moment, query: Query) -> Look:
    unseen = Verdict.UNKNOWN if moment.blind and rule.kind.needs_watermark else None
    if unseen is not None and moment.flushed is None:
        return Look(moment.now, (), unseen, moment.blind)
    try:
        samples = rule.kind.evaluate(query, moment)
    except DonewatchError as error:
        return Look(moment.now, (), Verdict.ERROR, str(error))
    except Exception as error:  # noqa: BLE001 - one broken rule must not silence the others
        return Look(moment.now, (), Verdict.ERROR, f"{type(error).__name__}: {error}")
    firing = sum(sample.firing for sample in samples)
    if rule.limit and firing > rule.limit:
        reason = f"{firing} alerts at once, the group's limit is {rule.limit}"
        return Look(moment.now, (), Verdict.ERROR, reason)
    return Look(moment.now, samples, unseen, moment.blind if unseen is not None else "")


def _verdict(look: Look, states: Iterable[AlertState]) -> Verdict:
    found = {state.verdict for state in states}
    if look.problem is Verdict.ERROR:
        return Verdict.ERROR
    for verdict in _WORST_FIRST:
        # Of what cannot be seen only a firing alert is sure: the stored events prove it.
        if verdict in found and (look.problem is None or verdict is Verdict.FIRING):
            return verdict
    return look.problem or Verdict.OK
