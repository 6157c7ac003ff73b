"""The instances behind a figure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query

from api.paths import API, instance_path
from api.period import Period, period, seconds
from api.reader import DURATION, Environments, From, Limit, Read, Reader, To, Window
from api.shape import Moment, Page, Shape
from api.workflow import Workflow, known_environments

router = APIRouter(prefix=API, tags=["workflows"])
Figure = Literal[
    "stuck", "illegal_transitions", "outbox_lag", "completion_lag", "retry_exhaustion", "edges"
]
Row = Mapping[str, Any]


class Member(Shape):
    """One instance and why it is counted; ``since`` is the moment that counts, ``age`` seconds.

    ``state`` and ``limit_seconds``, what it stayed longer than, where the figure has them.
    """

    workflow: str
    environment: str
    instance_id: str
    since: Moment | None
    age: float | None
    detail: str
    state: str = ""
    limit_seconds: float | None = None
    trace_id: str = ""
    page: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """Which question finds the instances, and how to read its rows."""

    title: str
    query: str
    since: str
    detail: Callable[[Row], str]
    window: bool = False  # asks about the period, not the present
    bound: str = ""  # the watermark parameter it takes
    extra: tuple[str, ...] = ()


FIGURES: Mapping[Figure, Behind] = {
    "stuck": Behind(
        title="stuck",
        query="stuck",
        since="entered_at",
        detail=lambda row: f"in {row['state']}" + (" (whole run)" if row["cause"] == "run" else ""),
        bound="both",
        extra=("longer_than", "state"),
    ),
    "illegal_transitions": Behind(
        title="took an undeclared transition",
        query="illegal_members",
        since="effective_at",
        detail=lambda row: _edge(row) + _by(row),
        window=True,
        bound="settled",
    ),
    "outbox_lag": Behind(
        title="have messages waiting in the outbox",
        query="outbox_members",
        since="recorded_at",
        detail=lambda row: f"message {row['outbox_id']}" + _by(row),
        bound="flushed",
    ),
    "completion_lag": Behind(
        title="are not complete",
        query="completion_members",
        since="started_at",
        detail=lambda row: f"in {row['state']}",
        bound="flushed",
        extra=("longer_than",),
    ),
    "retry_exhaustion": Behind(
        title="have a job that gave up",
        query="retry_exhaustion_members",
        since="ended_at",
        detail=lambda row: _job(row) + _by(row),
        window=True,
        bound="settled",
    ),
    "edges": Behind(
        title="took this transition",
        query="edge_members",
        since="effective_at",
        detail=lambda row: _edge(row) + _by(row),
        window=True,
        extra=("from_state", "to_state", "action"),
    ),
}


@router.get("/workflows/{type:segment}/members", response_model=Page[Member])
def read_members(
    read: Read,
    workflow: Workflow,
    figure: Annotated[Figure, Query(description="The figure to look behind")],
    environment: Environments = [],  # noqa: B006
    from_: From = "",
    to: To = "",
    window: Window = "",
    state: Annotated[str, Query(description="stuck: only in this state")] = "",
    longer_than: Annotated[
        str,
        Query(description="stuck, completion_lag: seconds or 15m", json_schema_extra=DURATION),
    ] = "",
    from_state: Annotated[str, Query(description="edges: the state left, empty: creation")] = "",
    to_state: Annotated[str, Query(description="edges: the state entered")] = "",
    action: Annotated[str, Query(description="edges: the action")] = "",
    limit: Limit = 100,
) -> Page[Member]:
    """The instances that a figure counts; where it is about a period, of that period."""
    known_environments(read, workflow)
    during = period(from_, to, window, read.now)
    longer = seconds("longer_than", longer_than) if longer_than else None
    extra = {
        "state": state,
        "longer_than": longer,
        "from_state": from_state,
        "to_state": to_state,
        "action": action,
    }
    return Page(items=members(read, workflow, figure, environment, during, limit, extra))


def members(
    read: Reader,
    workflow: str,
    figure: Figure,
    environments: Sequence[str],
    during: Period,
    limit: int,
    extra: Mapping[str, Any],
) -> list[Member]:
    """Ask who is behind a figure; ``extra`` has what only some figures take."""
    behind = FIGURES[figure]
    parameters: dict[str, Any] = {name: extra[name] for name in behind.extra}
    if behind.window:
        parameters |= {"from_": during.from_, "to": during.to}
    if behind.bound in ("flushed", "both"):
        parameters["flushed"] = read.flushed
    if behind.bound in ("settled", "both"):
        parameters["settled"] = read.settled(workflow)
    if figure == "completion_lag" and parameters["longer_than"] is None:
        parameters["longer_than"] = 0.0
    rows = read.query(
        behind.query,
        workflow=workflow,
        environments=list(environments),
        limit=limit,
        **parameters,
    )
    return [_member(read.now, workflow, behind, row) for row in rows]


def _member(now: datetime, workflow: str, behind: Behind, row: Row) -> Member:
    # what is stuck in its run is so since the run began, not since it entered its state
    whole_run = row.get("cause") == "run"
    since: datetime | None = row["run_started_at"] if whole_run else row[behind.since]
    age = row.get("age")
    if age is None and since is not None:
        age = (now - since).total_seconds()
    age = None if age is None else max(0.0, age)
    return Member(
        workflow=workflow,
        environment=row["environment"],
        instance_id=row["instance_id"],
        since=since,
        age=age,
        detail=behind.detail(row),
        state=row.get("state", ""),
        limit_seconds=row.get("limit_seconds"),
        trace_id=row.get("trace_id", ""),
        page=instance_path(workflow, row["instance_id"], row["environment"]),
    )


def _edge(row: Row) -> str:
    start = row["from_state"] or "(created)"
    action = f" by {row['action']}" if row["action"] else ""
    return f"{start} → {row['to_state']}{action}"


def _by(row: Row) -> str:
    version = row.get("service_version", "")
    return f", from {row['service']} {version}".rstrip() if row.get("service") else ""


def _job(row: Row) -> str:
    error = f" with {row['error_type']}" if row["error_type"] else ""
    name = row["job_type"] or row["job_id"]
    attempt = f" at attempt {row['attempt']}" if row["attempt"] is not None else ""
    return f"{name} gave up{attempt}{error}"
