"""Everything about one instance: where it has been, what holds it, what it did."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Query

from api.paths import API, safe_link
from api.reader import Environments, Read, Reader
from api.shape import Moment, Shape, Watermarks
from api.status import Instance, StatusAnswer, Type, present_status, status, unknown_instance
from api.timeline import Entry, fold_jobs, fold_outbox, in_order, timeline
from lifecycle.definitions import Definition, Status
from lifecycle.legs import Holding, Position, legs

router = APIRouter(prefix=API, tags=["instances"])
MOST_EVENTS: Final = 2000


class LegView(Shape):
    """A part of the path that holds the instance, in words."""

    leg: str
    since: Moment
    sentence: str


class RunView(Shape):
    """One run: ``ended_how`` is completed, ended_otherwise or open."""

    run: int
    started_at: Moment | None
    start_unseen: bool
    ended_at: Moment | None
    ended_how: str
    state: str
    status: str | None
    visible_at: Moment | None
    completed_at: Moment | None


class VisitView(Shape):
    """One stay in a state; ``dwell`` in seconds, ``exited_at`` null while (or for ever) there.

    What is finished stays in its last state: its dwell ends with the run.
    """

    run: int
    visit: int
    state: str
    status: str | None
    terminal: bool
    entered_at: Moment
    exited_at: Moment | None
    dwell: float
    link: str
    action: str
    event_id: str
    workflow_version: str
    limit_seconds: float | None
    declared: bool | None

    @property
    def over(self) -> bool:
        """It took longer than the limit of the state."""
        return self.limit_seconds is not None and self.dwell > self.limit_seconds


class JobLine(Shape):
    """One job, as its events tell."""

    job_id: str
    job_type: str
    state: str
    since: Moment
    attempt: int | None
    max_attempts: int | None
    failures: int
    errors: list[str]
    enqueued_at: Moment | None
    scheduled_at: Moment | None


class OutboxLine(Shape):
    """One outbox record, as its events tell."""

    outbox_id: str
    state: str
    recorded_at: Moment | None
    since: Moment
    pending: bool


class AlertLine(Shape):
    """An alert that counts this instance."""

    fingerprint: str
    name: str
    state: str
    since: Moment | None
    detail: str


class Links(Shape):
    """Ways out, as the definition declares them; empty where it does not."""

    instance: str = ""
    runbook: str = ""


class InstanceDetail(Shape):
    """One instance of one environment; ``events`` holds the newest 2,000 at most."""

    workflow: str
    instance_id: str
    environment: str
    environments: list[str]
    probe: bool
    open: bool
    stuck: list[str]
    product: StatusAnswer
    leg: LegView | None
    legs: list[LegView]
    runs: list[RunView]
    visits: list[VisitView]
    jobs: list[JobLine]
    outbox: list[OutboxLine]
    alerts: list[AlertLine]
    events: list[Entry]
    events_total: int
    links: Links
    watermarks: Watermarks


@router.get("/instances/{type:segment}/", response_model=InstanceDetail)
def read_instance_by_query(
    read: Read,
    workflow: Type,
    instance_id: Annotated[
        str, Query(alias="id", min_length=1, description="The id, where a path cannot carry it")
    ],
    environment: Environments = [],  # noqa: B006
) -> InstanceDetail:
    """The same as with the id in the path, for ids that clients would resolve (`.` and `..`)."""
    return instance(read, workflow, instance_id, environment)


@router.get("/instances/{type:segment}/{id:rest}", response_model=InstanceDetail)
def read_instance(
    read: Read,
    workflow: Type,
    instance_id: Instance,
    environment: Environments = [],  # noqa: B006
) -> InstanceDetail:
    """Every event of one instance, its visits, jobs and messages, and the leg that holds it."""
    return instance(read, workflow, instance_id, environment)


def instance(
    read: Reader, workflow: str, instance_id: str, environments: Sequence[str]
) -> InstanceDetail:
    """Put together what is known of one instance.

    :raises Problem: 404, no event names it.
    """
    asked: dict[str, Any] = {
        "workflow": workflow,
        "instance_id": instance_id,
        "environments": list(environments),
    }
    everywhere = read.query("instance_events", **asked)
    if not everywhere:
        raise unknown_instance(workflow, instance_id)
    # The same id in two environments is two instances: show the one that moved last.
    environment = max(everywhere, key=lambda row: row["effective_at"])["environment"]
    rows = [row for row in everywhere if row["environment"] == environment]
    asked["environments"] = [environment]
    runs = read.query("instance_runs", **asked, flushed=read.flushed)
    visits = sorted(
        read.query("instance_visits", **asked, flushed=read.flushed),
        key=lambda row: row["visit"],
    )
    events = in_order(rows, visits)
    version = visits[-1]["workflow_version"] if visits else events[-1]["workflow_version"]
    probe = any(row["actor_type"] == "probe" for row in events)
    definition = read.judging(workflow, version)
    product = (
        present_status(read, workflow, instance_id, runs, visits)
        if visits
        else status(read, workflow, instance_id, [environment])
    )
    held = [] if product.done or not visits else _legs(read, definition, visits, events)
    return InstanceDetail(
        workflow=workflow,
        instance_id=instance_id,
        environment=environment,
        environments=sorted({row["environment"] for row in everywhere}),
        probe=probe,
        open=not product.done,
        stuck=[] if probe else _stuck(read, workflow, runs, visits),
        product=product,
        leg=held[0] if held else None,
        legs=held,
        runs=[RunView.model_validate(_nulls(row)) for row in runs],
        visits=[VisitView.model_validate(_visit(row, runs)) for row in visits],
        jobs=[JobLine.model_validate(job, from_attributes=True) for job in fold_jobs(events)],
        outbox=[
            OutboxLine.model_validate(record, from_attributes=True)
            for record in fold_outbox(events)
        ],
        alerts=_alerts(read, workflow, environment, instance_id),
        events=timeline(
            events[-MOST_EVENTS:],
            visits,
            definition,
            events[-MOST_EVENTS - 1]["effective_at"] if len(events) > MOST_EVENTS else None,
        ),
        events_total=len(events),
        links=_links(definition, instance_id),
        watermarks=read.watermarks(workflow),
    )


def _nulls(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "status": row["status"] or None}


def _visit(row: Mapping[str, Any], runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A visit without exit ends with its run; while that is open it lasts to the watermark."""
    found = _nulls(row)
    if row["exited_at"] is None:
        ended = next((run["ended_at"] for run in runs if run["run"] == row["run"]), None)
        dwell = (ended - row["entered_at"]).total_seconds() if ended else row["dwell"]
        # What is newer than the watermark has no age yet: only an exit can show skew.
        found["dwell"] = max(0.0, dwell)
    return found


def _legs(
    read: Reader,
    definition: Definition | None,
    visits: Sequence[Mapping[str, Any]],
    events: Sequence[Mapping[str, Any]],
) -> list[LegView]:
    last = visits[-1]
    position = Position(
        state=last["state"],
        status=Status(last["status"]) if last["status"] else None,
        terminal=last["terminal"],
        entered_at=last["entered_at"],
        first=all(row["run"] != last["run"] for row in visits[:-1]),
    )
    found = legs(position, definition, fold_jobs(events), fold_outbox(events), read.flushed)
    return [_leg(each) for each in found]


def _leg(found: Holding) -> LegView:
    return LegView(leg=found.leg.value, since=found.since, sentence=found.sentence)


def _stuck(
    read: Reader,
    workflow: str,
    runs: Sequence[Mapping[str, Any]],
    visits: Sequence[Mapping[str, Any]],
) -> list[str]:
    """``state`` or ``run``, as figures.md section 5 has it."""
    if not runs or not visits:
        return []
    run, visit = max(runs, key=lambda row: row["run"]), visits[-1]
    if run["ended_how"] != "open":
        return []
    found = []
    if visit["limit_seconds"] is not None and visit["dwell"] > visit["limit_seconds"]:
        found.append("state")
    judge = read.judge(workflow, visit["workflow_version"])
    limit = judge.stuck_after if judge else None
    if limit is not None and not run["start_unseen"]:
        started: datetime = run["started_at"]
        if read.age(started) > limit:
            found.append("run")
    return found


def _alerts(read: Reader, workflow: str, environment: str, instance_id: str) -> list[AlertLine]:
    return [
        AlertLine(
            fingerprint=alert.fingerprint,
            name=alert.name,
            state=alert.state,
            since=member.since,
            detail=member.detail,
        )
        for alert in read.alerts.alerts()
        if alert.state != "resolved"
        for member in alert.members
        if (member.workflow, member.environment, member.instance_id)
        == (workflow, environment, instance_id)
    ]


def _links(definition: Definition | None, instance_id: str) -> Links:
    if definition is None:
        return Links()
    page = definition.instance_url.replace("{instance_id}", quote(instance_id, safe=""))
    return Links(instance=safe_link(page), runbook=safe_link(definition.runbook_url))
