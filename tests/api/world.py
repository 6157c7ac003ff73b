"""A small made-up installation: what the ports of the API would answer, the same every time."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any

from api import ApiSettings, Ports
from api.ports import (
    AlertView,
    Check,
    CollectorView,
    HistoryEntry,
    MemberView,
    RuleView,
)
from lifecycle.access import Access
from lifecycle.definitions import (
    Completion,
    Definition,
    Definitions,
    Edge,
    JobLimits,
    Objective,
    State,
    Status,
)
from lifecycle.events import Event

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOSTILE = """"'><img src=x onerror=alert(1)>/../a b?c=d#e%2F\u2028&amp;"""
SLASHES = "eu/7/status"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"

Row = dict[str, Any]


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


ORDER = Definition(
    workflow="order",
    version="3",
    owner="checkout",
    stuck_after=86400.0,
    instance_url="https://admin.example/orders/{instance_id}",
    trace_url="https://traces.example/trace/{trace_id}",
    runbook_url="https://runbooks.example/order",
    states=(
        State(name="submitted", status=Status.ACCEPTED, stuck_after=120.0),
        State(
            name="payment_pending",
            status=Status.PROCESSING,
            stuck_after=900.0,
            owner="payments",
            waits_for="payment provider",
            message="We are waiting for your bank.",
        ),
        State(name="review", status=Status.BLOCKED, stuck_after=14400.0, owner="support"),
        State(name="paid", status=Status.PROCESSING, stuck_after=300.0),
        State(name="completed", status=Status.COMPLETED, terminal=True),
        State(name="failed", status=Status.FAILED, terminal=True),
        State(name="cancelled", status=Status.CANCELLED, terminal=True),
    ),
    edges=(
        Edge("", "submitted", "submit"),
        Edge("submitted", "payment_pending", "request_payment"),
        Edge("payment_pending", "paid", "pay"),
        Edge("paid", "completed", "fulfil"),
    ),
    completion=Completion(visible=True, objective=Objective(within=120, share=0.99, window=86400)),
    outbox_max_lag=30.0,
    jobs={"charge_card": JobLimits(max_attempts=5, max_run=120.0, states=("payment_pending",))},
)

_NO_EVENT: Row = {each.name: None if "None" in str(each.type) else "" for each in fields(Event)} | {
    "attributes": "{}",
    "collector": "c1",
    "segment": 7,
    "position": 0,
}


def event(kind: str, at: datetime, number: int, **given: Any) -> Row:
    return _NO_EVENT | {
        "tenant": "default",
        "event": kind,
        "event_id": f"event-{number}",
        "workflow_type": "order",
        "workflow_version": "3",
        "environment": "production",
        "occurred_at": at,
        "received_at": at + timedelta(milliseconds=40),
        "effective_at": at,
        "service": "orders",
        "service_version": "1.4.2",
        "judged_version": "3",
        **given,
    }


def story(instance_id: str, start: float, steps: Sequence[tuple[str, float, Row]]) -> list[Row]:
    """Events of one instance; each step is (kind, seconds after the start, fields)."""
    return [
        event(kind, ago(start - after), number, instance_id=instance_id, **given)
        for number, (kind, after, given) in enumerate(steps)
    ]


def moves(*path: tuple[str, float, str]) -> list[tuple[str, float, Row]]:
    """Transitions along a path of (state, seconds, action)."""
    found: list[tuple[str, float, Row]] = []
    before = ""
    for state, after, action in path:
        given = {"from_state": before, "to_state": state, "action": action}
        found.append(("transition", after, {**given, "trace_id": TRACE}))
        before = state
    return found


_PAY = ("submitted", 0.0, "submit"), ("payment_pending", 1.2, "request_payment")
_DONE = (*_PAY, ("paid", 3.4, "pay"), ("completed", 5.0, "fulfil"))


def _jobs(*attempts: tuple[str, float, int, str]) -> list[tuple[str, float, Row]]:
    return [
        (
            "job",
            after,
            {
                "job_id": "charge-77",
                "job_type": "charge_card",
                "job_state": state,
                "attempt": attempt,
                "max_attempts": 5,
                "error_type": error,
                "service": "worker",
                "service_version": "2.0.1",
                "trace_id": TRACE,
            },
        )
        for state, after, attempt, error in attempts
    ]


def _outbox(*states: tuple[str, float]) -> list[tuple[str, float, Row]]:
    return [
        ("outbox", after, {"outbox_id": "msg-77", "outbox_state": state}) for state, after in states
    ]


STORIES: dict[str, list[Row]] = {
    "order-1042": story(
        "order-1042",
        2461,
        sorted(
            [
                *moves(*_PAY),
                *_outbox(("recorded", 1.2), ("dispatched", 1.6), ("acknowledged", 1.8)),
                *_jobs(
                    ("enqueued", 1.7, 1, ""),
                    ("started", 2.0, 1, ""),
                    ("failed", 32.0, 1, "timeout"),
                    ("started", 92.0, 2, ""),
                    ("failed", 122.0, 2, "timeout"),
                    ("started", 362.0, 3, ""),
                    ("failed", 392.0, 3, "timeout"),
                ),
            ],
            key=lambda step: step[1],
        ),
    ),
    "order-1001": story(
        "order-1001",
        600,
        [
            *moves(*_DONE),
            ("visible", 6.1, {"service": "read-model", "service_version": "0.9"}),
        ],
    ),
    "order-1050": story(
        "order-1050",
        20,
        [
            *moves(*_DONE),
        ],
    ),
    "order-2000": story(
        "order-2000",
        300,
        [
            *moves(("submitted", 0.0, "submit")),
            (
                "transition",
                4.0,
                {
                    "from_state": "submitted",
                    "to_state": "completed",
                    "action": "fulfil",
                    "service": "worker",
                    "service_version": "2.1.0-rc1",
                    "trace_id": TRACE,
                },
            ),
            ("visible", 5.0, {}),
        ],
    ),
    SLASHES: story(SLASHES, 90, moves(*_PAY)),
    HOSTILE: story(
        HOSTILE,
        70,
        [
            *moves(*_PAY),
            (
                "transition",
                5.0,
                {
                    "from_state": "payment_pending",
                    "to_state": "<script>alert(2)</script>",
                    "outcome": "rejected",
                    "rejection": "structural",
                    "reason": "</p><script>alert(3)</script>",
                    "actor_type": "operator",
                    "actor_id": "<b>eve</b>",
                    "trace_id": "javascript:alert(4)",
                    "attributes": '{"note": "</code><script>alert(5)</script>"}',
                },
            ),
        ],
    ),
    "probe-1": story("probe-1", 30, [("job", 1.0, {"job_id": "j", "job_state": "started"})]),
    "..": story("..", 50, moves(*_PAY)),
}
UNDECLARED = ("order-2000", "submitted", "completed")


def visits_of(instance_id: str) -> list[Row]:
    found: list[Row] = []
    rows = [
        row
        for row in STORIES.get(instance_id, [])
        if row["event"] == "transition" and row["outcome"] in ("", "committed")
    ]
    for number, row in enumerate(rows):
        state = ORDER.state(row["to_state"])
        leaves = rows[number + 1]["effective_at"] if number + 1 < len(rows) else None
        edge = (instance_id, row["from_state"], row["to_state"])
        found.append(
            {
                "environment": row["environment"],
                "run": 1,
                "visit": number + 1,
                "state": row["to_state"],
                "status": state.status.value if state else "",
                "terminal": bool(state and state.terminal),
                "entered_at": row["effective_at"],
                "exited_at": leaves,
                "dwell": ((leaves or NOW) - row["effective_at"]).total_seconds(),
                "link": "start" if number == 0 else "linked",
                "action": row["action"],
                "event_id": row["event_id"],
                "workflow_version": "3",
                "limit_seconds": state.stuck_after if state else None,
                "declared": edge != UNDECLARED,
            }
        )
    return found


def run_of(instance_id: str) -> Row | None:
    visits = visits_of(instance_id)
    if not visits:
        return None
    seen = [row["effective_at"] for row in STORIES[instance_id] if row["event"] == "visible"]
    last = visits[-1]
    return {
        "environment": last["environment"],
        "run": 1,
        "started_at": visits[0]["entered_at"],
        "start_unseen": False,
        "ended_at": seen[0] if seen else None,
        "ended_how": "completed" if seen else "open",
        "state": last["state"],
        "status": last["status"],
        "visible_at": seen[0] if seen else None,
        "completed_at": seen[0] if seen else None,
    }


class FakeQuery:
    """Answers the named queries from the stories; remembers what it was asked."""

    def __init__(self, world: "World") -> None:
        self._world = world

    def __call__(self, name: str, **given: Any) -> list[Row]:
        self._world.asked.append((name, given))
        if self._world.failure is not None:
            raise self._world.failure
        if self._world.empty and name not in _ALWAYS_ONE_ROW:
            return []
        if given.get("workflow") == "payout" and name.endswith("_members"):
            return []
        answer: Callable[..., list[Row]] = getattr(self, name)
        return answer(**given)

    def environments(self, workflow: str) -> list[Row]:
        known = {"order": ["production", "staging"], "payout": ["production"]}
        return [{"environment": name} for name in known.get(workflow, [])]

    def workflows(self) -> list[Row]:
        times = {"first_at": ago(86400), "last_at": ago(1)}
        return [
            {
                "workflow_type": "order",
                "environments": ["production", "staging"],
                "events": 48_210,
                **times,
            },
            {"workflow_type": "payout", "environments": ["production"], "events": 912, **times},
        ]

    def open_by_state(self, workflow: str, **_: Any) -> list[Row]:
        if workflow == "payout":
            return [_open("requested", "", False, 12, 0, 40)]
        if workflow != "order":
            return []
        return [
            _open("submitted", "accepted", False, 38, 0, 9),
            _open("payment_pending", "processing", False, 214, 17, 2460),
            _open("review", "blocked", False, 6, 0, 5400),
            _open("paid", "processing", False, 51, 0, 14),
            _open("completed", "completed", True, 3, 0, 15),
        ]

    def dwell(self, workflow: str, **_: Any) -> list[Row]:
        if workflow != "order":
            return []
        return [
            _dwell("submitted", 1204, 0.8, 2.1, 6.4, 9),
            _dwell("payment_pending", 1180, 4.2, None, None, 2460),
            _dwell("review", 41, 1240, 5100, None, 5400),
            _dwell("paid", 990, 1.6, 9.9, 13.8, 14),
        ]

    def edges(self, workflow: str, **_: Any) -> list[Row]:
        if workflow != "order":
            return []
        return [
            _edge("", "submitted", "submit", 1204, True),
            _edge("payment_pending", "paid", "pay", 966, True),
            _edge("payment_pending", "review", "hold", 41, True),
            _edge("submitted", "completed", "fulfil", 9, False),
            _edge("submitted", "payment_pending", "request_payment", 1180, True),
            _edge("paid", "archived", "", 2, None),
        ]

    def illegal_transitions(self, workflow: str, **_: Any) -> list[Row]:
        if workflow == "order" and not self._world.empty:
            return [{"committed": 3391, "unjudged": 2, "illegal": 9, "rate": 9 / 3391}]
        return [{"committed": 0, "unjudged": 0, "illegal": 0, "rate": None}]

    def illegal_members(self, workflow: str, limit: int, **_: Any) -> list[Row]:
        return self.edge_members(workflow, limit, "submitted", "completed", "fulfil")

    def edge_members(
        self, workflow: str, limit: int, from_state: str, to_state: str, action: str, **_: Any
    ) -> list[Row]:
        return [
            {
                "environment": "production",
                "instance_id": instance_id,
                "event_id": row["event_id"],
                "from_state": from_state,
                "to_state": to_state,
                "action": action,
                "effective_at": row["effective_at"],
                "workflow_version": "3",
                "service": row["service"],
                "service_version": row["service_version"],
                "actor_type": "",
                "trace_id": TRACE,
            }
            for instance_id, rows in STORIES.items()
            for row in rows
            if row["event"] == "transition"
            and (row["from_state"], row["to_state"], row["action"])
            == (from_state, to_state, action)
        ][:limit]

    def outbox_lag(self, workflow: str, **_: Any) -> list[Row]:
        if workflow == "order" and not self._world.empty:
            return [{"depth": 4, "oldest_recorded_at": ago(12), "lag": 12.0}]
        return [{"depth": 0, "oldest_recorded_at": None, "lag": 0.0}]

    def outbox_members(self, limit: int, **_: Any) -> list[Row]:
        return [
            {
                "environment": "production",
                "instance_id": "order-1050",
                "outbox_id": "msg-9",
                "recorded_at": ago(12),
                "age": 12.0,
                "service": "orders",
            }
        ][:limit]

    def completion_lag(self, workflow: str, **_: Any) -> list[Row]:
        none = dict.fromkeys(("p50", "p95", "p99", "percentile", "oldest"))
        counts = ("runs", "completed", "ended_otherwise", "open", "unseen", "skewed")
        if workflow != "order" or self._world.empty:
            return [none | dict.fromkeys(counts, 0)]
        return [
            none
            | {"p50": 7.4, "p95": 1980.0, "oldest": 2461.0}
            | dict(zip(counts, (1204, 948, 22, 231, 2, 1), strict=True))
        ]

    def completion_members(self, workflow: str, limit: int, **_: Any) -> list[Row]:
        return [
            {
                "environment": "production",
                "instance_id": name,
                "run": 1,
                "state": visits_of(name)[-1]["state"],
                "started_at": visits_of(name)[0]["entered_at"],
                "age": (NOW - visits_of(name)[0]["entered_at"]).total_seconds(),
            }
            for name in ("order-1042", HOSTILE)
            if workflow == "order"
        ][:limit]

    def retry_exhaustion(self, workflow: str, **_: Any) -> list[Row]:
        if workflow == "order" and not self._world.empty:
            return [{"ended": 960, "exhausted": 3, "rate": 3 / 960}]
        return [{"ended": 0, "exhausted": 0, "rate": None}]

    def retry_exhaustion_members(self, limit: int, **_: Any) -> list[Row]:
        return [
            {
                "environment": "production",
                "instance_id": "order-1001",
                "job_id": "charge-1",
                "job_type": "charge_card",
                "attempt": 5,
                "ended_at": ago(200),
                "error_type": "http_500",
                "service": "worker",
                "trace_id": TRACE,
            }
        ][:limit]

    def stuck(self, workflow: str, limit: int, **_: Any) -> list[Row]:
        return [
            {
                "environment": "production",
                "instance_id": "order-1042",
                "run": 1,
                "cause": "state",
                "state": "payment_pending",
                "status": "processing",
                "workflow_version": "3",
                "entered_at": ago(2460),
                "run_started_at": ago(2461),
                "entering_event_id": "event-1",
                "age": 2460.0,
                "limit_seconds": 900.0,
                "service": "orders",
                "trace_id": TRACE,
                "total": 17,
            }
        ][: limit if workflow == "order" else 0]

    def instances(self, **wanted: Any) -> list[Row]:
        rows = sorted(_listed(), key=_position)
        after = wanted.get("after")
        return [
            row
            for row in rows
            if (not wanted["workflow"] or row["workflow_type"] == wanted["workflow"])
            and (not wanted["environments"] or row["environment"] in wanted["environments"])
            and (not wanted["state"] or row["state"] == wanted["state"])
            and (not wanted["status"] or row["status"] == wanted["status"])
            and (wanted["stuck"] is None or row["stuck"] == wanted["stuck"])
            and (wanted.get("open") is None or row["open"] == wanted["open"])
            and (wanted["older_than"] is None or row["age"] > wanted["older_than"])
            and wanted["search"].lower() in row["instance_id"].lower()
            and (after is None or _position(row) > after)
        ][: wanted["limit"]]

    def instance_events(
        self, workflow: str, instance_id: str, environments: list[str]
    ) -> list[Row]:
        return [
            row
            for row in STORIES.get(instance_id, [])
            if workflow == "order" and (not environments or row["environment"] in environments)
        ]

    def instance_visits(
        self, workflow: str, instance_id: str, environments: list[str], **_: Any
    ) -> list[Row]:
        return self._world.visits or (visits_of(instance_id) if workflow == "order" else [])

    def instance_runs(
        self, workflow: str, instance_id: str, environments: list[str], **_: Any
    ) -> list[Row]:
        run = run_of(instance_id) if workflow == "order" else None
        return self._world.runs or ([run] if run else [])

    def ingest_rate(self, from_: datetime, to: datetime, step: int) -> list[Row]:
        start = int(from_.timestamp() // step) * step
        return [
            {
                "at": datetime.fromtimestamp(start + number * step, UTC),
                "events": 700 + (number * 37) % 190,
            }
            for number in range(60)
            if not 20 <= number < 23
        ]

    def rejected_by_reason(self, **_: Any) -> list[Row]:
        if self._world.calm:
            return []
        return [
            _refused("missing", "instance_id", 12, 40, "'instance_id' is missing", "{}"),
            _refused("time", "occurred_at", 3, 900, "no time", HOSTILE),
            _refused("unmapped", "celery.task_id", 10, 20, "the span has no task id", "{}"),
        ]

    def collector_reports(self) -> list[Row]:
        return [_report(**each) for each in self._world.reports]

    def last_settlement(self) -> list[Row]:
        return [self._world.settlement] if self._world.settlement else []

    def producer_drops(self, **_: Any) -> list[Row]:
        if self._world.calm:
            return []
        return [
            {
                "service": "worker",
                "environment": "production",
                "dropped": 14,
                "producers": 1,
                "last_at": ago(8),
            }
        ]

    def clock_skew(self, **_: Any) -> list[Row]:
        if self._world.calm:
            return [_clock("orders", 0.8, 0.1, 4.0, 0.2)]
        return [
            _clock("kiosk", 0.4, -91.0, 3.0, None),
            _clock("worker", 130.0, 119.0, 140.0, 120.0),
            _clock("orders", 0.8, 0.1, 4.0, 0.2),
            _clock("import", 8e6, 7e6, 9e6, None),
        ]

    def content_conflicts(self, **_: Any) -> list[Row]:
        if self._world.calm:
            return []
        return [
            {
                "workflow_type": "order",
                "environment": "production",
                "conflicts": 2,
                "last_at": ago(30),
                "instance_id": "order-1042",
                "event_id": "e-1",
            }
        ]

    def heartbeats(self, **_: Any) -> list[Row]:
        return [
            {
                "service": name,
                "service_version": "1.4.2",
                "environment": "production",
                "producer": f"{name}-1",
                "last_at": ago(8),
                "emitted": emitted,
                "dropped": dropped,
            }
            for name, emitted, dropped in (("orders", 24_031, 0), ("worker", 19_882, 14))
        ]


def _refused(reason: str, field: str, count: int, seconds: float, detail: str, raw: str) -> Row:
    return {
        "reason": reason,
        "field": field,
        "count": count,
        "first_at": ago(seconds + 600),
        "last_at": ago(seconds),
        "detail": detail,
        "raw": raw,
        "collector": "c1",
        "door": "native",
    }


def _clock(
    service: str, median: float, least: float, greatest: float, heartbeat: float | None
) -> Row:
    return {
        "service": service,
        "environment": "production",
        "events": 400,
        "median": median,
        "least": least,
        "greatest": greatest,
        "heartbeat": heartbeat,
        "ahead": 3 if least < -60 else 0,
    }


def _report(**given: Any) -> Row:
    row = {
        "collector": "c2",
        "marked_at": ago(1),
        "flushed_at": ago(1),
        "retired": 0,
        "started_at": ago(7200),
        "accepted": 20_000,
        "rejected": {"missing": 1},
        "quarantined": {},
        "quarantine_files": 0,
        "pending": 5,
        "pending_bytes": 3_000,
        "limit_bytes": 2 * 2**30,
        "waiting_segments": 1,
        "oldest_at": ago(1),
        "resent_since": None,
        "segments": 300,
        "failed_inserts": 0,
        "failed_writes": 0,
        "damaged": 0,
        "torn_bytes": 0,
        "trouble": "",
    }
    return {**row, **given}


_ALWAYS_ONE_ROW = ("illegal_transitions", "outbox_lag", "completion_lag", "retry_exhaustion")


def _open(state: str, status: str, terminal: bool, number: int, stuck: int, oldest: float) -> Row:
    return {
        "state": state,
        "status": status,
        "terminal": terminal,
        "open": number,
        "stuck": stuck,
        "oldest_entered_at": ago(oldest),
    }


def _dwell(
    state: str, visits: int, p50: float, p95: float | None, p99: float | None, oldest: float
) -> Row:
    return {
        "state": state,
        "visits": visits,
        "ended": visits,
        "censored": 0,
        "skewed": 0,
        "p50": p50,
        "p95": p95,
        "p99": p99,
        "oldest": oldest,
    }


def _edge(start: str, end: str, action: str, number: int, declared: bool | None) -> Row:
    return {
        "from_state": start,
        "to_state": end,
        "action": action,
        "count": number,
        "declared": declared,
    }


def _position(row: Row) -> tuple[datetime, str, str]:
    return (row["entered_at"], row["environment"], row["instance_id"])


def _listed() -> Iterator[Row]:
    for name in STORIES:
        run, visits = run_of(name), visits_of(name)
        if run is None:
            continue
        last = visits[-1]
        limit = last["limit_seconds"]
        stuck = run["ended_how"] == "open" and limit is not None and last["dwell"] > limit
        yield {
            "workflow_type": "order",
            "environment": "production",
            "instance_id": name,
            "run": 1,
            "state": last["state"],
            "status": last["status"],
            "open": run["ended_how"] == "open",
            "stuck": stuck,
            "stuck_cause": "state" if stuck else "",
            "workflow_version": "3",
            "entered_at": last["entered_at"],
            "run_started_at": run["started_at"],
            "ended_at": run["ended_at"],
            "age": last["dwell"],
            "probe": False,
            "service": "orders",
            "trace_id": TRACE,
            "limit_seconds": limit,
        }


def _member(name: str, since: float, detail: str = "") -> MemberView:
    return MemberView(
        workflow="order",
        environment="production",
        instance_id=name,
        since=ago(since),
        detail=detail,
    )


ALERTS = [
    AlertView(
        fingerprint="a1f3c0de",
        name="OrderStuckInPayment",
        state="firing",
        labels={"workflow": "order", "state": "payment_pending", "severity": "page"},
        annotations={
            "summary": "17 orders wait for payment longer than 15 minutes, the oldest 41 min",
            "runbook_url": "https://runbooks.example/order/payment",
            "note": "javascript:alert(6)",
        },
        value=17.0,
        threshold=0.0,
        pending_since=ago(1560),
        firing_since=ago(1500),
        members=[
            _member("order-1042", 2460, "41 min in payment_pending"),
            _member(HOSTILE, 68, "<script>alert(7)</script>"),
        ],
        members_total=17,
    ),
    AlertView(
        fingerprint="b2",
        name="OrderIllegalTransition",
        state="firing",
        labels={"workflow": "order", "severity": "ticket"},
        annotations={"summary": "9 orders went from submitted straight to completed"},
        value=9.0,
        threshold=0.0,
        pending_since=ago(260),
        firing_since=ago(260),
        members=[_member("order-2000", 296, "submitted → completed by fulfil")],
        members_total=9,
    ),
    AlertView(
        fingerprint="c3",
        name="OrderCompletionSlow",
        state="pending",
        labels={"workflow": "order"},
        annotations={"summary": "99 % of orders should be complete within 2 min"},
        value=1980.0,
        threshold=120.0,
        unit="seconds",
        pending_since=ago(45),
    ),
    AlertView(
        fingerprint="d4",
        name="OrderOutboxLag",
        state="recovering",
        labels={"workflow": "order"},
        value=12.0,
        threshold=30.0,
        unit="seconds",
        pending_since=ago(800),
        firing_since=ago(790),
        unknown=True,
        reason="the watermark has stopped 80 s ago",
    ),
    AlertView(
        fingerprint="e5",
        name="PayoutStuck",
        state="resolved",
        labels={"workflow": "payout"},
        value=0.0,
        threshold=0.0,
        pending_since=ago(4000),
        firing_since=ago(3900),
        resolved_at=ago(600),
        reason="no member is left",
    ),
]


def _rule(name: str, kind: str, verdict: str, **given: Any) -> RuleView:
    base: dict[str, Any] = {
        "group": "order",
        "workflow": "order",
        "last_evaluation": ago(6),
        "evaluation_seconds": 0.018,
        "interval": 15.0,
        "for_": 60.0,
        "labels": {"severity": "page"},
        "source": "rules/order.yaml:5",
        "alert_delay_seconds": 105.0,
    }
    return RuleView(name=name, kind=kind, verdict=verdict, **{**base, **given})


RULES = [
    _rule("OrderStuckInPayment", "stuck", "firing", value=17.0, threshold=0.0),
    _rule("OrderIllegalTransition", "illegal_transitions", "firing", value=9.0, threshold=0.0),
    _rule(
        "OrderCompletionSlow",
        "completion_lag",
        "pending",
        value=1980.0,
        threshold=120.0,
        unit="seconds",
    ),
    _rule(
        "OrderOutboxLag",
        "outbox_lag",
        "unknown",
        value=12.0,
        threshold=30.0,
        unit="seconds",
        reason="the watermark has stopped 80 s ago",
    ),
    _rule(
        "OrderRetries",
        "retry_exhaustion",
        "ok",
        value=0.003,
        threshold=0.05,
        unit="share",
        for_=0.0,
    ),
    _rule(
        "PayoutStuck",
        "stuck",
        "error",
        workflow="payout",
        group="payout",
        reason="the query took longer than 5 s",
        last_evaluation=None,
        evaluation_seconds=None,
        source="",
    ),
]

HISTORY = {
    "a1f3c0de": [
        HistoryEntry(at=ago(1560), state="pending", value=3.0, members_total=3),
        HistoryEntry(at=ago(1500), state="firing", value=9.0, members_total=9),
        HistoryEntry(at=ago(700), state="unknown", value=None, reason="the store was away"),
        HistoryEntry(at=ago(640), state="firing", value=17.0, members_total=17),
    ],
    "gone": [HistoryEntry(at=ago(90_000), state="resolved", value=0.0)],
}


class FakeAlerts:
    def __init__(self, world: "World") -> None:
        self._world = world

    def alerts(self) -> list[AlertView]:
        return [] if self._world.empty or self._world.calm else list(ALERTS)

    def rules(self) -> list[RuleView]:
        if self._world.calm:
            return [rule for rule in RULES if rule.verdict == "ok"]
        return [] if self._world.empty else list(RULES)

    def history(self, fingerprint: str) -> list[HistoryEntry]:
        return HISTORY.get(fingerprint, [])


class FakeIngest:
    def __init__(self, world: "World") -> None:
        self._world = world

    def collectors(self) -> list[CollectorView]:
        rejected = {"missing": 12, "time": 3}
        told = {
            "collector": "c1",
            "marked_at": self._world.now,
            "flushed_at": self._world.now,
            "accepted": 48_210,
            "rejected": rejected,
            "pending": 20,
            "pending_bytes": 9_000,
            "limit_bytes": 2 * 2**30,
            "waiting_segments": 2,
            "oldest_at": ago(2),
            "segments": 410,
        }
        return [CollectorView(**{**told, **each}) for each in self._world.here]


@dataclass
class Mark:
    flushed: datetime | None = field(default_factory=lambda: NOW)
    collector: str = "c1"
    reason: str = ""


@dataclass
class World:
    """The made-up installation; tests change it before they ask."""

    access: Access = field(default_factory=Access)
    settings: ApiSettings = field(default_factory=lambda: ApiSettings(version="1.2.3"))
    mark: Mark = field(default_factory=Mark)
    now: datetime = NOW
    definitions: tuple[Definition, ...] = (ORDER,)
    empty: bool = False
    calm: bool = False
    failure: Exception | None = None
    checks: list[Check] = field(default_factory=lambda: [Check("store", True)])
    visits: list[Row] = field(default_factory=list)
    runs: list[Row] = field(default_factory=list)
    asked: list[tuple[str, Row]] = field(default_factory=list)
    tenants: list[str] = field(default_factory=list)
    here: list[Row] = field(default_factory=lambda: [{}])  # collectors of this process
    reports: list[Row] = field(default_factory=list)  # of others, and what they differ in
    settlement: Row | None = field(
        default_factory=lambda: {
            "settlement": 77,
            "settled_at": ago(3),
            "flushed_at": ago(4),
            "flushed_by": "c1",
            "events": 900,
            "instances": 310,
            "seconds": 0.21,
        }
    )

    def query_for(self, tenant: str) -> FakeQuery:
        self.tenants.append(tenant)
        return FakeQuery(self)

    def ports(self) -> Ports:
        return Ports(
            query_for=self.query_for,
            alerts_for=lambda tenant: FakeAlerts(self),
            ingest=FakeIngest(self),
            access=self.access,
            watermark=lambda: self.mark,
            definitions=lambda: Definitions(() if self.empty else self.definitions),
            checks=lambda: self.checks,
            clock=lambda: self.now,
        )
