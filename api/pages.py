"""The pages: the same answers as the API, drawn for people."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import HTMLResponse

from api.alerts import STATES, VERDICTS, alert, alert_line, concerns, history, rule_line
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
    return page(
        request,
        read,
        "overview.html",
        rows=rows,
        window=window,
        environment=environment,
        environments=everywhere,
        alerts=[alert_line(found) for found in firing],
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
        slowest=max((state.dwell.p95 or 0 for state in found.states), default=0),
        busiest=max((edge.count for edge in found.edges), default=0),
        alerts=[
            alert_line(each)
            for each in read.alerts.alerts()
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
) -> HTMLResponse:
    """Find instances; open ones unless told."""
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
    axis = visit_axis(found.visits, read.flushed if found.open else None)
    return page(
        request,
        read,
        "instance.html",
        one=found,
        bars=visit_bars(found.visits, axis) if axis else [],
        axis=axis,
        self_path=instance_path(workflow, instance_id, found.environment),
    )


@router.get("/alerts")
def alerts_page(request: Request, read: Read) -> HTMLResponse:
    """What fires, what may, what is unknown, what was resolved a short while ago."""
    lines = [alert_line(found) for found in read.alerts.alerts()]
    rules = [rule_line(rule) for rule in read.alerts.rules()]
    by_state: dict[str, list[Any]] = {state: [] for state in STATES}
    for line in lines:
        by_state[line.state].append(line)
    for state, found in by_state.items():
        newest = state == "resolved"
        found.sort(
            key=lambda line: (
                line.resolved_at or line.firing_since or line.pending_since or read.now
            ),
            reverse=newest,
        )
    return page(
        request,
        read,
        "alerts.html",
        alerts=by_state,
        troubled=[rule for rule in rules if rule.verdict in ("unknown", "error")],
        rules=len(rules),
    )


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
    return page(request, read, "rules.html", rules=rules, verdicts=VERDICTS)


@router.get("/ingest")
def ingest_page(request: Request, read: Read, window: str = "1h") -> HTMLResponse:
    """What comes in."""
    found = ingest(request, read, period("", "", window, read.now))
    most = max((point.events for point in found.rate), default=0)
    return page(request, read, "ingest.html", ingest=found, window=window, most=most)
