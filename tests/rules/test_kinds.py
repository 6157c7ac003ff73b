"""Each kind: what it asks the store, when it fires, and whom it names."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from lifecycle.definitions import Definitions
from lifecycle.errors import StoreUnavailable
from rules.kind import Kind, MoreThan, write_percentile
from rules.kinds import (
    KINDS,
    CompletionLag,
    IllegalTransitions,
    OutboxLag,
    RetryExhaustion,
    Stuck,
)
from rules.sample import MEMBER_LIMIT, Moment, Sample
from tests.rules.fakes import FakeQuery, Rows, at, in_environments, moment

NOW = moment(0.0, flushed=-5.0)
SETTLED = at(-15.0)  # five seconds of backlog, ten of lateness


def one(kind: Kind, query: FakeQuery) -> Sample:
    samples = kind.evaluate(query, NOW)
    assert len(samples) == 1
    return samples[0]


def stuck_row(**changes: Any) -> dict[str, Any]:
    row = {
        "environment": "prod",
        "instance_id": "o-1",
        "run": 1,
        "cause": "state",
        "state": "payment_pending",
        "status": "processing",
        "workflow_version": "3",
        "entered_at": at(-2460),
        "run_started_at": at(-4000),
        "entering_event_id": "e-1",
        "age": 2460.0,
        "limit_seconds": 900.0,
        "service": "shop",
        "trace_id": "",
        "total": 2,
    }
    return {**row, **changes}


class TestStuck:
    def test_its_value_is_the_number_of_all_stuck_and_its_members_are_the_oldest(self) -> None:
        rows = [
            stuck_row(total=250),
            stuck_row(
                instance_id="o-2",
                cause="run",
                age=90000.0,
                limit_seconds=86400.0,
                state="paid",
                run_started_at=at(-90000),
                total=250,
            ),
        ]
        query = FakeQuery(environments=in_environments("prod"), stuck=rows)
        sample = one(Stuck(workflow="order"), query)
        assert (sample.value, sample.threshold, sample.firing, sample.count) == (250, 0, True, 250)
        assert sample.oldest == 90000.0
        assert sample.labels == {"workflow": "order", "environment": "prod"}
        assert (sample.total, sample.truncated) == (250, True)
        state, run = sample.members
        assert (state.instance_id, state.since) == ("o-1", at(-2460))
        assert state.detail == "in payment_pending for 41 min, limit 15 min"
        assert state.identity == "o-1/1/e-1"
        assert (run.instance_id, run.since) == ("o-2", at(-90000))
        assert run.detail == "open for 1 d 1 h, limit 1 d; now in paid"

    def test_what_it_asks(self) -> None:
        query = FakeQuery(environments=in_environments("prod"), stuck=[])
        kind = Stuck(workflow="order", state="paid", longer_than=60.0)
        sample = one(kind, query)
        assert query.parameters("environments") == [{"workflow": "order"}]
        assert query.parameters("stuck") == [
            {
                "workflow": "order",
                "environments": ["prod"],
                "flushed": at(-5),
                "settled": SETTLED,
                "longer_than": 60.0,
                "state": "paid",
                "limit": MEMBER_LIMIT,
            }
        ]
        assert sample.labels == {"workflow": "order", "environment": "prod", "state": "paid"}
        assert (sample.value, sample.firing, sample.oldest, sample.members) == (0, False, None, ())

    @pytest.mark.parametrize(
        ("total", "firing"),
        [pytest.param(3, False, id="as many as allowed"), pytest.param(4, True, id="one more")],
    )
    def test_a_number_may_be_tolerated(self, total: int, firing: bool) -> None:
        query = FakeQuery(environments=in_environments("prod"), stuck=[stuck_row(total=total)])
        sample = one(Stuck(workflow="order", more_than=3), query)
        assert (sample.firing, sample.threshold) == (firing, 3.0)


class TestIllegalTransitions:
    MEMBER = {  # noqa: RUF012 - a row like any other
        "environment": "prod",
        "instance_id": "o-1",
        "event_id": "e-9",
        "from_state": "submitted",
        "to_state": "completed",
        "action": "fulfil",
        "effective_at": at(-60),
        "workflow_version": "3",
        "service": "worker",
        "service_version": "1.4",
        "actor_type": "system",
        "trace_id": "",
    }

    def query(self, illegal: int, committed: int) -> FakeQuery:
        rate = illegal / committed if committed else None
        row = {"committed": committed, "unjudged": 1, "illegal": illegal, "rate": rate}
        return FakeQuery(
            environments=in_environments("prod"),
            illegal_transitions=[row],
            illegal_members=[self.MEMBER, {**self.MEMBER, "from_state": "", "action": ""}],
        )

    def test_one_is_too_many_unless_told_otherwise(self) -> None:
        query = self.query(illegal=2, committed=40)
        sample = one(IllegalTransitions(workflow="order"), query)
        assert (sample.value, sample.threshold, sample.firing) == (2.0, 0.0, True)
        assert (sample.rate, sample.total, sample.oldest) == (0.05, 2, 55.0)
        assert sample.extra == {"committed": 40, "unjudged": 1, "window": 300.0}
        assert [member.detail for member in sample.members] == [
            "submitted → completed by fulfil, from worker 1.4",
            "creation → completed, from worker 1.4",
        ]
        asked = query.parameters("illegal_members")[0]
        assert asked == {
            "workflow": "order",
            "environments": ["prod"],
            "from_": SETTLED - timedelta(seconds=300),
            "to": SETTLED,
            "settled": SETTLED,
            "limit": MEMBER_LIMIT,
        }

    @pytest.mark.parametrize(
        ("illegal", "committed", "min_count", "firing"),
        [
            pytest.param(2, 100, 0, True, id="beyond the share"),
            pytest.param(1, 100, 0, False, id="at the share"),
            pytest.param(2, 100, 101, False, id="too few to judge"),
            pytest.param(2, 100, 100, True, id="just enough to judge"),
            pytest.param(0, 0, 0, False, id="nothing committed"),
        ],
    )
    def test_a_share(self, illegal: int, committed: int, min_count: int, firing: bool) -> None:
        query = self.query(illegal, committed)
        kind = IllegalTransitions(
            workflow="order", more_than=MoreThan(share=0.01), min_count=min_count
        )
        sample = one(kind, query)
        assert sample.firing is firing
        assert sample.threshold == 0.01
        assert sample.value == (illegal / committed if committed else 0.0)
        assert bool(query.parameters("illegal_members")) is firing


class TestOutboxLag:
    def query(self, lag: float, depth: int) -> FakeQuery:
        oldest = at(-5 - lag) if depth else None
        return FakeQuery(
            environments=in_environments("prod"),
            outbox_lag=[{"depth": depth, "oldest_recorded_at": oldest, "lag": lag}],
            outbox_members=[
                {
                    "environment": "prod",
                    "instance_id": "o-1",
                    "outbox_id": "x-1",
                    "recorded_at": oldest,
                    "age": lag,
                    "service": "shop",
                }
            ],
        )

    @pytest.mark.parametrize(
        ("longer_than", "lag", "firing", "threshold"),
        [
            pytest.param(None, 31.0, True, 30.0, id="the definition's limit"),
            pytest.param(None, 30.0, False, 30.0, id="at the limit"),
            pytest.param(120.0, 31.0, False, 120.0, id="the rule's own limit"),
        ],
    )
    def test_when_it_fires(
        self, longer_than: float | None, lag: float, firing: bool, threshold: float
    ) -> None:
        query = self.query(lag, 7)
        sample = one(OutboxLag(workflow="order", longer_than=longer_than), query)
        assert (sample.firing, sample.value, sample.threshold) == (firing, lag, threshold)
        assert (sample.count, sample.extra) == (7, {"depth": 7})
        asked = {"workflow": "order", "environments": ["prod"], "flushed": at(-5)}
        assert query.parameters("outbox_lag") == [asked]
        if firing:
            assert sample.total == 7
            (member,) = sample.members
            assert (member.since, member.identity) == (at(-36), "o-1/x-1")
            assert member.detail == "outbox record x-1 waits for 31 s"
        else:
            assert sample.members == ()

    def test_without_any_limit_there_is_nothing_to_judge(self) -> None:
        query = self.query(500.0, 1)
        assert OutboxLag(workflow="bare").evaluate(query, NOW) == []
        assert OutboxLag(workflow="undefined").evaluate(query, NOW) == []


class TestCompletionLag:
    def query(self, **changes: Any) -> FakeQuery:
        row = {
            "runs": 20,
            "completed": 15,
            "ended_otherwise": 1,
            "open": 4,
            "unseen": 0,
            "skewed": 0,
            "p50": 3.0,
            "p95": 130.0,
            "p99": None,
            "percentile": 130.0,
            "oldest": 200.0,
        }
        return FakeQuery(
            environments=in_environments("prod"),
            completion_lag=[{**row, **changes}],
            completion_members=[
                {
                    "environment": "prod",
                    "instance_id": "o-1",
                    "run": 2,
                    "state": "paid",
                    "started_at": at(-205),
                    "age": 200.0,
                    "total": 1,
                }
            ],
        )

    @pytest.mark.parametrize(
        ("row", "firing", "value"),
        [
            pytest.param({"percentile": 130.0}, True, 130.0, id="beyond the objective"),
            pytest.param({"percentile": 120.0}, False, 120.0, id="at the objective"),
            pytest.param({"percentile": None}, True, 200.0, id="not reached, the oldest beyond"),
            pytest.param(
                {"percentile": None, "oldest": 100.0}, False, 100.0, id="not reached, all young"
            ),
            pytest.param({"runs": 9}, False, 130.0, id="too few runs"),
            pytest.param({"runs": 0, "percentile": None, "oldest": None}, False, 0.0, id="none"),
        ],
    )
    def test_when_it_fires(self, row: dict[str, Any], firing: bool, value: float) -> None:
        query = self.query(**row)
        sample = one(CompletionLag(workflow="order", min_runs=10), query)
        assert (sample.firing, sample.value, sample.threshold) == (firing, value, 120.0)
        assert len(sample.members) == (1 if firing else 0)

    def test_what_it_asks_and_whom_it_names(self) -> None:
        query = self.query()
        kind = CompletionLag(workflow="order", percentile=0.99, longer_than=60.0, window=600.0)
        sample = one(kind, query)
        assert query.parameters("completion_lag") == [
            {
                "workflow": "order",
                "environments": ["prod"],
                "from_": at(-605),
                "to": at(-5),
                "flushed": at(-5),
                "percentile": 0.99,
            }
        ]
        assert query.parameters("completion_members")[0]["longer_than"] == 60.0
        (member,) = sample.members
        assert (member.since, member.identity) == (at(-205), "o-1/2")
        assert member.detail == "accepted 3 min 20 s ago, still in paid"
        assert sample.extra == {
            "percentile": "p99",
            "reached": True,
            "window": 600.0,
            "runs": 20,
            "completed": 15,
            "ended_otherwise": 1,
            "open": 4,
        }

    def test_a_longer_list_of_late_runs_is_cut_and_says_so(self) -> None:
        query = self.query()
        answer = query.answers["completion_members"]
        assert isinstance(answer, list)
        query.answers["completion_members"] = [{**answer[0], "total": 5000}] * MEMBER_LIMIT
        sample = one(CompletionLag(workflow="order"), query)
        assert (len(sample.members), sample.truncated) == (MEMBER_LIMIT, True)
        assert sample.total == 5000

    def test_without_any_limit_there_is_nothing_to_judge(self) -> None:
        assert CompletionLag(workflow="bare").evaluate(self.query(), NOW) == []


class TestRetryExhaustion:
    def query(self, exhausted: int, ended: int) -> FakeQuery:
        member = {
            "environment": "prod",
            "instance_id": "o-1",
            "job_id": "j-1",
            "job_type": "charge",
            "attempt": 5,
            "ended_at": at(-65),
            "error_type": "Timeout",
            "service": "worker",
            "trace_id": "",
        }
        bare = {**member, "job_type": "", "attempt": None, "error_type": ""}
        rate = exhausted / ended if ended else None
        return FakeQuery(
            environments=in_environments("prod"),
            retry_exhaustion=[{"ended": ended, "exhausted": exhausted, "rate": rate}],
            retry_exhaustion_members=[member, bare],
        )

    @pytest.mark.parametrize(
        ("more_than", "min_jobs", "exhausted", "ended", "firing", "value"),
        [
            pytest.param(MoreThan(), 0, 1, 50, True, 1.0, id="one is too many"),
            pytest.param(MoreThan(), 0, 0, 50, False, 0.0, id="none"),
            pytest.param(MoreThan(count=3), 0, 3, 50, False, 3.0, id="as many as allowed"),
            pytest.param(MoreThan(share=0.1), 0, 6, 50, True, 0.12, id="beyond the share"),
            pytest.param(MoreThan(share=0.1), 51, 6, 50, False, 0.12, id="too few jobs"),
        ],
    )
    def test_when_it_fires(
        self,
        more_than: MoreThan,
        min_jobs: int,
        exhausted: int,
        ended: int,
        firing: bool,
        value: float,
    ) -> None:
        query = self.query(exhausted, ended)
        kind = RetryExhaustion(workflow="order", more_than=more_than, min_jobs=min_jobs)
        sample = one(kind, query)
        assert (sample.firing, sample.value) == (firing, value)
        asked = query.parameters("retry_exhaustion")[0]
        assert (asked["from_"], asked["to"]) == (SETTLED - timedelta(seconds=300), SETTLED)
        if firing:
            assert [member.detail for member in sample.members] == [
                "charge j-1 gave up at attempt 5 with Timeout",
                "job j-1 gave up",
            ]
            assert (sample.members[0].since, sample.oldest) == (at(-65), 60.0)


EVERY = [
    Stuck(workflow="order"),
    IllegalTransitions(workflow="order"),
    OutboxLag(workflow="order"),
    CompletionLag(workflow="order"),
    RetryExhaustion(workflow="order"),
]


def answers(**parameters: Any) -> Rows:
    """Only production is in trouble."""
    bad = parameters["environments"] == ["prod"]
    return [
        {
            "lag": 100.0 if bad else 0.0,
            "depth": int(bad),
            "illegal": int(bad),
            "committed": 10,
            "unjudged": 0,
            "exhausted": int(bad),
            "ended": 10,
            "rate": 0.1 if bad else 0.0,
            "runs": 10,
            "completed": 10,
            "ended_otherwise": 0,
            "open": 0,
            "percentile": 500.0 if bad else 1.0,
            "oldest": 500.0 if bad else 1.0,
        }
    ]


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.name)
def test_environments_are_judged_apart(kind: Kind) -> None:
    def stuck(**parameters: Any) -> Rows:
        return [stuck_row()] if parameters["environments"] == ["prod"] else []

    def none(**parameters: Any) -> Rows:
        return []

    query = FakeQuery(
        environments=in_environments("", "prod", "test"),
        stuck=stuck,
        illegal_transitions=answers,
        illegal_members=none,
        outbox_lag=answers,
        outbox_members=none,
        completion_lag=answers,
        completion_members=none,
        retry_exhaustion=answers,
        retry_exhaustion_members=none,
    )
    samples = kind.evaluate(query, NOW)
    assert [(each.labels.get("environment"), each.firing) for each in samples] == [
        (None, False),
        ("prod", True),
        ("test", False),
    ]
    assert all(each.labels["workflow"] == "order" for each in samples)
    assert all(set(each.extra) == set(kind.extra) for each in samples)


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.name)
def test_a_workflow_without_events_has_no_samples(kind: Kind) -> None:
    assert kind.evaluate(FakeQuery(environments=[]), NOW) == []


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.name)
def test_a_store_that_is_away_is_not_taken_for_one_without_trouble(kind: Kind) -> None:
    query = FakeQuery(environments=StoreUnavailable("away"))
    with pytest.raises(StoreUnavailable):
        kind.evaluate(query, NOW)


@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.name)
def test_every_kind_can_be_named_in_a_file(kind: Kind) -> None:
    assert KINDS[kind.name] is type(kind)
    assert set(kind.required) <= set(kind.keys)


def test_without_a_definition_the_usual_lateness_is_allowed() -> None:
    bare = Moment(now=at(0), flushed=at(0), definitions=Definitions())
    assert bare.settled("order") == at(-30)


def test_without_a_watermark_nothing_on_events_can_be_evaluated() -> None:
    with pytest.raises(ValueError, match="no watermark"):
        Stuck(workflow="order").evaluate(
            FakeQuery(environments=in_environments("prod")), Moment(now=at(0), flushed=None)
        )


@pytest.mark.parametrize(
    ("percentile", "text"), [(0.95, "p95"), (0.999, "p99.9"), (0.5, "p50"), (0.9995, "p99.95")]
)
def test_percentiles_are_written_as_they_are_read(percentile: float, text: str) -> None:
    assert write_percentile(percentile) == text


@pytest.mark.parametrize("kind", [IllegalTransitions, RetryExhaustion])
@pytest.mark.parametrize(
    ("looked", "start"),
    [
        pytest.param(None, -315.0, id="never: the window"),
        pytest.param(-20.0, -315.0, id="of late: the window"),
        pytest.param(-1200.0, -1210.0, id="before an outage: all since"),
        pytest.param(-9e5, -86_415.0, id="long ago: a day"),
        pytest.param(100.0, -315.0, id="ahead, of a clock stepped back"),
    ],
)
def test_a_watermark_that_stood_still_steps_over_nothing(
    kind: Any, looked: float | None, start: float
) -> None:
    row = {"committed": 9, "unjudged": 0, "illegal": 0, "exhausted": 0, "ended": 9, "rate": 0.0}
    query = FakeQuery(environments=in_environments("prod"), **{kind.name: [row]})
    seen = replace(NOW, looked=None if looked is None else at(looked))
    (sample,) = kind(workflow="order").evaluate(query, seen)
    (asked,) = query.parameters(kind.name)
    assert (asked["from_"], asked["to"]) == (at(start), SETTLED)
    assert sample.extra["window"] == -15.0 - start
