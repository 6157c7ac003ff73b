"""All alerts of a tenant as they stand, kept in a store over a restart."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Protocol

from lifecycle.errors import StoreError
from rules.alert import AlertState, Change, Phase, Verdict
from rules.alerting import changed, resolved
from rules.evaluator import Evaluation
from rules.rule import Rule

KEEP_RESOLVED: Final = 900.0  # seconds a resolved alert is kept, and sent again, as Prometheus does
KEEP_UNTOLD: Final = 86400.0  # seconds a resolved alert waits for receivers that are away
SAVE_EVERY: Final = 30.0  # seconds between saves of a firing alert whose figures alone change
MAX_UNSAVED: Final = 100_000  # lines of history kept while the store is away


class AlertStore(Protocol):
    """Where alerts survive a restart. Both raise ``StoreError``."""

    def load(self) -> list[AlertState]:
        """Every alert, the latest saved state of each."""
        ...

    def save(self, states: Sequence[AlertState], history: Sequence[Change]) -> None:
        """Keep these states in place of older ones (``inactive``: drop it); add the history."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleVerdict:
    """What was last found of one rule."""

    rule: Rule
    at: datetime
    verdict: Verdict
    reason: str = ""
    value: float | None = None
    threshold: float | None = None  # that the value is compared with
    seconds: float | None = None  # how long the evaluation took
    alerts: int = 0  # pending, firing and recovering


class AlertRegister:
    """Thread-safe. ``receivers``: the names that must be told of each alert.

    If the store is away, alerts go on in memory and are saved when it is back.
    """

    def __init__(self, store: AlertStore, receivers: Sequence[str] = ()) -> None:
        self._store = store
        self._receivers = tuple(receivers)
        self._alerts: dict[str, AlertState] = {}
        self._verdicts: dict[str, RuleVerdict] = {}
        self._saved: dict[str, AlertState] = {}
        self._unsaved: dict[str, AlertState] = {}
        self._history: list[Change] = []
        self._in_force: dict[str, Rule] | None = None  # by id; None: not told yet
        self._lock = threading.RLock()
        self._saving = threading.Lock()  # taken before the other, which is never held while saving
        self.last_error = ""  # why the last save failed, empty when it did not

    def load(self) -> None:
        """Take over what was saved; once, before anything else.

        :raises StoreError: the store cannot answer; evaluating nevertheless would forget alerts.
        """
        found = self._store.load()
        with self._lock:
            self._alerts = {
                state.fingerprint: state for state in found if state.phase is not Phase.INACTIVE
            }
            self._saved = dict(self._alerts)

    def alerts(self) -> list[AlertState]:
        """Every alert that is not inactive, the resolved ones of late included."""
        with self._lock:
            return list(self._alerts.values())

    def alert(self, fingerprint: str) -> AlertState | None:
        """One alert."""
        with self._lock:
            return self._alerts.get(fingerprint)

    def verdicts(self) -> list[RuleVerdict]:
        """The last verdict of every rule in force that has been evaluated."""
        with self._lock:
            return list(self._verdicts.values())

    def of_rule(self, rule_id: str) -> list[AlertState]:
        """The alerts of one rule."""
        with self._lock:
            return [state for state in self._alerts.values() if state.rule_id == rule_id]

    def apply(self, evaluations: Iterable[Evaluation], now: datetime) -> None:
        """Take over what a group's evaluation found, and save it. Blocks while the store is slow.

        What was found of a rule that is not in force any more, as it was evaluated, is left out.
        """
        with self._lock:
            for evaluation in evaluations:
                if self._outdated(evaluation.rule):
                    continue
                self._history.extend(evaluation.changes)
                for state in evaluation.alerts:
                    # A receiver may have been told while the rule was being evaluated.
                    known = self._alerts.get(state.fingerprint)
                    told = {**state.notified, **(known.notified if known else {})}
                    self._put(replace(state, notified=told))
                self._note_verdict(evaluation)
            self._forget(now)
        self.save()

    def keep_rules(self, rules: Iterable[Rule], now: datetime, *, complete: bool = True) -> None:
        """End the alerts of every rule that is not among these. Saved with the next look.

        Not ``complete``: files are broken, so a rule that is missing may stand in one of them, and
        its alerts stay as they are.
        """
        with self._lock:
            ids: dict[str, Rule] = {}
            for rule in rules:
                ids.setdefault(rule.id, rule)  # of two that are the same alert, the first
            self._in_force = ids
            self._verdicts = {key: each for key, each in self._verdicts.items() if key in ids}
            for state in list(self._alerts.values()):
                if state.rule_id in ids or state.phase is Phase.RESOLVED:
                    continue
                if complete:
                    new = resolved(state, now, "its rule was removed or renamed")
                else:
                    why = "its rule is not in force: a file has problems"
                    new = replace(state, verdict=Verdict.ERROR, reason=why, sighted=False)
                change = changed(state, new, now)
                if change is not None:
                    self._history.append(change)
                self._put(new)

    def due(self, receiver: str) -> list[AlertState]:
        """The alerts that this receiver has not been told of as they now stand, oldest first."""
        with self._lock:
            found = [
                state
                for state in self._alerts.values()
                if state.episode and state.notified.get(receiver) != state.episode
            ]
        return sorted(
            found, key=lambda state: (state.resolved_at or state.evaluated_at, state.alert)
        )

    def notified(self, receiver: str, fingerprint: str, episode: str) -> None:
        """The receiver has been told (or refused for good to hear of) this episode.

        Saved with the next look: after a crash before it, a receiver is told twice, never not.
        """
        with self._lock:
            state = self._alerts.get(fingerprint)
            if state is None or state.notified.get(receiver) == episode:
                return
            self._put(replace(state, notified={**state.notified, receiver: episode}))

    def save(self) -> None:
        """Save what has changed since the last time. Blocks, but nobody who asks or tells."""
        with self._saving:
            with self._lock:
                states, history = dict(self._unsaved), list(self._history)
            if not states and not history:
                return
            try:
                self._store.save(list(states.values()), history)
            except StoreError as error:
                with self._lock:
                    self.last_error = str(error)
                    del self._history[:-MAX_UNSAVED]
                return
            with self._lock:
                self.last_error = ""
                del self._history[: len(history)]
                self._note_saved(states)

    def _note_saved(self, states: Mapping[str, AlertState]) -> None:
        for key, state in states.items():
            if state.phase is Phase.INACTIVE:
                self._saved.pop(key, None)
            else:
                self._saved[key] = state
            if self._unsaved[key] is state:  # else it has changed meanwhile
                del self._unsaved[key]

    def _outdated(self, rule: Rule) -> bool:
        return self._in_force is not None and self._in_force.get(rule.id) != rule

    def _note_verdict(self, evaluation: Evaluation) -> None:
        rule = evaluation.rule
        old = self._verdicts.get(rule.id)
        before = old.verdict if old else Verdict.OK
        if before is not evaluation.verdict:
            self._history.append(
                Change(
                    at=evaluation.at,
                    rule_id=rule.id,
                    alert=rule.alert,
                    labels=rule.alert_labels(rule.kind.labels()),
                    before=before,
                    after=evaluation.verdict,
                    value=evaluation.value or 0.0,
                    reason=evaluation.reason,
                )
            )
        self._verdicts[rule.id] = RuleVerdict(
            rule=rule,
            at=evaluation.at,
            verdict=evaluation.verdict,
            reason=evaluation.reason,
            value=evaluation.value,
            threshold=evaluation.worst.threshold if evaluation.worst is not None else None,
            seconds=evaluation.seconds,
            alerts=sum(
                state.phase not in (Phase.INACTIVE, Phase.RESOLVED) for state in evaluation.alerts
            ),
        )

    def _put(self, state: AlertState) -> None:
        key = state.fingerprint
        if state.phase is Phase.INACTIVE:
            self._alerts.pop(key, None)
            if key in self._saved or key in self._unsaved:
                self._unsaved[key] = state
            return
        self._alerts[key] = state
        # what waits to be saved, or is being saved, must not outlive what came after it
        if key in self._unsaved or _worth_saving(self._saved.get(key), state):
            self._unsaved[key] = state

    def _forget(self, now: datetime) -> None:
        """Drop resolved alerts once their time is over and everybody knows."""
        for state in list(self._alerts.values()):
            if state.resolved_at is None or state.phase is not Phase.RESOLVED:
                continue
            age = now - state.resolved_at
            told = all(state.notified.get(name) == state.episode for name in self._receivers)
            if age > timedelta(seconds=KEEP_RESOLVED if told else KEEP_UNTOLD):
                self._put(replace(state, phase=Phase.INACTIVE))


def _worth_saving(saved: AlertState | None, state: AlertState) -> bool:
    """Whether a restart would lose something; the figures alone change at every evaluation."""
    if saved is None:
        return True

    def lasting(each: AlertState) -> tuple[object, ...]:
        identities = tuple((member.instance_id, member.identity) for member in each.members)
        told = tuple(sorted(each.notified.items()))
        return (each.phase, each.verdict, each.held, each.sighted, identities, told, each.rule_id)

    if lasting(saved) != lasting(state):
        return True
    return (state.evaluated_at - saved.evaluated_at).total_seconds() >= SAVE_EVERY
