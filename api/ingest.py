"""What comes in: rate, backlog, watermark, what was refused, and who still speaks."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime

from fastapi import APIRouter, Request
from pydantic import Field

from api.paths import API
from api.period import Period, period
from api.reader import From, Read, Reader, To, Window, ports_of
from api.shape import Moment, Shape, Watermarks

router = APIRouter(prefix=API, tags=["ingest"])
BARS = 60
_YEAR_1 = -62_135_596_800  # in seconds; before it there are no datetimes


class RatePoint(Shape):
    """Events received in one step that begins at ``at``."""

    at: Moment
    events: int


class Rejected(Shape):
    """Events refused for one reason."""

    reason: str
    field: str
    count: int
    last_at: Moment


class Producer(Shape):
    """What a producer last said of itself; ``dropped`` are events it could not send."""

    service: str
    service_version: str
    environment: str
    producer: str
    last_at: Moment
    emitted: int | None
    dropped: int | None


class Collector(Shape):
    """Counters of one collector since its start."""

    collector: str
    accepted: int
    rejected: dict[str, int]
    pending: int
    segments: int


class IngestFigures(Shape):
    """Ingest over a period: ``events_per_second`` is its mean, ``backlog`` waits to be stored."""

    from_: Moment = Field(alias="from")
    to: Moment
    step: int
    events: int
    events_per_second: float
    rate: list[RatePoint]
    backlog: int
    watermarks: Watermarks
    rejected_by_reason: list[Rejected]
    producers: list[Producer]
    collectors: list[Collector]


@router.get("/ingest", response_model=IngestFigures)
def read_ingest(
    request: Request, read: Read, from_: From = "", to: To = "", window: Window = ""
) -> IngestFigures:
    """What came in over the last hour unless told."""
    return ingest(request, read, period(from_, to, window, read.now))


def ingest(request: Request, read: Reader, during: Period) -> IngestFigures:
    """Ask what came in."""
    step = max(1, math.ceil(during.seconds / BARS))  # the store counts in whole seconds
    span = {"from_": during.from_, "to": during.to}
    rows = read.query("ingest_rate", **span, step=step)
    events = sum(row["events"] for row in rows)
    collectors = [
        Collector.model_validate(each, from_attributes=True)
        for each in ports_of(request).ingest.collectors()
    ]
    return IngestFigures(
        from_=during.from_,
        to=during.to,
        step=step,
        events=events,
        events_per_second=events / during.seconds,
        rate=_filled(during, step, {row["at"]: row["events"] for row in rows}),
        backlog=sum(each.pending for each in collectors),
        watermarks=read.watermarks(),
        rejected_by_reason=[
            Rejected.model_validate(row) for row in read.query("rejected_by_reason", **span)
        ],
        producers=[Producer.model_validate(row) for row in read.query("heartbeats", **span)],
        collectors=collectors,
    )


def _filled(during: Period, step: int, found: Mapping[datetime, int]) -> list[RatePoint]:
    """Every step of the period, also those in which nothing came; aligned as the store does."""
    first = int(during.from_.timestamp() // step) * step
    if first < _YEAR_1:
        first += step
    last = during.to.timestamp()
    moments = (datetime.fromtimestamp(at, UTC) for at in range(first, math.ceil(last), step))
    return [RatePoint(at=at, events=found.get(at, 0)) for at in moments]
