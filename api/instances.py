"""Finding instances."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query

from api.cursor import decode, encode
from api.instance import LegView
from api.paths import API, instance_path
from api.period import moment, seconds
from api.problems import bad_parameter
from api.reader import DURATION, Cursor, Environments, Limit, Read, Reader
from api.shape import Moment, Page, Shape, rfc3339
from api.timeline import fold_jobs, fold_outbox
from lifecycle.definitions import Status
from lifecycle.legs import Position, holding

router = APIRouter(prefix=API, tags=["instances"])


class InstanceRow(Shape):
    """Where one instance stands; ``age`` of its present visit in seconds.

    ``limit_seconds`` is that of its state, or of its run where that alone is exceeded.
    """

    workflow: str
    environment: str
    instance_id: str
    run: int
    state: str
    status: str | None
    open: bool
    stuck: bool
    stuck_cause: str = ""
    workflow_version: str
    entered_at: Moment | None
    run_started_at: Moment | None
    ended_at: Moment | None
    age: float | None
    probe: bool
    service: str = ""
    trace_id: str = ""
    limit_seconds: float | None = None
    leg: LegView | None = None
    page: str


class Filter(Shape):
    """What to look for; an empty text and null mean any. ``older_than`` in seconds."""

    workflow: str = ""
    environments: tuple[str, ...] = ()
    state: str = ""
    status: str = ""
    stuck: bool | None = None
    open: bool | None = None
    older_than: float | None = None
    search: str = ""


@router.get("/instances", response_model=Page[InstanceRow])
def read_instances(
    read: Read,
    workflow: Annotated[str, Query(description="Only this workflow type")] = "",
    environment: Environments = [],  # noqa: B006
    state: Annotated[str, Query(description="Only those in this state")] = "",
    status: Annotated[
        str,
        Query(
            description="Only those of this product status",
            json_schema_extra={"enum": ["", *Status]},
        ),
    ] = "",
    stuck: Annotated[bool | None, Query(description="Only stuck ones, or only others")] = None,
    open_: Annotated[
        bool | None, Query(alias="open", description="Only open ones, or only ended ones")
    ] = None,
    older_than: Annotated[
        str,
        Query(description="In their state longer: seconds or 15m", json_schema_extra=DURATION),
    ] = "",
    search: Annotated[str, Query(description="A part of the id, in any case")] = "",
    legs: Annotated[
        bool, Query(description="Say what holds each open one; a question for each")
    ] = False,
    limit: Limit = 100,
    cursor: Cursor = "",
) -> Page[InstanceRow]:
    """Instances that fit every given filter; the one longest in its state comes first."""
    wanted = Filter(
        workflow=workflow,
        environments=tuple(environment),
        state=state,
        status=checked_status(status),
        stuck=stuck,
        open=open_,
        older_than=seconds("older_than", older_than) if older_than else None,
        search=search,
    )
    page = instances(read, wanted, limit, cursor)
    if not legs:
        return page
    items = [row.model_copy(update={"leg": _leg(read, row)}) for row in page.items]
    return page.model_copy(update={"items": items})


def checked_status(status: str) -> str:
    """The status, if there is one of that name.

    :raises Problem: there is none.
    """
    names = [each.value for each in Status]
    if status and status not in names:
        fix = f"give one of {', '.join(names)}"
        raise bad_parameter("status", f"{status!r} is no product status", fix)
    return status


def instances(read: Reader, wanted: Filter, limit: int, cursor: str) -> Page[InstanceRow]:
    """One page of instances."""
    scope = "instances" + wanted.model_dump_json()
    after: tuple[datetime, str, str] | None = None
    if cursor:
        parts = decode(cursor, scope)
        if len(parts) != 3:
            raise bad_parameter("cursor", "is not a cursor", "pass next_cursor unchanged")
        after = (moment("cursor", parts[0]), parts[1], parts[2])
    parameters: dict[str, Any] = {} if wanted.open is None else {"open": wanted.open}
    rows = read.query(
        "instances",
        workflow=wanted.workflow,
        environments=list(wanted.environments),
        state=wanted.state,
        status=wanted.status,
        stuck=wanted.stuck,
        older_than=wanted.older_than,
        search=wanted.search,
        after=after,
        limit=limit + 1,
        flushed=read.flushed,
        settled=read.settled(wanted.workflow),
        **parameters,
    )
    shown = rows[:limit]
    more = None
    if len(rows) > limit:
        last = shown[-1]
        position = (rfc3339(last["entered_at"]), last["environment"], last["instance_id"])
        more = encode(position, scope)
    return Page(items=[_row(row) for row in shown], next_cursor=more)


def _row(row: dict[str, Any]) -> InstanceRow:
    given = {
        **row,
        "workflow": row["workflow_type"],
        "status": row["status"] or None,
        # entered later than the watermark: its age is not known to be anything yet
        "age": None if row["age"] is None else max(0.0, row["age"]),
        "page": instance_path(row["workflow_type"], row["instance_id"], row["environment"]),
    }
    return InstanceRow.model_validate(given)


def _leg(read: Reader, row: InstanceRow) -> LegView | None:
    """What holds it. From its row and its events: its whole path would cost ten times as much."""
    if not row.open or row.entered_at is None:
        return None
    events = read.query(
        "instance_events",
        workflow=row.workflow,
        instance_id=row.instance_id,
        environments=[row.environment],
    )
    definition = read.judging(row.workflow, row.workflow_version)
    state = definition.state(row.state) if definition else None
    position = Position(
        state=row.state,
        status=Status(row.status) if row.status else None,
        terminal=state is not None and state.terminal,
        entered_at=row.entered_at,
        first=row.entered_at == row.run_started_at,
    )
    found = holding(position, definition, fold_jobs(events), fold_outbox(events), read.flushed)
    return LegView(leg=found.leg.value, since=found.since, sentence=found.sentence)
