"""The figures of one workflow type."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import Field

from api.paths import API
from api.period import Period, period
from api.problems import not_found
from api.reader import Environments, From, Read, Reader, To, Window
from api.shape import Moment, Percentiles, Shape, Watermarks
from lifecycle.definitions import Definition, Objective
from lifecycle.document import did_you_mean

router = APIRouter(prefix=API, tags=["workflows"])
Workflow = Annotated[str, Path(alias="type", description="The workflow type")]


class StateFigures(Shape):
    """One state: who is in it now, and how long visits of the period took."""

    name: str
    status: str | None
    terminal: bool = False
    declared: bool = True
    owner: str = ""
    waits_for: str = ""
    stuck_after: float | None = None
    open: int = 0
    stuck: int = 0
    oldest_age: float | None = None
    visits: int = 0
    dwell: Percentiles = Percentiles()


class EdgeFigures(Shape):
    """One way that was taken; ``share`` of all that left the same state."""

    from_: str = Field(alias="from")
    to: str
    action: str
    count: int
    declared: bool | None
    share: float


class IllegalFigures(Shape):
    """Committed transitions that the version does not declare."""

    committed: int
    illegal: int
    unjudged: int
    rate: float | None


class ObjectiveFigures(Shape):
    """The share of runs to complete within so many seconds, and whether the period met it."""

    within: float
    share: float
    window: float
    actual: float | None  # the percentile at ``share``, in seconds
    met: bool | None


class CompletionFigures(Percentiles):
    """From the start of a run to its visible completion; open runs count at their age."""

    runs: int = 0
    completed: int = 0
    ended_otherwise: int = 0
    open: int = 0
    unseen: int = 0
    skewed: int = 0
    objective: ObjectiveFigures | None = None


class OutboxFigures(Shape):
    """Records waiting to be dispatched, and the age of the oldest."""

    depth: int
    lag: float
    oldest_recorded_at: Moment | None
    max_lag: float | None = None


class RetryFigures(Shape):
    """Jobs that ended, and those whose last attempt failed."""

    ended: int
    exhausted: int
    rate: float | None


class WorkflowFigures(Shape):
    """Everything about one workflow type over a period."""

    workflow: str
    environments: list[str]
    version: str | None = Field(description="of the newest definition, null without one")
    versions: list[str]
    owner: str
    from_: Moment = Field(alias="from")
    to: Moment
    states: list[StateFigures]
    edges: list[EdgeFigures]
    illegal_transitions: IllegalFigures
    completion_lag: CompletionFigures
    outbox_lag: OutboxFigures
    retry_exhaustion: RetryFigures
    watermarks: Watermarks


Rows = Sequence[Mapping[str, Any]]


@router.get("/workflows/{type:segment}", response_model=WorkflowFigures)
def read_workflow(
    read: Read,
    workflow: Workflow,
    environment: Environments = [],  # noqa: B006
    from_: From = "",
    to: To = "",
    window: Window = "",
) -> WorkflowFigures:
    """States, edges, completion and outbox of one workflow type, over the last hour unless told."""
    return figures(read, workflow, environment, period(from_, to, window, read.now))


def figures(
    read: Reader, workflow: str, environments: Sequence[str], during: Period
) -> WorkflowFigures:
    """Ask every figure.

    :raises Problem: 404, neither a definition nor an event knows the type.
    """
    known = known_environments(read, workflow)
    newest = read.definitions.newest(workflow)
    return WorkflowFigures(
        workflow=workflow,
        environments=known,
        version=newest.version if newest else None,
        versions=[each.version for each in read.definitions.of(workflow)],
        owner=newest.owner if newest else "",
        from_=during.from_,
        to=during.to,
        states=states(
            newest,
            open_by_state(read, workflow, environments),
            read.query(
                "dwell",
                workflow=workflow,
                environments=list(environments),
                from_=during.from_,
                to=during.to,
                flushed=read.flushed,
            ),
            read,
        ),
        edges=edges(read, workflow, environments, during),
        illegal_transitions=illegal(read, workflow, environments, during),
        completion_lag=completion(read, workflow, environments, during),
        outbox_lag=outbox(read, workflow, environments),
        retry_exhaustion=retries(read, workflow, environments, during),
        watermarks=read.watermarks(workflow),
    )


def known_environments(read: Reader, workflow: str) -> list[str]:
    """The environments that sent events of this type.

    :raises Problem: 404, neither a definition nor an event knows the type.
    """
    rows = read.query("environments", workflow=workflow)
    if not rows and read.definitions.newest(workflow) is None:
        others = {row["workflow_type"] for row in read.query("workflows")}
        names = sorted(others | set(read.definitions.workflows()))
        every = f"one of: {', '.join(names[:20])}" if names else ""
        near = did_you_mean(workflow, names, every)
        raise not_found(
            f"no event and no definition names the workflow type {workflow!r}",
            (near if near == every else f"{near} {every}")
            or "send a first event, or add a definition file",
        )
    return sorted(row["environment"] for row in rows)


def open_by_state(read: Reader, workflow: str, environments: Sequence[str]) -> Rows:
    """Open and stuck instances by present state, as rows."""
    return read.query(
        "open_by_state",
        workflow=workflow,
        environments=list(environments),
        flushed=read.flushed,
        settled=read.settled(workflow),
    )


def states(
    newest: Definition | None, present: Rows, dwell: Rows, read: Reader
) -> list[StateFigures]:
    """Declared states in the order of the definition, then those only events know."""
    now_in = {row["state"]: row for row in present}
    stays = {row["state"]: row for row in dwell}
    declared = {state.name: state for state in newest.states} if newest else {}
    names = [*declared, *sorted((now_in.keys() | stays.keys()) - declared.keys())]
    found = []
    for name in names:
        here, stay, state = now_in.get(name, {}), stays.get(name, {}), declared.get(name)
        oldest = here.get("oldest_entered_at")
        found.append(
            StateFigures(
                name=name,
                status=(state.status.value if state else here.get("status")) or None,
                terminal=state.terminal if state else bool(here.get("terminal")),
                declared=state is not None,
                owner=state.owner if state else "",
                waits_for=state.waits_for if state else "",
                stuck_after=state.stuck_after if state else None,
                open=here.get("open", 0),
                stuck=here.get("stuck", 0),
                oldest_age=read.age(oldest) if oldest else None,
                visits=stay.get("visits", 0),
                dwell=percentiles(stay),
            )
        )
    return found


def edges(
    read: Reader, workflow: str, environments: Sequence[str], during: Period
) -> list[EdgeFigures]:
    """Edges that were taken in the period."""
    rows = read.query(
        "edges",
        workflow=workflow,
        environments=list(environments),
        from_=during.from_,
        to=during.to,
    )
    leaving: dict[str, int] = {}
    for row in rows:
        leaving[row["from_state"]] = leaving.get(row["from_state"], 0) + row["count"]
    return [
        EdgeFigures(
            from_=row["from_state"],
            to=row["to_state"],
            action=row["action"],
            count=row["count"],
            declared=None if row["declared"] is None else bool(row["declared"]),
            share=row["count"] / leaving[row["from_state"]] if row["count"] else 0.0,
        )
        for row in rows
    ]


def illegal(
    read: Reader, workflow: str, environments: Sequence[str], during: Period
) -> IllegalFigures:
    """The illegal-transition rate."""
    (row,) = read.query(
        "illegal_transitions",
        workflow=workflow,
        environments=list(environments),
        from_=during.from_,
        to=during.to,
        settled=read.settled(workflow),
    )
    return IllegalFigures.model_validate(row)


def completion(
    read: Reader, workflow: str, environments: Sequence[str], during: Period
) -> CompletionFigures:
    """Completion lag, and how it compares with the objective."""
    newest = read.definitions.newest(workflow)
    objective = newest.completion.objective if newest else None
    (row,) = read.query(
        "completion_lag",
        workflow=workflow,
        environments=list(environments),
        from_=during.from_,
        to=during.to,
        flushed=read.flushed,
        percentile=objective.share if objective else 0.5,
    )
    found = CompletionFigures.model_validate(row)
    if objective is None:
        return found
    return found.model_copy(update={"objective": _compare(objective, row)})


def _compare(objective: Objective, row: Mapping[str, Any]) -> ObjectiveFigures:
    actual, oldest = row["percentile"], row["oldest"]
    met: bool | None = None
    if actual is not None:
        met = actual <= objective.within
    elif oldest is not None and oldest > objective.within:
        met = False  # not reached, and already beyond
    return ObjectiveFigures(
        within=objective.within,
        share=objective.share,
        window=objective.window,
        actual=actual,
        met=met,
    )


def outbox(read: Reader, workflow: str, environments: Sequence[str]) -> OutboxFigures:
    """Outbox lag and depth, live."""
    newest = read.definitions.newest(workflow)
    (row,) = read.query(
        "outbox_lag", workflow=workflow, environments=list(environments), flushed=read.flushed
    )
    return OutboxFigures(
        depth=row["depth"],
        lag=max(0.0, row["lag"]),  # newer than the watermark: it has not waited yet
        oldest_recorded_at=row["oldest_recorded_at"],
        max_lag=newest.outbox_max_lag if newest else None,
    )


def retries(
    read: Reader, workflow: str, environments: Sequence[str], during: Period
) -> RetryFigures:
    """Retry exhaustion."""
    (row,) = read.query(
        "retry_exhaustion",
        workflow=workflow,
        environments=list(environments),
        from_=during.from_,
        to=during.to,
        settled=read.settled(workflow),
    )
    return RetryFigures.model_validate(row)


def percentiles(row: Mapping[str, Any]) -> Percentiles:
    """The percentiles of a row that has them, or none."""
    return Percentiles(**{name: row.get(name) for name in ("p50", "p95", "p99", "oldest")})
