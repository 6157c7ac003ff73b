"""The events of one instance, told one after the other; its jobs and messages folded from them."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from pydantic import Field

from api.paths import safe_link
from api.shape import Moment, Shape, rfc3339
from lifecycle.definitions import Definition
from lifecycle.events import FIELDS
from lifecycle.legs import Job, OutboxRecord

Row = Mapping[str, Any]

_NAMES: Final = {field.column: field.name for field in FIELDS}
# The tenant is whoever asks; the hash only serves to find copies.
_HIDDEN: Final = ("tenant", "attributes")


class Entry(Shape):
    """One event. ``gap``: seconds since the one before; ``tone``: good, bad, muted or plain."""

    at: Moment
    gap: float | None
    kind: str
    title: str
    detail: str
    tone: str
    service: str
    actor: str
    trace_id: str
    trace_url: str
    fields: dict[str, Any] = Field(description="The event as sent, native field names")


def in_order(events: Sequence[Row], visits: Sequence[Row]) -> list[Row]:
    """Events by time; those of one instant in the order in which they follow from each other.

    A transition comes before the message and the job that it caused, transitions among themselves
    as the visits that they began (docs/figures.md, section 2).
    """
    place = {row["event_id"]: row["visit"] for row in visits}

    def key(row: Row) -> tuple[Any, ...]:
        step = {
            "transition": place.get(row["event_id"], len(visits) + 1),
            "outbox": _rank(_OUTBOX_RANK, row["outbox_state"]),
            "job": _rank(_JOB_RANK, row["job_state"]),
        }.get(row["event"], 0)
        return row["effective_at"], _rank(_KIND_RANK, row["event"]), step, row["event_id"]

    return sorted(events, key=key)


def _rank(order: Sequence[str], name: str) -> int:
    return order.index(name) if name in order else len(order)


def timeline(
    events: Sequence[Row],
    visits: Sequence[Row],
    definition: Definition | None,
    before: datetime | None,
) -> list[Entry]:
    """Tell the events in order; ``before`` is the moment of the one before the first, if any."""
    # the store says 0 where Python says False
    undeclared = {row["event_id"] for row in visits if row["declared"] in (False, 0)}
    several = len({row["outbox_id"] for row in events if row["event"] == "outbox"}) > 1
    found = []
    for row in events:
        told = entry(row, definition, before, undeclared=row["event_id"] in undeclared)
        if row["event"] == "outbox" and not several:
            told = told.model_copy(update={"detail": row["error_type"]})
        found.append(told)
        before = row["effective_at"]
    return found


def entry(
    row: Row, definition: Definition | None, before: datetime | None, *, undeclared: bool
) -> Entry:
    """Tell one event; ``before`` is the moment of the one before it, if any."""
    at: datetime = row["effective_at"]
    title, detail, tone = _told(row, undeclared)
    return Entry(
        at=at,
        gap=(at - before).total_seconds() if before else None,
        kind=row["event"],
        title=title,
        detail=detail,
        tone=tone,
        service=f"{row['service']} {row['service_version']}".strip(),
        actor=" ".join(filter(None, (row["actor_type"], row["actor_id"]))),
        trace_id=row["trace_id"],
        trace_url=_trace(definition, row["trace_id"]),
        fields=_fields(row),
    )


def fold_jobs(events: Sequence[Row]) -> list[Job]:
    """Each job of the instance, in the order of their first events."""
    by_id: dict[str, list[Row]] = {}
    for row in events:
        if row["event"] == "job":
            by_id.setdefault(row["job_id"], []).append(row)
    return [_job(rows) for rows in by_id.values()]


def fold_outbox(events: Sequence[Row]) -> list[OutboxRecord]:
    """Each outbox record of the instance, in the order of their first events."""
    by_id: dict[str, list[Row]] = {}
    for row in events:
        if row["event"] == "outbox":
            by_id.setdefault(row["outbox_id"], []).append(row)
    return [_outbox(rows) for rows in by_id.values()]


_JOB_RANK: Final = ("enqueued", "started", "failed", "succeeded", "cancelled", "exhausted")
_KIND_RANK: Final = ("transition", "outbox", "job", "visible")
_OUTBOX_RANK: Final = ("recorded", "failed", "dispatched", "acknowledged", "discarded")


def _job(rows: Sequence[Row]) -> Job:
    # The order that figures.md section 5 (retry exhaustion) gives a job's events.
    ordered = sorted(
        rows,
        key=lambda row: (
            row["effective_at"],
            row["attempt"] or 0,
            _JOB_RANK.index(row["job_state"]),
            row["event_id"],
        ),
    )
    last = ordered[-1]
    failed = [row for row in ordered if row["job_state"] == "failed"]
    enqueued = [row["effective_at"] for row in ordered if row["job_state"] == "enqueued"]
    most = [row["max_attempts"] for row in ordered if row["max_attempts"] is not None]
    attempts = [row["attempt"] for row in ordered if row["attempt"] is not None]
    types = [row["job_type"] for row in ordered if row["job_type"]]
    return Job(
        job_id=last["job_id"],
        job_type=types[-1] if types else "",
        state=last["job_state"],
        since=last["effective_at"],
        enqueued_at=enqueued[0] if enqueued else None,
        scheduled_at=last["scheduled_at"],
        attempt=last["attempt"] if last["attempt"] is not None else max(attempts, default=None),
        max_attempts=last["max_attempts"] or max(most, default=None),
        failures=len(failed),
        errors=tuple(
            dict.fromkeys(row["error_type"] for row in reversed(failed) if row["error_type"])
        ),
    )


def _outbox(rows: Sequence[Row]) -> OutboxRecord:
    recorded = [row["effective_at"] for row in rows if row["outbox_state"] == "recorded"]
    # A record that has left has left, whatever else is reported later.
    last = max(rows, key=lambda row: (_OUTBOX_RANK.index(row["outbox_state"]), row["effective_at"]))
    return OutboxRecord(
        outbox_id=last["outbox_id"],
        state=last["outbox_state"],
        recorded_at=min(recorded, default=None),
        since=last["effective_at"],
    )


def _told(row: Row, undeclared: bool) -> tuple[str, str, str]:
    """Title, detail and tone of one event."""
    kind = row["event"]
    if kind == "transition":
        return _transition(row, undeclared)
    if kind == "job":
        return _job_told(row)
    if kind == "outbox":
        tone = {"acknowledged": "good", "failed": "bad", "discarded": "muted"}
        state = row["outbox_state"]
        detail = ", ".join(filter(None, (row["outbox_id"], row["error_type"])))
        return f"message {state}", detail, tone.get(state, "plain")
    if kind == "visible":
        return "visible to its user", row["reason"], "good"
    return kind, row["reason"], "plain"


def _transition(row: Row, undeclared: bool) -> tuple[str, str, str]:
    start, end = row["from_state"], row["to_state"]
    title = f"{start} → {end}" if start else f"created in {end}"
    outcome = row["outcome"] or "committed"
    notes = [row["action"], row["reason"], row["error_type"]]
    if row["class_"] not in ("", "normal"):
        notes.insert(1, row["class_"])
    tone = "plain"
    if outcome != "committed":
        title = f"{outcome}: {title}"
        notes.append(row["rejection"].replace("_", " "))
        tone = "muted" if outcome == "replayed" else "bad"
    elif undeclared:
        notes.append("not declared")
        tone = "bad"
    return title, ", ".join(filter(None, notes)), tone


def _job_told(row: Row) -> tuple[str, str, str]:
    state = row["job_state"]
    tone = {"succeeded": "good", "failed": "bad", "exhausted": "bad", "cancelled": "muted"}
    name = row["job_type"] or f"job {row['job_id']}"
    notes = []
    if row["attempt"] is not None:
        of = f" of {row['max_attempts']}" if row["max_attempts"] else ""
        notes.append(f"attempt {row['attempt']}{of}")
    notes.append(row["error_type"])
    if row["scheduled_at"] is not None:
        notes.append(f"planned for {rfc3339(row['scheduled_at'])}")
    return f"{name} {state}", ", ".join(filter(None, notes)), tone.get(state, "plain")


def _trace(definition: Definition | None, trace_id: str) -> str:
    if definition is None or not trace_id:
        return ""
    return safe_link(definition.trace_url.replace("{trace_id}", trace_id))


def _fields(row: Row) -> dict[str, Any]:
    """The event as it was sent: native names, what was not given left out."""
    found: dict[str, Any] = {}
    for column, value in row.items():
        if column in _HIDDEN or value is None or value == "":
            continue
        name = _NAMES.get(column, column)
        found[name] = rfc3339(value) if isinstance(value, datetime) else value
    try:
        extra = json.loads(row.get("attributes") or "{}")
    except ValueError:
        extra = row["attributes"]
    if extra:
        found["attributes"] = extra
    return found
