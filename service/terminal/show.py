"""``donewatch show``: everything about one instance, as its page shows it."""

from collections.abc import Mapping
from typing import Any

from api.paths import api_path, instance_path
from service.terminal.client import Client, NotFound, check_type
from service.terminal.printer import NONE, STYLES, Cell, Printer, clock, span, when

Row = Mapping[str, Any]


def show(
    client: Client,
    printer: Printer,
    *,
    workflow: str,
    instance_id: str,
    environment: str,
    as_json: bool,
) -> int:
    """Print one instance; exit code 1 if there is no such one.

    :raises CouldNotRun: the service does not answer.
    """
    page = instance_path(workflow, instance_id, environment)
    try:
        found = client.get(api_path(page))
    except NotFound as error:
        printer.note(_missing(client, workflow, error.detail))
        return 1
    if as_json:
        printer.json({**found, "url": client.url + page})
        return 0
    _head(printer, found, client.url + page)
    _visits(printer, found["visits"])
    _jobs(printer, found["jobs"])
    _outbox(printer, found["outbox"])
    _timeline(printer, found)
    return 0


def _missing(client: Client, workflow: str, detail: str) -> str:
    try:
        check_type(client, workflow)
    except NotFound as error:
        return str(error)
    return f"{detail}: check the id, or wait for its first event to be stored"


def _head(printer: Printer, found: Row, url: str) -> None:
    product, leg = found["product"], found["leg"]
    printer.line(
        Cell(found["workflow"], "cyan"),
        Cell(found["instance_id"], "bold"),
        Cell(found["environment"], "dim"),
        Cell("probe", "dim") if found["probe"] else "",
    )
    status = product["status"] or "unknown"
    tone = {"completed": "green", "failed": "red", "blocked": "red", "cancelled": "dim"}
    printer.line("status ", Cell(status, tone.get(status, "yellow")), product["message"])
    if product["since"]:
        printer.line("since  ", when(product["since"]), Cell(_in_state(found), "dim"))
    if leg:
        printer.line("held by", Cell(leg["leg"].replace("_", " "), "bold"), leg["sentence"])
    for cause in found["stuck"]:
        printer.line("stuck  ", Cell(_stuck(found, cause), "bold red"))
    for alert in found["alerts"]:
        printer.line("alert  ", Cell(alert["name"], "red"), alert["state"], alert["detail"])
    if len(found["environments"]) > 1:
        names = ", ".join(each or "(none)" for each in found["environments"])
        printer.line("also in", names, "(choose with --environment)")
    printer.line("page   ", Cell(url, "dim"))


def _in_state(found: Row) -> str:
    state = found["product"]["state"]
    return f"in {state}" if state else ""


def _stuck(found: Row, cause: str) -> str:
    if cause == "run":
        return "in its run: longer than the type allows a whole run"
    visit = found["visits"][-1]
    limit = span(visit["limit_seconds"])
    return f"in {visit['state']}: {span(visit['dwell'])}, where {limit} are allowed"


def _visits(printer: Printer, visits: list[Row]) -> None:
    if not visits:
        return
    printer.heading("Visits")
    rows = [
        [
            str(visit["run"]),
            visit["state"],
            visit["status"] or "",
            when(visit["entered_at"]),
            Cell(span(visit["dwell"]), "bold red" if _over(visit) else ""),
            span(visit["limit_seconds"]) if visit["limit_seconds"] is not None else "",
            _entered_by(visit),
        ]
        for visit in visits
    ]
    printer.table(["run", "state", "status", "entered", "for", "limit", "by"], rows)


def _over(visit: Row) -> bool:
    return visit["limit_seconds"] is not None and visit["dwell"] > visit["limit_seconds"]


def _entered_by(visit: Row) -> str:
    notes = [visit["action"]]
    if visit["declared"] is False:
        notes.append("not declared")
    if visit["link"] not in ("start", "linked"):
        notes.append(visit["link"])
    return ", ".join(filter(None, notes))


def _jobs(printer: Printer, jobs: list[Row]) -> None:
    if not jobs:
        return
    printer.heading("Jobs")
    bad = ("failed", "exhausted")
    rows = [
        [
            job["job_type"] or "",
            job["job_id"],
            Cell(job["state"], "red" if job["state"] in bad else ""),
            when(job["since"]),
            _attempts(job),
            ", ".join(job["errors"]),
            when(job["scheduled_at"]) if job["scheduled_at"] else "",
        ]
        for job in jobs
    ]
    printer.table(["job", "id", "state", "since", "attempt", "errors", "planned for"], rows)


def _attempts(job: Row) -> str:
    if job["attempt"] is None:
        return ""
    of = f" of {job['max_attempts']}" if job["max_attempts"] else ""
    return f"{job['attempt']}{of}"


def _outbox(printer: Printer, outbox: list[Row]) -> None:
    if not outbox:
        return
    printer.heading("Outbox")
    rows = [
        [
            record["outbox_id"],
            Cell(record["state"], "yellow" if record["pending"] else ""),
            when(record["recorded_at"]),
            when(record["since"]),
        ]
        for record in outbox
    ]
    printer.table(["message", "state", "recorded", "since"], rows)


def _timeline(printer: Printer, found: Row) -> None:
    events = found["events"]
    shown, total = len(events), found["events_total"]
    printer.heading(
        "Timeline (UTC)" + (f", the newest {shown} of {total}" if shown < total else "")
    )
    rows = [
        [
            f"{event['at'][:10]} {clock(event['at'])}",
            Cell(NONE if event["gap"] is None else f"+{span(event['gap'])}", "dim"),
            Cell(event["title"], STYLES.get(event["tone"], "")),
            event["detail"],
            Cell(event["service"], "dim"),
            Cell(event["actor"], "dim"),
        ]
        for event in events
    ]
    printer.table(["at", "after", "event", "", "service", "actor"], rows)
