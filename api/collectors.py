"""How far collectors and settling have come, and in words what holds them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from api.ports import CollectorView
from api.reader import Reader
from api.shape import Moment, Shape
from lifecycle.durations import format_duration

BEHIND: Final = 60.0  # seconds that a watermark may lag before somebody should look
SILENT: Final = 15.0  # seconds without a report (one comes every second) that need a reason
_LEFT: Final = timedelta(days=1)  # for which one that has left is still shown
_SLOW: Final = 20.0  # seconds that settling may take, its rests included
_EPOCH: Final = 0.0


class Collector(Shape):
    """One collector; times in seconds, counters since ``started_at`` (null where it does not tell).

    Everything it received before ``flushed_at`` is stored; ``held`` says why that is not the
    present. ``pending`` records in ``waiting_segments`` of ``pending_bytes`` wait for the store;
    ``limit_bytes`` may. ``here``: it runs in the process that answers, and tells of this moment.
    """

    collector: str
    here: bool
    retired: bool
    reported_at: Moment
    flushed_at: Moment
    lag_seconds: float
    held: str
    started_at: Moment | None
    accepted: int
    rejected: dict[str, int]
    quarantined: dict[str, int]
    quarantine_files: int
    pending: int
    pending_bytes: int
    limit_bytes: int
    waiting_segments: int
    oldest_at: Moment | None
    segments: int
    failed_inserts: int
    failed_writes: int
    damaged: int
    torn_bytes: int


class Progress(Shape):
    """A watermark: everything received before ``at`` is there, ``lag_seconds`` ago.

    ``collector`` is the one furthest behind, ``reason`` what holds it (empty while it moves).
    """

    at: Moment | None = None
    lag_seconds: float | None = None
    collector: str = ""
    reason: str = ""


class Settlement(Shape):
    """The last settlement: ``events`` of ``instances`` in ``seconds``, ``age_seconds`` ago."""

    number: int
    settled_at: Moment
    age_seconds: float
    seconds: float
    events: int
    instances: int


def own(read: Reader) -> list[Collector]:
    """Those of this process, which need no store to tell."""
    return [_collector(each, read.now, here=True) for each in read.own_collectors()]


def all_collectors(read: Reader) -> list[Collector]:
    """Every collector that is not retired, and those that have left within a day; furthest first.

    :raises StoreError: the store does not answer.
    """
    here = own(read)
    names = {each.collector for each in here}
    told = [CollectorView(**row) for row in read.query("collector_reports")]
    others = [
        _collector(each, read.now)
        for each in told
        if each.collector not in names and (not each.retired or read.now - each.marked_at < _LEFT)
    ]
    return sorted(
        [*here, *others], key=lambda each: (each.retired, -each.lag_seconds, each.collector)
    )


def _collector(view: CollectorView, now: datetime, *, here: bool = False) -> Collector:
    lag = max(0.0, (now - view.flushed_at).total_seconds())
    return Collector(
        collector=view.collector,
        here=here,
        retired=bool(view.retired),
        reported_at=view.marked_at,
        flushed_at=view.flushed_at,
        lag_seconds=lag,
        held=_held(view, now, lag),
        started_at=view.started_at,
        accepted=view.accepted,
        rejected=dict(view.rejected),
        quarantined=dict(view.quarantined),
        quarantine_files=view.quarantine_files,
        pending=view.pending,
        pending_bytes=view.pending_bytes,
        limit_bytes=view.limit_bytes,
        waiting_segments=view.waiting_segments,
        oldest_at=view.oldest_at,
        segments=view.segments,
        failed_inserts=view.failed_inserts,
        failed_writes=view.failed_writes,
        damaged=view.damaged,
        torn_bytes=view.torn_bytes,
    )


def _held(view: CollectorView, now: datetime, lag: float) -> str:
    """What keeps its watermark from the present, the first cause first."""
    if view.retired:
        return ""
    silent = (now - view.marked_at).total_seconds()
    if silent > SILENT:
        last = f"; it said last: {view.trouble}" if view.trouble else ""
        return (
            f"it has not reported for {format_duration(silent)}: it has stopped or cannot reach"
            f" the store{last}. Start it again; if it will not come back:"
            f" donewatch retire {view.collector}"
        )
    if view.trouble:
        return f"its inserts fail, what it accepts stays on its disk meanwhile: {view.trouble}"
    if lag <= SILENT:
        return ""
    if view.resent_since is not None:
        return (
            "producers were told to send again what was not kept; it waits half a minute after"
            " the last was told so"
        )
    return "it stores as fast as the store takes it, and more came than that"


def flushed(collectors: Sequence[Collector], now: datetime) -> Progress:
    """Up to when everything received is stored: where the last of them is.

    Where all have left, what the last of them said still holds: nothing has come since.
    """
    present = [each for each in collectors if not each.retired]
    if present:
        last = min(present, key=lambda each: each.flushed_at)
    elif collectors:
        last = max(collectors, key=lambda each: each.flushed_at)
    else:
        return Progress(reason="no collector has registered yet")
    reason = last.held
    if last.retired:
        reason = "every collector has left; nothing is received until one runs"
    return _progress(last.flushed_at, now, last.collector, reason)


def last_settlement(read: Reader, reached: Progress) -> tuple[Settlement | None, Progress]:
    """The last settlement, and up to when everything received counts in figures.

    ``reached``: the flushed watermark, beyond which it cannot be.

    :raises StoreError: the store does not answer.
    """
    rows = read.query("last_settlement")
    if not rows:
        return None, Progress(reason="nothing was settled yet: does `donewatch rules` or `up` run?")
    (row,) = rows
    age = max(0.0, (read.now - row["settled_at"]).total_seconds())
    found = Settlement(
        number=row["settlement"],
        settled_at=row["settled_at"],
        age_seconds=age,
        seconds=row["seconds"],
        events=row["events"],
        instances=row["instances"],
    )
    at: datetime = row["flushed_at"]
    if at.timestamp() <= _EPOCH:
        return found, Progress(reason=reached.reason)
    reason = ""
    if age > BEHIND:
        reason = (
            f"nothing was settled for {format_duration(age)}: does `donewatch rules` or `up` run,"
            " and what does its log say?"
        )
    elif reached.at is not None and (reached.at - at).total_seconds() > _SLOW:
        reason = (
            f"settling is slower than what comes: the last took {format_duration(row['seconds'])}"
            f" for {row['events']} events of {row['instances']} instances"
        )
    else:
        reason = reached.reason
    return found, _progress(at, read.now, row["flushed_by"], reason)


def _progress(at: datetime, now: datetime, collector: str, reason: str) -> Progress:
    lag = max(0.0, (now - at).total_seconds())
    return Progress(at=at, lag_seconds=lag, collector=collector, reason=reason)
