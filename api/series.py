"""A figure over time: the same question asked for each step of a period."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query
from pydantic import Field

from api.paths import API
from api.period import Period, period, seconds
from api.problems import bad_parameter
from api.reader import DURATION, Environments, From, Read, Reader, To, Window
from api.shape import Moment, Shape
from api.workflow import Workflow, completion, edges, illegal, known_environments, retries

router = APIRouter(prefix=API, tags=["workflows"])
Figure = Literal["completion_lag", "dwell", "edges", "illegal_transitions", "retry_exhaustion"]
MOST_STEPS: Final = 200  # each step is a question of its own
DEFAULT_STEPS: Final = 30


class Point(Shape):
    """The value of one step, which begins at ``at``; null where there is none."""

    at: Moment
    value: float | None


class Line(Shape):
    """One line of a chart."""

    labels: dict[str, str]
    points: list[Point]


class Series(Shape):
    """One figure over a period; ``step`` in seconds."""

    workflow: str
    figure: Figure
    unit: str
    from_: Moment = Field(alias="from")
    to: Moment
    step: float
    series: list[Line]


Values = list[tuple[dict[str, str], float | None]]


@router.get("/workflows/{type:segment}/series", response_model=Series)
def read_series(
    read: Read,
    workflow: Workflow,
    figure: Annotated[Figure, Query(description="The figure to follow")],
    environment: Environments = [],  # noqa: B006
    from_: From = "",
    to: To = "",
    window: Window = "",
    step: Annotated[
        str,
        Query(description="Seconds or 15m; a thirtieth unless told", json_schema_extra=DURATION),
    ] = "",
) -> Series:
    """A figure about the past, step by step."""
    known_environments(read, workflow)
    during = period(from_, to, window, read.now)
    length = seconds("step", step) if step else during.seconds / DEFAULT_STEPS
    least = max(during.seconds / MOST_STEPS, 0.001)
    if length < least:
        detail = f"{during.seconds:g} s in steps of {length:g} s are more than {MOST_STEPS} steps"
        raise bad_parameter("step", detail, f"give a step of at least {least:g} seconds")
    unit, ask = _FIGURES[figure]
    lines: dict[tuple[tuple[str, str], ...], list[Point]] = {}
    for part in _steps(during, length):
        for labels, value in ask(read, workflow, environment, part):
            line = lines.setdefault(tuple(sorted(labels.items())), [])
            line.append(Point(at=part.from_, value=value))
    return Series(
        workflow=workflow,
        figure=figure,
        unit=unit,
        from_=during.from_,
        to=during.to,
        step=length,
        series=[Line(labels=dict(key), points=points) for key, points in sorted(lines.items())],
    )


def _steps(during: Period, length: float) -> list[Period]:
    found = []
    start = during.from_
    while start < during.to:
        end = min(start + timedelta(seconds=length), during.to)
        found.append(Period(start, end))
        start = end
    return found


def _completion(read: Reader, workflow: str, where: Sequence[str], part: Period) -> Values:
    lag = completion(read, workflow, where, part)
    return [({"percentile": name}, getattr(lag, name)) for name in ("p50", "p95", "p99")]


def _dwell(read: Reader, workflow: str, where: Sequence[str], part: Period) -> Values:
    rows: list[dict[str, Any]] = read.query(
        "dwell",
        workflow=workflow,
        environments=list(where),
        from_=part.from_,
        to=part.to,
        flushed=read.flushed,
    )
    return [
        ({"state": row["state"], "percentile": name}, row[name])
        for row in rows
        for name in ("p50", "p95", "p99")
    ]


def _edges(read: Reader, workflow: str, where: Sequence[str], part: Period) -> Values:
    return [
        ({"from": edge.from_, "to": edge.to, "action": edge.action}, float(edge.count))
        for edge in edges(read, workflow, where, part)
    ]


def _illegal(read: Reader, workflow: str, where: Sequence[str], part: Period) -> Values:
    return [({}, illegal(read, workflow, where, part).rate)]


def _retries(read: Reader, workflow: str, where: Sequence[str], part: Period) -> Values:
    return [({}, retries(read, workflow, where, part).rate)]


_FIGURES: Final[dict[str, tuple[str, Callable[[Reader, str, Sequence[str], Period], Values]]]] = {
    "completion_lag": ("seconds", _completion),
    "dwell": ("seconds", _dwell),
    "edges": ("count", _edges),
    "illegal_transitions": ("ratio", _illegal),
    "retry_exhaustion": ("ratio", _retries),
}
