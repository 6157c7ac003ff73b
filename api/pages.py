"""The pages: the same answers as the API, drawn for people."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.responses import Response

from api.alerts import (
    STATES,
    VERDICTS,
    RuleLine,
    alert,
    alert_line,
    concerns,
    history,
    rule_line,
    urgency,
)
from api.drawing import visit_axis, visit_bars
from api.ingest import ingest
from api.instance import instance
from api.instances import Filter, checked_status, instances
from api.members import FIGURES, Figure, members
from api.overview import overview
from api.paths import instance_path
from api.period import period, seconds
from api.reader import Read, Reader
from api.web import page
from api.workflow import figures, known_environments
from lifecycle.definitions import Status

router = APIRouter(include_in_schema=False)
Type = Annotated[str, Path(alias="type")]
Id = Annotated[str, Path(alias="id")]
SHOWN = 100


@router.get("/")
def overview_page(
    request: Request, read: Read, environment: str = "", window: str = "1h"
) -> HTMLResponse:
    """One row for each workflow type, the worst first."""
    during = period("", "", window, read.now)
    rows = overview(read, [environment] if environment else [], during)
    everywhere = sorted({name for row in rows for name in row.environments} | {environment} - {""})
    firing = [found for found in read.alerts.alerts() if found.state == "firing"]
    firing.sort(key=urgency)
    return page(
        request,
        read,
        "overview.html",
        rows=rows,
        window=window,
        environment=environment,
        environments=everywhere,
        alerts=[alert_line(found) for found in firing],
        unjudged=len(_unjudged([rule_line(rule) for rule in read.alerts.rules()])),
    )


@router.get("/workflows/{type:segment}")
def workflow_page(
    request: Request, read: Read, workflow: Type, environment: str = "", window: str = "1h"
) -> HTMLResponse:
    """The figures of one workflow type."""
    during = period("", "", window, read.now)
    found = figures(read, workflow, [environment] if environment else [], during)
    definition = read.definitions.newest(workflow)
    return page(
        request,
        read,
        "workflow.html",
        flow=found,
        runbook=definition.runbook_url if definition else "",
        window=window,
        environment=environment,
        slowest=max(
            # one that is not reached is drawn as long as what is known of it
            (state.dwell.p95 or state.dwell.oldest or 0 for state in found.states),
            default=0,
        ),
        busiest=max((edge.count for edge in found.edges), default=0),
        alerts=[
            alert_line(each)
            for each in sorted(read.alerts.alerts(), key=urgency)
            if each.state != "resolved" and concerns(each, workflow)
        ],
    )


@router.get("/workflows/{type:segment}/members")
def members_page(
    request: Request,
    read: Read,
    workflow: Type,
    figure: Figure,
    environment: str = "",
    window: str = "1h",
    state: str = "",
    from_state: str = "",
    to_state: str = "",
    action: str = "",
) -> HTMLResponse:
    """The instances behind one number."""
    known_environments(read, workflow)
    extra = {
        "state": state,
        "longer_than": None,
        "from_state": from_state,
        "to_state": to_state,
        "action": action,
    }
    during = period("", "", window, read.now)
    where = [environment] if environment else []
    found = members(read, workflow, figure, where, during, SHOWN + 1, extra)
    return page(
        request,
        read,
        "members.html",
        workflow=workflow,
        figure=figure,
        about=FIGURES[figure],
        members=found[:SHOWN],
        more=len(found) > SHOWN,
        window=window,
        environment=environment,
        edge=(from_state or "(created)", to_state, action) if figure == "edges" else None,
    )


@router.get("/instances")
def instances_page(
    request: Request,
    read: Read,
    workflow: str = "",
    environment: str = "",
    state: str = "",
    status: str = "",
    stuck: str = "",
    which: str = "",
    older_than: str = "",
    search: str = "",
    cursor: Annotated[str, Query(max_length=4000)] = "",
) -> Response:
    """Find instances; open ones unless told. Who gives one whole id alone is led to it."""
    which = which if which in ("open", "ended", "all") else ("all" if search else "open")
    wanted = Filter(
        workflow=workflow,
        environments=(environment,) if environment else (),
        state=state,
        status=checked_status(status),
        stuck={"true": True, "false": False}.get(stuck),
        open={"open": True, "ended": False}.get(which),
        older_than=seconds("older_than", older_than) if older_than else None,
        search=search.strip(),
    )
    found = instances(read, wanted, SHOWN, cursor)
    if wanted == Filter(search=wanted.search) and len(found.items) == 1 and not cursor:
        (one,) = found.items
        if one.instance_id == wanted.search:
            return RedirectResponse(one.page, 303, headers={"Cache-Control": "no-store"})
    seen = read.query("workflows")
    definition = read.definitions.newest(workflow)
    return page(
        request,
        read,
        "instances.html",
        found=found,
        asked={
            "workflow": workflow,
            "environment": environment,
            "state": state,
            "status": status,
            "stuck": stuck,
            "which": which,
            "older_than": older_than,
            "search": search,
        },
        workflows=sorted(
            {row["workflow_type"] for row in seen} | set(read.definitions.workflows())
        ),
        environments=sorted({name for row in seen for name in row["environments"]}),
        states=[each.name for each in definition.states] if definition else [],
        statuses=[each.value for each in Status],
        first=not cursor,
    )


@router.get("/instances/{type:segment}/")
def instance_page_by_query(
    request: Request,
    read: Read,
    workflow: Type,
    instance_id: Annotated[str, Query(alias="id", min_length=1)],
    environment: str = "",
) -> HTMLResponse:
    """The same, for ids that browsers would resolve as a path."""
    return _instance_page(request, read, workflow, instance_id, environment)


@router.get("/instances/{type:segment}/{id:rest}")
def instance_page(
    request: Request, read: Read, workflow: Type, instance_id: Id, environment: str = ""
) -> HTMLResponse:
    """One instance: where it stands, where it has been, everything it did."""
    return _instance_page(request, read, workflow, instance_id, environment)


def _instance_page(
    request: Request, read: Reader, workflow: str, instance_id: str, environment: str
) -> HTMLResponse:
    found = instance(read, workflow, instance_id, [environment] if environment else [])
    # What is finished stays in its last state for ever; what is of interest ends with the run.
    ended = {run.run: run.ended_at for run in found.runs}
    drawn = [
        visit
        if visit.exited_at or not (end := ended.get(visit.run)) or end < visit.entered_at
        else visit.model_copy(update={"exited_at": end})
        for visit in found.visits
    ]
    axis = visit_axis(drawn, read.flushed if found.open else None)
    entering = found.visits[-1].event_id if found.visits else ""
    return page(
        request,
        read,
        "instance.html",
        one=found,
        drawn=drawn,
        bars=visit_bars(drawn, axis) if axis else [],
        axis=axis,
        last=next((each for each in found.events if each.fields.get("event_id") == entering), None),
        self_path=instance_path(workflow, instance_id, found.environment),
    )


@router.get("/alerts")
def alerts_page(request: Request, read: Read) -> HTMLResponse:
    """What fires, what may, what is unknown, what was resolved a short while ago."""
    lines = [alert_line(found) for found in sorted(read.alerts.alerts(), key=urgency)]
    rules = [rule_line(rule) for rule in read.alerts.rules()]
    by_state: dict[str, list[Any]] = {state: [] for state in STATES}
    for line in lines:
        by_state[line.state].append(line)
    by_state["resolved"].sort(key=lambda line: line.resolved_at or read.now, reverse=True)
    return page(
        request,
        read,
        "alerts.html",
        alerts=by_state,
        troubled=_unjudged(rules),
        rules=len(rules),
        own=len(_own(rules)),
    )


def _unjudged(rules: list[RuleLine]) -> list[RuleLine]:
    """Those that can tell nothing now; a rule that has just come waits for its first look."""
    return [
        rule
        for rule in rules
        if rule.verdict == "error" or (rule.verdict == "unknown" and rule.last_evaluation)
    ]


def _own(rules: list[RuleLine]) -> list[RuleLine]:
    """Those about workflows; the built-in one is about donewatch itself."""
    return [rule for rule in rules if rule.workflow or rule.kind == "file"]


@router.get("/alerts/{fingerprint}")
def alert_page(request: Request, read: Read, fingerprint: str) -> HTMLResponse:
    """One alert: its members and its history."""
    found = alert_line(alert(read, fingerprint))
    return page(request, read, "alert.html", alert=found, history=history(read, fingerprint)[::-1])


@router.get("/rules")
def rules_page(request: Request, read: Read) -> HTMLResponse:
    """Every rule and its verdict, the worst first."""
    rank = ("error", "unknown", "firing", "recovering", "pending", "ok")
    rules = sorted(
        (rule_line(rule) for rule in read.alerts.rules()),
        key=lambda rule: (rank.index(rule.verdict), rule.group, rule.name),
    )
    return page(request, read, "rules.html", rules=rules, own=len(_own(rules)), verdicts=VERDICTS)


@router.get("/ingest")
def ingest_page(request: Request, read: Read, window: str = "1h") -> HTMLResponse:
    """What comes in."""
    found = ingest(read, period("", "", window, read.now))
    most = max((point.events for point in found.rate), default=0)
    return page(request, read, "ingest.html", ingest=found, window=window, most=most)
