"""One row for each workflow type: is all well, and if not, what is wrong."""

from collections.abc import Mapping, Sequence

from fastapi import APIRouter

from api.alerts import concerns
from api.cursor import cut
from api.paths import API
from api.period import Period, period
from api.reader import Cursor, Environments, From, Limit, Read, Reader, To, Window
from api.shape import Moment, Page, Shape
from api.workflow import (
    CompletionFigures,
    IllegalFigures,
    OutboxFigures,
    completion,
    illegal,
    open_by_state,
    outbox,
)
from lifecycle.durations import format_duration

router = APIRouter(prefix=API, tags=["workflows"])


class WorkflowRow(Shape):
    """The health of one workflow type, in words: ``concerns`` now, ``lately`` in the period."""

    workflow: str
    environments: list[str]
    version: str | None
    first_at: Moment | None
    last_at: Moment | None
    events: int
    open: int
    stuck: int
    statuses: dict[str, int]
    illegal_transitions: IllegalFigures
    outbox_lag: OutboxFigures
    completion_lag: CompletionFigures
    alerts_firing: int
    concerns: list[str]
    lately: list[str]

    @property
    def well(self) -> bool:
        """Nothing is wrong now."""
        return not self.concerns and not self.alerts_firing

    @property
    def badness(self) -> tuple[int, int, int, int]:
        """Sorts the worst first when reversed."""
        return (self.alerts_firing, len(self.concerns), self.stuck, len(self.lately))


Seen = Mapping[str, Mapping[str, object]]


@router.get("/workflows", response_model=Page[WorkflowRow])
def read_workflows(
    read: Read,
    environment: Environments = [],  # noqa: B006
    from_: From = "",
    to: To = "",
    window: Window = "",
    limit: Limit = 100,
    cursor: Cursor = "",
) -> Page[WorkflowRow]:
    """Every workflow type that sent an event or has a definition, by name."""
    during = period(from_, to, window, read.now)
    seen = seen_workflows(read)
    names = sorted(seen.keys() | set(read.definitions.workflows()))
    page: Page[str] = cut(names, lambda name: [name], "workflows", limit, cursor)
    items = [row(read, name, seen, environment, during) for name in page.items]
    return Page(items=items, next_cursor=page.next_cursor)


def seen_workflows(read: Reader) -> Seen:
    """Workflow types that sent events, by name."""
    return {found["workflow_type"]: found for found in read.query("workflows")}


def overview(read: Reader, environments: Sequence[str], during: Period) -> list[WorkflowRow]:
    """Every workflow type, the worst first."""
    seen = seen_workflows(read)
    names = sorted(seen.keys() | set(read.definitions.workflows()))
    rows = [row(read, name, seen, environments, during) for name in names]
    return sorted(rows, key=lambda each: each.badness, reverse=True)


def row(
    read: Reader, workflow: str, seen: Seen, environments: Sequence[str], during: Period
) -> WorkflowRow:
    """The health of one workflow type over a period."""
    newest = read.definitions.newest(workflow)
    about = seen.get(workflow, {})
    statuses: dict[str, int] = {}
    stuck = 0
    for state in open_by_state(read, workflow, environments):
        name = state["status"] or "unknown"
        statuses[name] = statuses.get(name, 0) + state["open"]
        stuck += state["stuck"]
    wrong = illegal(read, workflow, environments, during)
    waiting = outbox(read, workflow, environments)
    lag = completion(read, workflow, environments, during)
    return WorkflowRow.model_validate(
        {
            "workflow": workflow,
            "environments": about.get("environments", []),
            "version": newest.version if newest else None,
            "first_at": about.get("first_at"),
            "last_at": about.get("last_at"),
            "events": about.get("events", 0),
            "open": sum(statuses.values()),
            "stuck": stuck,
            "statuses": statuses,
            "illegal_transitions": wrong,
            "outbox_lag": waiting,
            "completion_lag": lag,
            "alerts_firing": sum(
                alert.state == "firing" and concerns(alert, workflow)
                for alert in read.alerts.alerts()
            ),
            "concerns": _concerns(stuck, waiting),
            "lately": _lately(wrong, lag),
        }
    )


def _concerns(stuck: int, waiting: OutboxFigures) -> list[str]:
    found = []
    if stuck:
        found.append(f"{stuck} stuck")
    if waiting.max_lag is not None and waiting.lag > waiting.max_lag:
        found.append(f"outbox {format_duration(waiting.lag)} behind")
    return found


def _lately(wrong: IllegalFigures, lag: CompletionFigures) -> list[str]:
    """What a period holds against it: it may well be over, alerts tell whether it is."""
    found = []
    if wrong.illegal:
        found.append(f"{wrong.illegal} illegal transition{'s' if wrong.illegal > 1 else ''}")
    if lag.objective and lag.objective.met is False:
        found.append("completion misses its objective")
    return found
