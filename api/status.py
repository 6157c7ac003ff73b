"""What a product tells the owner of an operation: status, message, since when, whether done."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from api.listeners import Listeners
from api.paths import API
from api.problems import Problem, not_found
from api.reader import Environments, Given, Read, Reader
from api.shape import Moment, Shape
from lifecycle.definitions import Status

router = APIRouter(prefix=API, tags=["instances"])
LONGEST_WAIT: Final = 60
Instance = Annotated[str, Path(alias="id", description="The instance id, percent-encoded")]
Type = Annotated[str, Path(alias="type", description="The workflow type")]

_MESSAGES: Final[Mapping[str, str]] = {
    Status.ACCEPTED: "We have received it.",
    Status.PROCESSING: "We are working on it.",
    Status.BLOCKED: "It needs attention before it can go on.",
    Status.FAILED: "It could not be completed.",
    Status.COMPLETED: "It is done.",
    Status.CANCELLED: "It was cancelled.",
}
_NOT_SHOWN: Final = "It is finished and will be shown in a moment."


class StatusAnswer(Shape):
    """The product-facing answer. ``since`` is when that began; ``done``: nothing more will come."""

    workflow: str
    instance_id: str
    environment: str
    status: str | None
    message: str
    since: Moment | None
    done: bool
    run: int
    state: str

    @property
    def etag(self) -> str:
        """Changes when the answer does."""
        return f'"{hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:24]}"'


@router.get(
    "/instances/{type:segment}/{id:rest}/status",
    response_model=StatusAnswer,
    responses={304: {"description": "Nothing changed within wait seconds"}},
)
async def read_status(
    request: Request,
    response: Response,
    read: Read,
    settings: Given,
    workflow: Type,
    instance_id: Instance,
    environment: Environments = [],  # noqa: B006
    wait: Annotated[
        float,
        Query(ge=0, le=LONGEST_WAIT, description="With If-None-Match: wait so long for a change"),
    ] = 0,
) -> StatusAnswer | Response:
    """What to tell the owner of one operation, and whether it is done.

    With ``If-None-Match`` an unchanged answer is 304; with ``wait`` besides, the answer comes when
    it changes, at the latest after so many seconds. An instance not yet known is waited for too.
    """
    known = _tags(request.headers.get("if-none-match", ""))
    until = asyncio.get_running_loop().time() + wait
    pause = settings.status_poll
    waiters: set[object] = request.app.state.waiters
    listeners: Listeners = request.app.state.listeners
    me = object()
    try:
        while True:
            found = await run_in_threadpool(_find, read, workflow, instance_id, environment)
            left = until - asyncio.get_running_loop().time()
            fresh = isinstance(found, StatusAnswer) and not (known & {found.etag, "*"})
            if (
                fresh
                or left <= 0
                or listeners.closing
                or (me not in waiters and len(waiters) >= settings.status_waiters)
            ):
                break
            if not known and isinstance(found, StatusAnswer):
                break  # nothing to compare with: the answer is news
            waiters.add(me)
            if await request.is_disconnected():
                break
            await listeners.pause(min(pause, left))
            pause = min(pause * 1.25, 2.0)  # a long wait need not hammer the store
            read = _later(request, read)
    finally:
        waiters.discard(me)
    if isinstance(found, Problem):
        raise found
    headers = {"ETag": found.etag, "Cache-Control": "private, no-cache"}
    if not fresh:
        return Response(status_code=304, headers=headers)
    response.headers.update(headers)
    return found


def _later(request: Request, read: Reader) -> Reader:
    """The same view at a later moment."""
    ports = request.app.state.ports
    return Reader(
        tenant=read.tenant,
        query=read.query,
        alerts=read.alerts,
        definitions=ports.definitions(),
        watermark=ports.watermark(),
        now=ports.clock(),
    )


def _find(
    read: Reader, workflow: str, instance_id: str, environments: Sequence[str]
) -> StatusAnswer | Problem:
    try:
        return status(read, workflow, instance_id, environments)
    except Problem as problem:
        if problem.status == 404:
            return problem
        raise


def status(
    read: Reader, workflow: str, instance_id: str, environments: Sequence[str]
) -> StatusAnswer:
    """The answer about one instance; of several environments, the one that moved last.

    :raises Problem: 404, no event names it.
    """
    asked: dict[str, Any] = {
        "workflow": workflow,
        "instance_id": instance_id,
        "environments": list(environments),
    }
    runs = read.query("instance_runs", **asked, flushed=read.flushed)
    visits = read.query("instance_visits", **asked, flushed=read.flushed)
    if visits:
        environment = max(visits, key=lambda row: row["entered_at"])["environment"]
        return present_status(
            read,
            workflow,
            instance_id,
            [row for row in runs if row["environment"] == environment],
            [row for row in visits if row["environment"] == environment],
        )
    events = read.query("instance_events", **asked)
    if not events:
        raise unknown_instance(workflow, instance_id)
    return StatusAnswer(
        workflow=workflow,
        instance_id=instance_id,
        environment=events[-1]["environment"],
        status=None,
        message="Nothing is known about its state yet.",
        since=events[0]["effective_at"],
        done=False,
        run=0,
        state="",
    )


def unknown_instance(workflow: str, instance_id: str) -> Problem:
    """404: no event names it."""
    return not_found(
        f"no event names the instance {instance_id!r} of {workflow!r}",
        "check type and id (percent-encode the id), or wait for its first event to be stored",
    )


def present_status(
    read: Reader,
    workflow: str,
    instance_id: str,
    runs: Sequence[Mapping[str, Any]],
    visits: Sequence[Mapping[str, Any]],
) -> StatusAnswer:
    """The answer from the runs and visits (at least one) of one environment."""
    run = max(runs, key=lambda row: row["run"])
    visit = max(visits, key=lambda row: row["visit"])
    definition = read.judging(workflow, visit["workflow_version"])
    declared = definition.state(visit["state"]) if definition else None
    done = run["ended_how"] != "open"
    # Visible completion can come while the application still reports a state before its last.
    name = Status.COMPLETED.value if run["ended_how"] == "completed" else visit["status"]
    message = declared.message if declared else ""
    if not done and name == Status.COMPLETED:
        message = _NOT_SHOWN
    elif not message or (done and name != visit["status"]):
        message = _MESSAGES.get(name, "It is under way." if not done else "It has ended.")
    return StatusAnswer(
        workflow=workflow,
        instance_id=instance_id,
        environment=visit["environment"],
        status=name or None,
        message=message,
        since=run["ended_at"] if done else visit["entered_at"],
        done=done,
        run=run["run"],
        state=visit["state"],
    )


def _tags(header: str) -> set[str]:
    """Entity tags of If-None-Match; compared weakly, as RFC 9110 13.1.2 says."""
    return {tag.strip().removeprefix("W/") for tag in header.split(",") if tag.strip()}
