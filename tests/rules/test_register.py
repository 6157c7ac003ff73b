"""The register: what survives a restart, a store that is away, a rule that is gone."""

import json
import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest

from lifecycle.errors import StoreUnavailable
from rules.alert import AlertState, Change, Phase, Verdict, from_json, to_json
from rules.evaluator import evaluate
from rules.kinds import OutboxLag
from rules.register import KEEP_RESOLVED, KEEP_UNTOLD, AlertRegister
from rules.rule import Rule
from tests.rules.fakes import FakeQuery, at, in_environments, moment


class MemoryStore:
    """Keeps JSON, as a table would."""

    def __init__(self) -> None:
        self.rows: dict[str, str] = {}
        self.history: list[Change] = []
        self.saves = 0
        self.away = False

    def load(self) -> list[AlertState]:
        if self.away:
            raise StoreUnavailable("away")
        return [from_json(row) for row in self.rows.values()]

    def save(self, states: Sequence[AlertState], history: Sequence[Change]) -> None:
        if self.away:
            raise StoreUnavailable("away")
        self.saves += 1
        self.rows.update((state.fingerprint, to_json(state)) for state in states)
        self.history.extend(history)
        assert all(isinstance(json.loads(to_json(change)), dict) for change in history)


def rule(alert: str = "Lag", hold: float = 0.0, keep: float = 0.0) -> Rule:
    kind = OutboxLag(workflow="order", longer_than=30.0)
    return Rule(alert=alert, kind=kind, hold=hold, keep_firing_for=keep, interval=10.0)


def evaluate_into(
    register: AlertRegister, followed: Rule, seconds: float, lag: float, *, blind: str = ""
) -> None:
    row = {"depth": 1, "oldest_recorded_at": at(seconds - lag), "lag": lag}
    member = {
        "environment": "prod",
        "instance_id": "o-1",
        "outbox_id": "x-1",
        "recorded_at": at(seconds - lag),
        "age": lag,
        "service": "",
    }
    query = FakeQuery(
        environments=in_environments("prod"), outbox_lag=[row], outbox_members=[member]
    )
    before = register.of_rule(followed.id)
    found = evaluate(followed, [moment(seconds, blind=blind)], query, before)
    register.apply(list(found), at(seconds))


def restarted(store: MemoryStore, *receivers: str) -> AlertRegister:
    register = AlertRegister(store, receivers)
    register.load()
    return register


def only(register: AlertRegister) -> AlertState:
    (state,) = register.alerts()
    return state


def test_a_pending_clock_goes_on_after_a_restart() -> None:
    store = MemoryStore()
    for seconds in (0, 10, 20):
        evaluate_into(restarted(store), rule(hold=30.0), seconds, 40.0)
    assert only(restarted(store)).held == 20.0
    evaluate_into(restarted(store), rule(hold=30.0), 30, 40.0)
    assert only(restarted(store)).phase is Phase.FIRING


def test_the_time_between_stop_and_start_counts_as_two_intervals_at_most() -> None:
    store = MemoryStore()
    evaluate_into(restarted(store), rule(hold=30.0), 0, 40.0)
    evaluate_into(restarted(store), rule(hold=30.0), 3600, 40.0)
    state = only(restarted(store))
    assert (state.phase, state.held) == (Phase.PENDING, 20.0)


def test_a_firing_alert_is_the_same_after_a_restart() -> None:
    store = MemoryStore()
    register = restarted(store, "hook")
    evaluate_into(register, rule(), 0, 40.0)
    register.notified("hook", only(register).fingerprint, only(register).episode)
    evaluate_into(register, rule(), 10, 50.0)
    before = only(register)
    after = only(restarted(store, "hook"))
    assert after.phase is Phase.FIRING
    assert (after.firing_since, after.notified) == (at(0), before.notified)
    assert [member.instance_id for member in after.members] == ["o-1"]
    assert restarted(store, "hook").due("hook") == []


def test_an_alert_that_nobody_was_told_of_is_due_after_a_restart() -> None:
    store = MemoryStore()
    evaluate_into(restarted(store), rule(), 0, 40.0)
    register = restarted(store, "hook", "other")
    (due,) = register.due("hook")
    register.notified("hook", due.fingerprint, due.episode)
    register.save()
    again = restarted(store, "hook", "other")
    assert again.due("hook") == []
    assert [each.episode for each in again.due("other")] == [due.episode]


def test_a_resolved_alert_is_due_once_more_and_a_pending_one_never() -> None:
    store = MemoryStore()
    register = restarted(store, "hook")
    evaluate_into(register, rule(hold=10), 0, 40.0)
    assert register.due("hook") == []
    evaluate_into(register, rule(hold=10), 10, 40.0)
    (firing,) = register.due("hook")
    register.notified("hook", firing.fingerprint, firing.episode)
    assert register.due("hook") == []
    evaluate_into(register, rule(hold=10), 20, 0.0)
    (ended,) = restarted(store, "hook").due("hook")
    assert (firing.status, ended.status) == ("firing", "resolved")
    assert (ended.firing_since, ended.resolved_at) == (at(10), at(20))


def test_what_a_receiver_is_told_during_an_evaluation_is_not_forgotten() -> None:
    register = restarted(MemoryStore(), "hook")
    evaluate_into(register, rule(), 0, 40.0)
    state = only(register)
    found = list(evaluate(rule(), [moment(10, blind="x")], FakeQuery(environments=[]), [state]))
    register.notified("hook", state.fingerprint, state.episode)
    register.apply(found, at(10))
    assert register.due("hook") == []


def test_a_store_that_is_away_loses_nothing() -> None:
    store = MemoryStore()
    register = restarted(store)
    store.away = True
    evaluate_into(register, rule(), 0, 40.0)
    evaluate_into(register, rule(), 10, 0.0)
    assert (register.last_error, store.rows) == ("away", {})
    assert only(register).phase is Phase.RESOLVED
    store.away = False
    evaluate_into(register, rule(), 20, 0.0)
    assert register.last_error == ""
    assert only(restarted(store)).phase is Phase.RESOLVED
    alerts = [change.after for change in store.history if change.fingerprint]
    assert alerts == [Verdict.FIRING, Verdict.OK]


def test_a_register_that_cannot_load_says_so_rather_than_begin_empty() -> None:
    store = MemoryStore()
    store.away = True
    with pytest.raises(StoreUnavailable):
        restarted(store)


def test_an_alert_whose_rule_is_gone_resolves_and_says_so() -> None:
    store = MemoryStore()
    register = restarted(store)
    evaluate_into(register, rule("Old"), 0, 40.0)
    evaluate_into(register, rule("Kept"), 0, 40.0)
    evaluate_into(register, rule("Waiting", hold=60), 0, 40.0)
    register.keep_rules([rule("Kept")], at(10))
    register.save()
    states = {state.alert: state for state in restarted(store).alerts()}
    assert set(states) == {"Old", "Kept"}
    assert states["Kept"].phase is Phase.FIRING
    assert (states["Old"].phase, states["Old"].resolved_at) == (Phase.RESOLVED, at(10))
    assert states["Old"].reason == "its rule was removed or renamed"
    assert [each.rule.alert for each in register.verdicts()] == ["Kept"]
    assert store.history[-1].reason == "its rule was removed or renamed"


@pytest.mark.parametrize(
    ("told", "after", "kept"),
    [
        pytest.param(True, KEEP_RESOLVED - 1, True, id="sent again for a quarter of an hour"),
        pytest.param(True, KEEP_RESOLVED + 1, False, id="then forgotten, if everybody knows"),
        pytest.param(False, KEEP_RESOLVED + 1, True, id="else kept for who is away"),
        pytest.param(False, KEEP_UNTOLD + 1, False, id="but not for ever"),
    ],
)
def test_how_long_a_resolved_alert_is_kept(told: bool, after: float, kept: bool) -> None:
    store = MemoryStore()
    register = restarted(store, "hook")
    evaluate_into(register, rule(), 0, 40.0)
    evaluate_into(register, rule(), 10, 0.0)
    if told:
        register.notified("hook", only(register).fingerprint, only(register).episode)
    evaluate_into(register, rule(), 10 + after, 0.0)
    assert bool(register.alerts()) is kept
    assert bool(restarted(store, "hook").alerts()) is kept


def test_figures_alone_are_not_saved_at_every_evaluation() -> None:
    store = MemoryStore()
    register = restarted(store)
    for seconds in range(0, 60, 10):
        evaluate_into(register, rule(), seconds, 40.0 + seconds)
    assert store.saves == 2  # the first, and one after thirty seconds
    assert only(register).value == 90.0


def test_nothing_to_save_is_not_saved() -> None:
    store = MemoryStore()
    register = restarted(store)
    evaluate_into(register, rule(), 0, 0.0)
    register.save()
    assert store.saves == 0


def test_the_verdict_of_a_rule_is_history_as_well() -> None:
    store = MemoryStore()
    register = restarted(store)
    evaluate_into(register, rule(), 0, 0.0)
    evaluate_into(register, rule(), 10, 40.0)
    evaluate_into(register, rule(hold=999), 20, 0.0, blind="stopped")
    lines = [
        (change.before.value, change.after.value)
        for change in store.history
        if not change.fingerprint
    ]
    assert lines == [("ok", "firing"), ("firing", "unknown")]
    (verdict,) = register.verdicts()
    assert (verdict.verdict, verdict.reason, verdict.alerts) == (Verdict.UNKNOWN, "stopped", 1)
    assert store.history[-1].labels == {"alertname": "Lag", "workflow": "order"}


def test_told_of_an_alert_that_is_no_more() -> None:
    register = restarted(MemoryStore(), "hook")
    register.notified("hook", "0000000000000000", "firing@x")
    assert register.alerts() == []
    assert register.alert("0000000000000000") is None


def test_a_saved_state_of_another_version_of_donewatch_is_read() -> None:
    store = MemoryStore()
    evaluate_into(restarted(store), rule(), 0, 40.0)
    (key,) = store.rows
    row = json.loads(store.rows[key])
    del row["held"], row["members"]
    row["something_new"] = {"a": 1}
    store.rows[key] = json.dumps(row)
    state = only(restarted(store))
    assert (state.held, state.members, state.phase) == (0.0, (), Phase.FIRING)


def test_an_inactive_row_that_the_store_still_has_is_not_taken_over() -> None:
    store = MemoryStore()
    register = restarted(store)
    evaluate_into(register, rule(), 0, 40.0)
    state = replace(only(register), phase=Phase.INACTIVE)
    store.rows[state.fingerprint] = to_json(state)
    assert restarted(store).alerts() == []


class HangingStore(MemoryStore):
    """Takes as long to save as the test wants."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Event()
        self.released = threading.Event()

    def save(self, states: Sequence[AlertState], history: Sequence[Change]) -> None:
        self.entered.set()
        assert self.released.wait(10)
        super().save(states, history)


def test_a_store_that_hangs_holds_up_nobody_who_asks_or_tells() -> None:
    store = HangingStore()
    register = restarted(store, "hook")
    saving = threading.Thread(target=evaluate_into, args=(register, rule(), 0, 40.0))
    saving.start()
    assert store.entered.wait(10)
    asking = threading.Thread(
        target=lambda: [
            register.notified("hook", each.fingerprint, each.episode)
            for each in register.due("hook")
        ],
        daemon=True,
    )
    asking.start()
    asking.join(5)
    answered = not asking.is_alive()
    store.released.set()
    saving.join()
    assert answered
    # what came while it hung is saved with the next look
    register.save()
    assert restarted(store, "hook").due("hook") == []


def test_an_evaluation_of_a_rule_that_is_gone_meanwhile_revives_nothing() -> None:
    register = restarted(MemoryStore())
    gone = rule("Gone")
    register.keep_rules([gone], at(0))
    register.keep_rules([], at(5))
    evaluate_into(register, gone, 10, 40.0)
    assert register.alerts() == []
    assert register.verdicts() == []


def test_of_two_rules_with_the_same_alert_the_first_is_in_force() -> None:
    register = restarted(MemoryStore())
    first, second = rule(), replace(rule(), annotations={"summary": "another file's"})
    register.keep_rules([first, second], at(0))
    evaluate_into(register, first, 10, 40.0)
    evaluate_into(register, second, 10, 0.0)
    assert only(register).phase is Phase.FIRING


def test_an_alert_that_is_again_what_was_saved_is_not_saved_as_what_it_was_meanwhile() -> None:
    store = MemoryStore()
    register = restarted(store)
    evaluate_into(register, rule(), 0, 40.0)
    store.away = True
    evaluate_into(register, rule(), 10, 0.0, blind="stopped")
    store.away = False
    evaluate_into(register, rule(), 20, 40.0)
    assert (only(restarted(store)).verdict, only(restarted(store)).sighted) == (
        Verdict.FIRING,
        True,
    )


def test_an_alert_whose_rule_may_stand_in_a_broken_file_does_not_resolve() -> None:
    store = MemoryStore()
    evaluate_into(restarted(store, "hook"), rule("Old"), 0, 40.0)
    register = restarted(store, "hook")
    register.keep_rules([rule("Kept")], at(10), complete=False)
    state = only(register)
    assert (state.phase, state.verdict) == (Phase.FIRING, Verdict.ERROR)
    assert state.reason == "its rule is not in force: a file has problems"
    assert [each.status for each in register.due("hook")] == ["firing"]
    register.keep_rules([rule("Kept")], at(20), complete=False)
    register.save()
    assert [each.after for each in store.history if each.fingerprint] == [
        Verdict.FIRING,
        Verdict.ERROR,
    ]
    # the file is mended: it is the same alert, or it is gone
    again = restarted(store)
    again.keep_rules([rule("Old")], at(30))
    evaluate_into(again, rule("Old"), 30, 40.0)
    assert (only(again).verdict, only(again).firing_since) == (Verdict.FIRING, at(0))
    register.keep_rules([rule("Kept")], at(30))
    assert only(register).phase is Phase.RESOLVED
