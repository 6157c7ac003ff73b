"""The state machine, as tables: what was seen at which second, and what became of the alert."""

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.document import Fields
from rules.alert import AlertState, Phase, Verdict, from_json, to_json
from rules.alerting import Look, advance, resolved
from rules.fingerprint import fingerprint
from rules.kind import Known
from rules.rule import Rule
from rules.sample import Member, Moment, Query, Sample
from tests.rules.fakes import at

LABELS = {"workflow": "order", "environment": "prod"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Set:
    """A kind that nobody evaluates: these tests hand in the samples themselves."""

    name: ClassVar[str] = "set"
    keys: ClassVar[tuple[str, ...]] = ()
    required: ClassVar[tuple[str, ...]] = ()
    extra: ClassVar[tuple[str, ...]] = ()
    needs_watermark: ClassVar[bool] = True
    workflow: str = "order"

    @classmethod
    def read(cls, fields: Fields, known: Known) -> "Set":
        raise NotImplementedError

    def labels(self) -> dict[str, str]:
        return {"workflow": self.workflow}

    def evaluate(self, query: Query, moment: Moment) -> list[Sample]:
        raise NotImplementedError


def rule(hold: float = 0.0, keep: float = 0.0, interval: float = 10.0) -> Rule:
    return Rule(
        alert="A",
        kind=Set(),
        hold=hold,
        keep_firing_for=keep,
        labels={"severity": "page"},
        annotations={"summary": "{{ value }} of {{ environment }}"},
        interval=interval,
    )


def sample(value: float, **changes: object) -> Sample:
    firing = value > 0
    members = (
        Member(workflow="order", environment="prod", instance_id=f"o-{n}", since=at(-60))
        for n in range(int(value))
    )
    found = Sample(
        labels=LABELS,
        value=value,
        threshold=0.0,
        firing=firing,
        members=tuple(members),
        total=int(value),
    )
    return replace(found, **changes)  # type: ignore[arg-type]


# What is seen: "1" exceeded, "0" not, "-" no sample at all, "?" unknown without samples, "?1" and
# "?0" unknown with the last stored events, "!" a failed query.
def look(seconds: float, seen: str) -> Look:
    now = at(seconds)
    if seen == "!":
        return Look(now, (), Verdict.ERROR, "the store is away")
    problem = Verdict.UNKNOWN if seen.startswith("?") else None
    rest = seen.removeprefix("?")
    samples = (sample(float(rest)),) if rest.isdigit() else ()
    return Look(now, samples, problem, "blind" if problem else "")


def follow(
    followed: Rule, steps: list[tuple[float, str]]
) -> list[tuple[Phase, Verdict, AlertState | None]]:
    alerts: dict[str, AlertState] = {}
    found: list[tuple[Phase, Verdict, AlertState | None]] = []
    for seconds, seen in steps:
        states, _ = advance(followed, alerts, look(seconds, seen))
        # Whatever is kept must survive a restart at any moment.
        alerts = {
            state.fingerprint: from_json(to_json(state))
            for state in states
            if state.phase is not Phase.INACTIVE
        }
        state = next(iter(alerts.values()), None)
        if state is None:
            found.append((Phase.INACTIVE, Verdict.OK, None))
        else:
            found.append((state.phase, state.verdict, state))
    return found


I, P, F, R, X = (  # noqa: E741
    Phase.INACTIVE,
    Phase.PENDING,
    Phase.FIRING,
    Phase.RECOVERING,
    Phase.RESOLVED,
)


@pytest.mark.parametrize(
    ("hold", "keep", "steps"),
    [
        pytest.param(0, 0, [(0, "0", I), (10, "1", F), (20, "1", F), (30, "0", X)], id="at once"),
        pytest.param(
            20,
            0,
            [(0, "1", P), (10, "1", P), (20, "1", F), (30, "0", X), (40, "0", X)],
            id="after for",
        ),
        pytest.param(
            20,
            0,
            [(0, "1", P), (10, "0", I), (20, "1", P), (30, "1", P), (40, "1", F)],
            id="broken",
        ),
        pytest.param(
            0,
            20,
            [(0, "1", F), (10, "0", R), (20, "0", R), (30, "0", X)],
            id="kept firing for a while",
        ),
        pytest.param(
            0,
            20,
            [(0, "1", F), (10, "0", R), (20, "1", F), (30, "0", R), (40, "0", R), (50, "0", X)],
            id="recovering begins anew",
        ),
        pytest.param(0, 0, [(0, "1", F), (10, "-", X)], id="a series that vanishes resolves"),
        pytest.param(
            0, 20, [(0, "1", F), (10, "-", R), (20, "-", R), (30, "-", X)], id="and not faster"
        ),
        pytest.param(20, 0, [(0, "1", P), (10, "-", I)], id="a pending one that vanishes is over"),
        pytest.param(
            0, 0, [(0, "1", F), (10, "?", F), (9999, "?", F), (10009, "0", X)], id="unknown"
        ),
        pytest.param(
            0, 0, [(0, "1", F), (10, "?0", F), (20, "0", X)], id="unknown resolves nothing"
        ),
        pytest.param(0, 0, [(0, "1", F), (10, "!", F), (20, "0", X)], id="nor does an error"),
        pytest.param(
            20,
            0,
            [
                (0, "1", P),
                (10, "?1", P),
                (500, "?1", P),
                (510, "1", P),
                (520, "1", P),
                (530, "1", F),
            ],
            id="the clock of for stands still in unknown",
        ),
        pytest.param(
            20,
            0,
            [(0, "1", P), (10, "1", P), (20, "!", P), (30, "1", P), (40, "1", F)],
            id="and in error",
        ),
        pytest.param(
            0,
            20,
            [(0, "1", F), (10, "0", R), (20, "?", R), (900, "?0", R), (910, "0", R), (930, "0", X)],
            id="the clock of keep_firing_for stands still in unknown",
        ),
        pytest.param(
            0, 0, [(0, "?1", F), (10, "?1", F), (20, "0", X)], id="what is proven fires in unknown"
        ),
        pytest.param(
            0, 20, [(0, "1", F), (10, "0", R), (20, "?1", F)], id="what is proven fires again"
        ),
        pytest.param(0, 0, [(0, "?", I), (10, "!", I)], id="nothing comes of not seeing"),
        pytest.param(
            0,
            0,
            [(0, "1", F), (10, "0", X), (20, "1", F), (30, "0", X)],
            id="a resolved alert fires again",
        ),
        pytest.param(
            20,
            0,
            [(0, "1", P), (10, "1", P), (20, "1", F), (30, "0", X), (40, "1", P), (50, "0", X)],
            id="one that is pending again, in vain, is still resolved",
        ),
        pytest.param(
            60,
            0,
            [
                (0, "1", P),
                (600, "1", P),
                (610, "1", P),
                (620, "1", P),
                (630, "1", P),
                (640, "1", F),
            ],
            id="a long gap counts as two intervals",
        ),
        pytest.param(20, 0, [(0, "1", P), (-50, "1", P), (-40, "1", P)], id="a clock set back"),
    ],
)
def test_phases(hold: float, keep: float, steps: list[tuple[float, str, Phase]]) -> None:
    found = follow(rule(hold, keep), [(seconds, seen) for seconds, seen, _ in steps])
    assert [phase for phase, _, _ in found] == [phase for _, _, phase in steps]


@pytest.mark.parametrize(
    ("hold", "keep", "steps", "verdicts"),
    [
        pytest.param(
            10,
            10,
            [(0, "1"), (10, "1"), (20, "0"), (30, "0")],
            ["pending", "firing", "recovering", "ok"],
            id="the way through",
        ),
        pytest.param(
            0,
            0,
            [(0, "1"), (10, "?"), (20, "!"), (30, "1")],
            ["firing", "unknown", "error", "firing"],
            id="a firing alert that cannot be seen is unknown",
        ),
        pytest.param(0, 0, [(0, "?1")], ["firing"], id="unless the stored events prove it"),
        pytest.param(10, 0, [(0, "?1")], ["unknown"], id="a pending one proves nothing yet"),
        pytest.param(0, 0, [(0, "1"), (10, "0"), (20, "?")], ["firing", "ok", "ok"], id="resolved"),
    ],
)
def test_verdicts(
    hold: float, keep: float, steps: list[tuple[float, str]], verdicts: list[str]
) -> None:
    assert [verdict for _, verdict, _ in follow(rule(hold, keep), steps)] == verdicts


def test_an_alert_remembers_when_and_whom() -> None:
    states = [
        state for _, _, state in follow(rule(10, 10), [(0, "2"), (10, "3"), (20, "0"), (30, "0")])
    ]
    pending, firing, recovering, ended = states
    assert pending and firing and recovering and ended
    assert (pending.pending_since, pending.firing_since) == (at(0), None)
    assert (firing.pending_since, firing.firing_since, firing.value) == (at(0), at(10), 3.0)
    assert firing.labels == {**LABELS, "alertname": "A", "severity": "page"}
    assert firing.fingerprint == fingerprint(firing.labels)
    assert firing.annotations == {"summary": "3 of prod"}
    assert [member.instance_id for member in firing.members] == ["o-0", "o-1", "o-2"]
    assert (recovering.recovering_since, recovering.value) == (at(20), 0.0)
    assert len(recovering.members) == len(ended.members) == 3
    assert recovering.annotations == {"summary": "3 of prod"}
    assert (ended.firing_since, ended.resolved_at) == (at(10), at(30))
    assert ended.reason == "no longer exceeded"


@pytest.mark.parametrize(
    ("seen", "status", "episode"),
    [
        pytest.param("1", "firing", "firing@2026-11-21T12:00:10+00:00", id="firing"),
        pytest.param("?", "firing", "firing@2026-11-21T12:00:10+00:00", id="unknown: still firing"),
        pytest.param("0", "firing", "firing@2026-11-21T12:00:10+00:00", id="recovering: as well"),
    ],
)
def test_what_receivers_are_told(seen: str, status: str, episode: str) -> None:
    *_, (_, _, state) = follow(rule(10, 10), [(0, "1"), (10, "1"), (20, seen)])
    assert state is not None
    assert (state.status, state.episode) == (status, episode)


def test_a_pending_alert_is_told_to_nobody() -> None:
    *_, (_, _, state) = follow(rule(10), [(0, "1")])
    assert state is not None
    assert (state.status, state.episode) == ("", "")


def test_one_that_is_pending_again_is_resolved_to_those_who_heard_that_it_fired() -> None:
    *_, (phase, _, state) = follow(rule(10), [(0, "1"), (10, "1"), (20, "0"), (30, "1")])
    assert state is not None
    assert (phase, state.status) == (Phase.PENDING, "resolved")
    assert state.episode == "resolved@2026-11-21T12:00:10+00:00"
    assert state.resolved_at == at(20)


def test_labels_make_alerts_of_their_own() -> None:
    one, two = sample(1), sample(2, labels={"workflow": "order", "environment": "test"})
    states, changes = advance(rule(), {}, Look(at(0), (one, two)))
    assert {state.labels["environment"]: state.value for state in states} == {"prod": 1, "test": 2}
    assert len({state.fingerprint for state in states}) == 2
    assert len({state.rule_id for state in states}) == 1
    assert len(changes) == 2


def test_every_change_of_a_verdict_is_one_line_of_history() -> None:
    alerts: dict[str, AlertState] = {}
    lines = []
    for seconds, seen in [
        (0, "1"),
        (10, "2"),
        (20, "2"),
        (30, "?"),
        (40, "?"),
        (50, "0"),
        (60, "0"),
    ]:
        states, changes = advance(rule(10), alerts, look(seconds, seen))
        alerts = {state.fingerprint: state for state in states}
        lines += [
            (change.before.value, change.after.value, change.value, change.total, change.reason)
            for change in changes
        ]
    assert lines == [
        ("ok", "pending", 1.0, 1, ""),
        ("pending", "firing", 2.0, 2, ""),
        ("firing", "unknown", 2.0, 2, "blind"),
        ("unknown", "ok", 0.0, 2, "no longer exceeded"),
    ]


def test_a_rule_that_is_gone_resolves_its_alert_and_says_so() -> None:
    *_, (_, _, state) = follow(rule(), [(0, "1")])
    assert state is not None
    ended = resolved(state, at(5), "its rule was removed or renamed")
    assert (ended.phase, ended.resolved_at) == (Phase.RESOLVED, at(5))
    assert ended.reason == "its rule was removed or renamed"
    *_, (_, _, pending) = follow(rule(10), [(0, "1")])
    assert pending is not None
    assert resolved(pending, at(5), "gone").phase is Phase.INACTIVE


# Property: the clock of `for` is exactly the time between evaluations that both could see.
Steps = st.lists(st.tuples(st.integers(1, 40), st.sampled_from(["1", "?1", "?", "!"])), max_size=40)


@given(Steps, st.integers(1, 200))
def test_clocks_count_known_time_only(steps: list[tuple[int, str]], hold: int) -> None:
    followed = rule(float(hold), interval=20.0)
    states, _ = advance(followed, {}, look(0, "1"))
    now, held, sighted = 0, 0.0, True
    for passed, seen in steps:
        now += passed
        if seen == "1" and sighted:
            held += min(passed, 40)
        sighted = seen == "1"
        states, _ = advance(followed, {each.fingerprint: each for each in states}, look(now, seen))
        (state,) = states
        assert (state.phase is Phase.FIRING) == (held >= hold)
        if state.phase is Phase.FIRING:
            break
        assert state.held == held


@given(Steps, st.integers(1, 200))
def test_nothing_resolves_before_it_was_seen_to_be_over(
    steps: list[tuple[int, str]], keep: int
) -> None:
    followed = rule(keep=float(keep), interval=20.0)
    states, _ = advance(followed, {}, look(0, "1"))
    states, _ = advance(followed, {each.fingerprint: each for each in states}, look(1, "0"))
    now, held, sighted = 1, 0.0, True
    for passed, seen in steps:
        seen = seen.replace("1", "0")
        now += passed
        if seen == "0" and sighted:
            held += min(passed, 40)
        sighted = seen == "0"
        states, _ = advance(followed, {each.fingerprint: each for each in states}, look(now, seen))
        (state,) = states
        assert (state.phase is Phase.RESOLVED) == (held >= keep)
        if state.phase is Phase.RESOLVED:
            break
