"""From samples to alerts: the state machine of ``for``, ``keep_firing_for`` and ``unknown``.

::

    inactive → pending → firing → recovering → resolved → (forgotten, or pending again)
                  ↓         ↑________|
               inactive

Clocks count known time only: the time between two evaluations that both could see. While nothing
can be seen nothing resolves, and what the stored events already prove fires regardless.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from rules.alert import VERDICT_OF, AlertState, Change, Phase, Verdict
from rules.annotations import render, variables
from rules.fingerprint import fingerprint
from rules.rule import Rule
from rules.sample import Sample

# A longer gap between two evaluations is a time when nobody looked (a restart, an overload): what
# goes beyond counts for no clock.
_LONGEST_STEP = 2.0  # intervals


@dataclass(frozen=True, slots=True)
class Look:
    """How one evaluation went. Without ``problem`` its samples are the whole truth."""

    now: datetime
    samples: Sequence[Sample] = ()
    problem: Verdict | None = None  # UNKNOWN or ERROR
    reason: str = ""


def advance(
    rule: Rule, before: Mapping[str, AlertState], look: Look
) -> tuple[list[AlertState], list[Change]]:
    """One step of every alert of a rule: those it had (by fingerprint) and those it now has.

    Alerts that became inactive are among the states returned; the caller forgets them.
    """
    found: dict[str, tuple[dict[str, str], Sample]] = {}
    for sample in look.samples:
        labels = rule.alert_labels(sample.labels)
        found[fingerprint(labels)] = (labels, sample)
    states: list[AlertState] = []
    changes: list[Change] = []
    for key in sorted({*before, *found}):
        old = before.get(key)
        new = _step(rule, key, old, found.get(key), look)
        if new is None:
            continue
        states.append(new)
        change = changed(old, new, look.now)
        if change is not None:
            changes.append(change)
    return states, changes


def changed(old: AlertState | None, new: AlertState, now: datetime) -> Change | None:
    """The line of history from one state to the next, if the verdict is another."""
    before = old.verdict if old is not None else Verdict.OK
    if before is new.verdict:
        return None
    return Change(
        at=now,
        rule_id=new.rule_id,
        alert=new.alert,
        fingerprint=new.fingerprint,
        labels=new.labels,
        before=before,
        after=new.verdict,
        value=new.value,
        total=new.total,
        reason=new.reason,
    )


def _step(
    rule: Rule,
    key: str,
    old: AlertState | None,
    found: tuple[dict[str, str], Sample] | None,
    look: Look,
) -> AlertState | None:
    if found is not None and found[1].firing:
        return _exceeded(rule, key, old, *found, look)
    if old is None or old.phase is Phase.INACTIVE:
        return None
    if old.phase is Phase.RESOLVED:
        return old  # kept until every receiver knows; nothing about it changes
    if look.problem is not None:
        return replace(
            old,
            verdict=look.problem,
            reason=look.reason,
            evaluated_at=look.now,
            sighted=False,
        )
    return _not_exceeded(rule, old, found[1] if found is not None else None, look)


def _clock(rule: Rule, old: AlertState, look: Look) -> float:
    """Seconds of known time since the last evaluation."""
    if look.problem is not None or not old.sighted:
        return 0.0
    passed = (look.now - old.evaluated_at).total_seconds()
    return min(max(passed, 0.0), _LONGEST_STEP * rule.interval)


def _exceeded(
    rule: Rule,
    key: str,
    old: AlertState | None,
    labels: dict[str, str],
    sample: Sample,
    look: Look,
) -> AlertState:
    if old is not None and old.phase is Phase.RESOLVED:
        # It keeps when it last ended: a receiver that was away is still to be told of that.
        state = replace(old, phase=Phase.PENDING, pending_since=look.now, held=0.0, sighted=False)
    elif old is None or old.phase is Phase.INACTIVE:
        state = AlertState(
            fingerprint=key,
            rule_id=rule.id,
            alert=rule.alert,
            labels=labels,
            phase=Phase.PENDING,
            verdict=Verdict.PENDING,
            pending_since=look.now,
            evaluated_at=look.now,
        )
    else:
        state = old
    held = state.held
    if state.phase is Phase.PENDING:
        held += _clock(rule, state, look)
    phase = state.phase
    firing_since, resolved_at = state.firing_since, state.resolved_at
    if phase is Phase.PENDING and held >= rule.hold:
        phase, firing_since, resolved_at = Phase.FIRING, look.now, None
    elif phase is Phase.RECOVERING:
        phase = Phase.FIRING
    # A pending alert proves nothing yet: whether it will fire cannot be told by whoever cannot see.
    proven = look.problem is None or phase is Phase.FIRING
    values = variables(rule.alert, labels, sample)
    return replace(
        state,
        group=rule.group,
        labels=labels,
        annotations={name: render(name, text, values) for name, text in rule.annotations.items()},
        phase=phase,
        verdict=VERDICT_OF[phase] if proven else look.problem or Verdict.UNKNOWN,
        reason="" if look.problem is None else look.reason,
        value=sample.value,
        threshold=sample.threshold,
        members=sample.members,
        total=sample.total,
        firing_since=firing_since,
        resolved_at=resolved_at,
        recovering_since=None,
        evaluated_at=look.now,
        held=held if phase is Phase.PENDING else 0.0,
        sighted=look.problem is None,
    )


def _not_exceeded(rule: Rule, old: AlertState, sample: Sample | None, look: Look) -> AlertState:
    """Members and annotations stay those of the time when it was last exceeded."""
    state = replace(
        old,
        value=sample.value if sample is not None else old.value,
        threshold=sample.threshold if sample is not None else old.threshold,
        reason="",
        evaluated_at=look.now,
        sighted=True,
    )
    gone = "no longer exceeded" if sample is not None else "nothing is reported for it any more"
    if state.phase is Phase.PENDING:
        return _ended(state, gone)
    if state.phase is Phase.FIRING:
        state = replace(state, phase=Phase.RECOVERING, recovering_since=look.now, held=0.0)
    else:
        state = replace(state, held=old.held + _clock(rule, old, look))
    if state.held >= rule.keep_firing_for:
        return resolved(state, look.now, gone)
    return replace(state, verdict=Verdict.RECOVERING)


def resolved(state: AlertState, now: datetime, reason: str) -> AlertState:
    """The alert ended, and why."""
    if state.status == "firing":
        state = replace(state, resolved_at=now)
    return _ended(state, reason)


def _ended(state: AlertState, reason: str) -> AlertState:
    phase = Phase.RESOLVED if state.resolved_at is not None else Phase.INACTIVE
    return replace(state, phase=phase, verdict=Verdict.OK, reason=reason, held=0.0)
