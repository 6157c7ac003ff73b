"""What comes in: rate, backlog, watermarks, what was refused, and who still speaks."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from fastapi import APIRouter
from pydantic import Field

from api import trouble
from api.collectors import (
    Collector,
    Progress,
    Settlement,
    all_collectors,
    flushed,
    last_settlement,
    own,
)
from api.paths import API
from api.period import Period, period
from api.reader import From, Read, Reader, To, Window
from api.shape import Moment, Shape, Watermarks
from api.trouble import SKEWED, Trouble
from lifecycle.errors import StoreUnavailable

router = APIRouter(prefix=API, tags=["ingest"])
BARS = 60
LATELY: Final = timedelta(minutes=5)  # over which clocks and conflicts are looked at
LOOKED_AT: Final = 1_000_000  # event ids that are compared at most; above, a part stands for all
_YEAR_1 = -62_135_596_800  # in seconds; before it there are no datetimes


class RatePoint(Shape):
    """Events received in one step that begins at ``at``."""

    at: Moment
    events: int


class Rejected(Shape):
    """Records refused for one reason, ``detail`` and ``raw`` (cut short) those of the newest."""

    reason: str
    field: str
    count: int
    first_at: Moment
    last_at: Moment
    detail: str
    raw: str
    collector: str
    door: str


class Producer(Shape):
    """What a producer last said of itself; ``dropped`` are events it could not send."""

    service: str
    service_version: str
    environment: str
    producer: str
    last_at: Moment
    emitted: int | None
    dropped: int | None


class Dropped(Shape):
    """Events that the producers of a service dropped within the period."""

    service: str
    environment: str
    dropped: int
    producers: int
    last_at: Moment


class Skew(Shape):
    """Seconds from when events of a service happened to when they came, over five minutes.

    Less than 0 is certain: its clock is ahead. ``worst`` is the one furthest from 0; ``heartbeat``
    the least of heartbeats, which are sent as they are written: how far its clock may be behind.
    ``skew`` is what can be said of its clock (above 0: ahead); null where nothing can.
    """

    service: str
    environment: str
    events: int
    median: float
    worst: float
    heartbeat: float | None
    skew: float | None


class Conflict(Shape):
    """Event ids that came again with other content, over five minutes; the newest as an example."""

    workflow: str
    environment: str
    conflicts: int
    last_at: Moment
    instance_id: str
    event_id: str


class IngestFigures(Shape):
    """Ingest over a period; ``events_per_second`` is its mean.

    ``backlog`` records of ``backlog_bytes`` wait to be stored, the oldest for
    ``oldest_unflushed_seconds``. While the store is away (``store_error``) only what the collector
    of this process knows is there; the rest is null or empty. ``unmapped`` is told apart from what
    was refused: samples of what mappings found nothing to make of.
    """

    from_: Moment = Field(alias="from")
    to: Moment
    step: int
    store_error: str = ""
    troubles: list[Trouble]
    events: int | None = None
    events_per_second: float | None = None
    rate: list[RatePoint] = Field(default_factory=list)
    backlog: int
    backlog_bytes: int
    waiting_segments: int
    oldest_unflushed_seconds: float | None
    watermarks: Watermarks
    flushed: Progress
    settled: Progress
    settlement: Settlement | None = None
    rejected_by_reason: list[Rejected] = Field(default_factory=list)
    unmapped: list[Rejected] = Field(default_factory=list)
    producers: list[Producer] = Field(default_factory=list)
    dropped: list[Dropped] = Field(default_factory=list)
    clock_skew: list[Skew] = Field(default_factory=list)
    conflicts: list[Conflict] = Field(default_factory=list)
    collectors: list[Collector]


@router.get("/ingest", response_model=IngestFigures)
def read_ingest(read: Read, from_: From = "", to: To = "", window: Window = "") -> IngestFigures:
    """What came in over the last hour unless told, what waits, and what is wrong.

    While the store is away it answers with what the collector of this process knows, if there is
    one: that is when the backlog matters.
    """
    return ingest(read, period(from_, to, window, read.now))


def ingest(read: Reader, during: Period) -> IngestFigures:
    """Ask what came in.

    :raises StoreUnavailable: the store is away, and no collector is here that could tell.
    """
    step = max(1, math.ceil(during.seconds / BARS))  # the store counts in whole seconds
    here = own(read)
    try:
        collectors = all_collectors(read)
        stored = _stored(read, during, step, collectors)
    except StoreUnavailable as error:
        if not here:
            raise
        reason = f"the store does not answer: {error}"
        stored = {
            "store_error": str(error),
            "flushed": flushed(here, read.now),
            "settled": Progress(at=read.watermark.flushed, reason=reason),
            "troubles": [
                trouble.store_away(str(error), here),
                *trouble.of_collectors(here, flushed(here, read.now)),
            ],
        }
        collectors = here
    waiting = [each for each in collectors if not each.retired]
    oldest = min((each.oldest_at for each in waiting if each.oldest_at), default=None)
    return IngestFigures(
        from_=during.from_,
        to=during.to,
        step=step,
        backlog=sum(each.pending for each in waiting),
        backlog_bytes=sum(each.pending_bytes for each in waiting),
        waiting_segments=sum(each.waiting_segments for each in waiting),
        oldest_unflushed_seconds=(
            None if oldest is None else max(0.0, (read.now - oldest).total_seconds())
        ),
        watermarks=read.watermarks(),
        collectors=collectors,
        **stored,
    )


def _stored(
    read: Reader, during: Period, step: int, collectors: Sequence[Collector]
) -> dict[str, Any]:
    span = {"from_": during.from_, "to": during.to}
    rows = read.query("ingest_rate", **span, step=step)
    events = sum(row["events"] for row in rows)
    rejected = [Rejected.model_validate(row) for row in read.query("rejected_by_reason", **span)]
    refused = [each for each in rejected if each.reason != "unmapped"]
    drops = [Dropped.model_validate(row) for row in read.query("producer_drops", **span)]
    skews = clock_skew(read)
    conflicts = content_conflicts(read)
    stored = flushed(collectors, read.now)
    settlement, settled = last_settlement(read, stored)
    return {
        "events": events,
        "events_per_second": events / during.seconds,
        "rate": _filled(during, step, {row["at"]: row["events"] for row in rows}),
        "flushed": stored,
        "settled": settled,
        "settlement": settlement,
        "rejected_by_reason": refused,
        "unmapped": [each for each in rejected if each.reason == "unmapped"],
        "producers": [Producer.model_validate(row) for row in read.query("heartbeats", **span)],
        "dropped": drops,
        "clock_skew": skews,
        "conflicts": conflicts,
        "troubles": [
            *trouble.of_collectors(collectors, stored),
            *trouble.of_settling(settled, stored),
            *trouble.of_refusals(
                sum(each.count for each in refused),
                len({each.reason for each in refused}),
                min((each.first_at for each in refused), default=None),
            ),
            *(trouble.of_drops(each.service, each.dropped) for each in drops),
            *(
                trouble.of_clock(each.service, abs(each.skew), each.skew > 0)
                for each in skews
                if each.skew is not None and abs(each.skew) > SKEWED
            ),
            *(trouble.of_conflicts(each.conflicts, each.workflow) for each in conflicts),
        ],
    }


def clock_skew(read: Reader) -> list[Skew]:
    """What the last minutes tell of clocks, by service, the worst first."""
    rows = read.query("clock_skew", **_lately(read), longer_than=SKEWED)
    return [_skew(row) for row in rows]


def _skew(row: Mapping[str, Any]) -> Skew:
    least, greatest, heartbeat = row["least"], row["greatest"], row["heartbeat"]
    ahead = max(0.0, -least)
    skew = None if heartbeat is None and not ahead else ahead
    if heartbeat is not None and heartbeat > ahead:
        skew = -heartbeat
    return Skew(
        service=row["service"],
        environment=row["environment"],
        events=row["events"],
        median=row["median"],
        worst=least if -least > greatest else greatest,
        heartbeat=heartbeat,
        skew=skew,
    )


def content_conflicts(read: Reader) -> list[Conflict]:
    """Ids of the last minutes that came with other content."""
    lately = _lately(read)
    rows = read.query("ingest_rate", **lately, step=int(LATELY.total_seconds()))
    every = max(1, math.ceil(sum(row["events"] for row in rows) / LOOKED_AT))
    return [
        Conflict(
            workflow=row["workflow_type"],
            environment=row["environment"],
            conflicts=row["conflicts"],
            last_at=row["last_at"],
            instance_id=row["instance_id"],
            event_id=row["event_id"],
        )
        for row in read.query("content_conflicts", **lately, every=every)
    ]


def _lately(read: Reader) -> dict[str, datetime]:
    return {"from_": read.now - LATELY, "to": read.now}


def _filled(during: Period, step: int, found: Mapping[datetime, int]) -> list[RatePoint]:
    """Every step of the period, also those in which nothing came; aligned as the store does."""
    first = int(during.from_.timestamp() // step) * step
    if first < _YEAR_1:
        first += step
    last = during.to.timestamp()
    moments = (datetime.fromtimestamp(at, UTC) for at in range(first, math.ceil(last), step))
    return [RatePoint(at=at, events=found.get(at, 0)) for at in moments]
