"""What is wrong on the way in, since when, why, and what to do about it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal

from api.collectors import BEHIND, Collector, Progress
from api.shape import Moment, Shape
from lifecycle.durations import format_duration

FULL: Final = 0.5  # share of a spool from which somebody should look
SKEWED: Final = 60.0  # seconds by which a clock may be wrong

Weight = Literal["bad", "warn"]  # bad: seen or lost now; warn: to be mended, in time


class Trouble(Shape):
    """One thing that is wrong: ``what``, ``since`` when (if that is known), ``why``, and ``do``."""

    weight: Weight
    what: str
    since: Moment | None = None
    why: str = ""
    do: str = ""


def store_away(error: str, here: Sequence[Collector]) -> Trouble:
    """The store does not answer; nothing else can be told then."""
    pending = sum(each.pending for each in here)
    full = max((_full(each) for each in here), default=0.0)
    kept = (
        f"What is accepted is kept on this machine's disk meanwhile: {pending} records wait, the"
        f" spool is {full:.0%} full. "
        if here
        else ""
    )
    return Trouble(
        weight="bad",
        what="The store does not answer",
        since=min((each.oldest_at for each in here if each.oldest_at), default=None),
        why=error,
        do=f"{kept}Bring ClickHouse back; everything arrives then, without help.",
    )


def of_collectors(collectors: Sequence[Collector], progress: Progress) -> list[Trouble]:
    """Watermarks, spools, what was set aside."""
    found = []
    if progress.at is None:
        return []
    for each in collectors:
        if each.retired:
            continue
        if each.held and each.lag_seconds > BEHIND:
            found.append(
                Trouble(
                    weight="bad",
                    what=f"{each.collector} holds the watermark",
                    since=each.flushed_at,
                    why=each.held,
                    do="Until it goes on nobody knows what has not happened: verdicts are unknown.",
                )
            )
        if _full(each) > FULL:
            found.append(
                Trouble(
                    weight="bad",
                    what=f"The spool of {each.collector} is {_full(each):.0%} full",
                    since=each.oldest_at,
                    why=each.held or "more comes than the store takes",
                    do="At 100% producers are told to wait, and drop what their queues cannot hold."
                    " Mend the store, or raise DONEWATCH_COLLECTOR__SPOOL_BYTES there and restart.",
                )
            )
        if each.quarantine_files:
            found.append(
                Trouble(
                    weight="warn",
                    what=f"{each.quarantine_files} record"
                    f"{'s are' if each.quarantine_files > 1 else ' is'} in quarantine at"
                    f" {each.collector}",
                    why="the store refused what the collector had accepted",
                    do="`donewatch quarantine` there shows them with the store's words; with"
                    " --retry they are inserted again once the cause is mended.",
                )
            )
        if each.damaged:
            found.append(
                Trouble(
                    weight="warn",
                    what=f"{each.damaged} {'places' if each.damaged > 1 else 'place'} in the spool"
                    f" of {each.collector} could not be read",
                    since=each.started_at,
                    why="the disk did not give back what was written to it",
                    do="The bytes are kept in spool/damaged; what was acknowledged in them is not"
                    " stored. Look at that disk, and have producers of that time send again.",
                )
            )
    return found


def of_settling(settled: Progress, flushed: Progress) -> list[Trouble]:
    """Figures stand although events are stored."""
    if settled.at is None or settled.reason == flushed.reason or not settled.reason:
        return []
    if (settled.lag_seconds or 0.0) <= BEHIND:
        return []
    return [
        Trouble(
            weight="bad",
            what="Figures stand still",
            since=settled.at,
            why=settled.reason,
            do="What came since is stored, and counts in no figure and no rule yet.",
        )
    ]


def of_refusals(count: int, reasons: int, since: datetime | None) -> list[Trouble]:
    """Records that producers lost."""
    if not count:
        return []
    return [
        Trouble(
            weight="warn",
            what=f"{count} {_records(count)} refused"
            + (f", for {reasons} reasons" if reasons > 1 else ""),
            since=since,
            why="they were not what an event has to be; each is below with its reason",
            do="Figures lack them. Mend the producer and send them again.",
        )
    ]


def of_drops(service: str, dropped: int) -> Trouble:
    """Events that never left their process."""
    return Trouble(
        weight="warn",
        what=f"{service or 'A producer'} dropped {dropped} {'events' if dropped > 1 else 'event'}",
        why="its SDK could not hand them over in time",
        do="Is a collector reachable from there, and does it answer 429 or 503? If it is, raise"
        " DONEWATCH_QUEUE_SIZE there.",
    )


def of_clock(service: str, seconds: float, ahead: bool) -> Trouble:
    """A clock that is wrong."""
    way = "ahead of" if ahead else "behind"
    return Trouble(
        weight="warn",
        what=f"The clock of {service or 'a producer'} is {format_duration(seconds)} {way} the"
        " collector's",
        why="ages, dwell times and order across services are wrong by that much",
        do="Does time synchronisation run on its machines? If several services show it at once, it"
        " is the collector's clock.",
    )


def of_conflicts(count: int, workflow: str) -> Trouble:
    """One id for two events."""
    return Trouble(
        weight="warn",
        what=f"{count} event {'ids' if count > 1 else 'id'} of {workflow} came with other content"
        " than before",
        why="an event id is given to two different events, or content changes between retries",
        do="The first received counts, the other is ignored: give each event an id of its own.",
    )


def _full(each: Collector) -> float:
    return each.pending_bytes / each.limit_bytes if each.limit_bytes else 0.0


def _records(count: int) -> str:
    return "record was" if count == 1 else "records were"
