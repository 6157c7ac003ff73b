"""Alerts and rules, as last evaluated."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import Field

from api.cursor import cut
from api.paths import API, alert_path, instance_path
from api.ports import AlertView, HistoryEntry, RuleView
from api.problems import bad_parameter, not_found
from api.reader import Cursor, Limit, Read, Reader
from api.shape import Moment, Page, Shape

router = APIRouter(prefix=API, tags=["alerts"])
Fingerprint = Annotated[str, Path(description="The identity of the alert")]

STATES = ("firing", "recovering", "pending", "resolved")
URGENT = ("page", "critical")  # severities that are somebody's sleep
VERDICTS = ("ok", "pending", "firing", "recovering", "unknown", "error")


class MemberLine(Shape):
    """One instance behind an alert."""

    workflow: str
    environment: str
    instance_id: str
    since: Moment | None
    detail: str
    page: str


class AlertLine(Shape):
    """One alert; ``members`` may be cut short, ``members_total`` is not."""

    fingerprint: str
    name: str
    state: str
    labels: dict[str, str]
    annotations: dict[str, str]
    value: float | None
    threshold: float | None
    pending_since: Moment | None
    firing_since: Moment | None
    resolved_at: Moment | None
    unit: str
    members: list[MemberLine]
    members_total: int
    unknown: bool
    reason: str
    page: str


class HistoryLine(Shape):
    """One change of an alert."""

    at: Moment
    state: str
    value: float | None
    members_total: int
    reason: str


class RuleLine(Shape):
    """One rule and its last verdict; durations in seconds."""

    name: str
    group: str
    kind: str
    workflow: str
    verdict: str
    reason: str
    value: float | None
    threshold: float | None
    unit: str
    last_evaluation: Moment | None
    evaluation_seconds: float | None
    interval: float
    for_: float = Field(alias="for")
    labels: dict[str, str]
    source: str
    alert_delay_seconds: float | None


@router.get("/alerts", response_model=Page[AlertLine])
def read_alerts(
    read: Read,
    state: Annotated[str, Query(description="firing, recovering, pending or resolved")] = "",
    workflow: Annotated[str, Query(description="Only those about this workflow type")] = "",
    limit: Limit = 100,
    cursor: Cursor = "",
) -> Page[AlertLine]:
    """Alerts that are pending, firing, recovering, or resolved a short while ago."""
    if state and state not in STATES:
        fix = f"give one of {', '.join(STATES)}"
        raise bad_parameter("state", f"{state!r} is no state of an alert", fix)
    found = [
        alert
        for alert in read.alerts.alerts()
        if (not state or alert.state == state) and (not workflow or concerns(alert, workflow))
    ]
    page: Page[AlertView] = cut(
        found,
        lambda alert: [str(STATES.index(alert.state)), alert.name, alert.fingerprint],
        f"alerts {state} {workflow}",
        limit,
        cursor,
    )
    return Page(items=[alert_line(alert) for alert in page.items], next_cursor=page.next_cursor)


@router.get("/alerts/{fingerprint}", response_model=AlertLine)
def read_alert(read: Read, fingerprint: Fingerprint) -> AlertLine:
    """One alert with its members."""
    return alert_line(alert(read, fingerprint))


@router.get("/alerts/{fingerprint}/history", response_model=Page[HistoryLine])
def read_history(
    read: Read, fingerprint: Fingerprint, limit: Limit = 100, cursor: Cursor = ""
) -> Page[HistoryLine]:
    """Each change of one alert with the value evaluated then, the oldest first."""
    found = history(read, fingerprint)
    numbered = list(enumerate(found))
    page: Page[tuple[int, HistoryLine]] = cut(
        numbered, lambda each: [f"{each[0]:09d}"], f"history {fingerprint}", limit, cursor
    )
    return Page(items=[line for _, line in page.items], next_cursor=page.next_cursor)


@router.get("/rules", response_model=Page[RuleLine])
def read_rules(
    read: Read,
    verdict: Annotated[str, Query(description="Only those with this verdict")] = "",
    limit: Limit = 100,
    cursor: Cursor = "",
) -> Page[RuleLine]:
    """Every rule in force and its last verdict."""
    if verdict and verdict not in VERDICTS:
        fix = f"give one of {', '.join(VERDICTS)}"
        raise bad_parameter("verdict", f"{verdict!r} is no verdict", fix)
    found = [rule for rule in read.alerts.rules() if not verdict or rule.verdict == verdict]
    page: Page[RuleView] = cut(
        found,
        lambda rule: [rule.group, rule.name, rule.workflow, rule.kind, rule.source],
        f"rules {verdict}",
        limit,
        cursor,
    )
    return Page(items=[rule_line(rule) for rule in page.items], next_cursor=page.next_cursor)


def alert(read: Reader, fingerprint: str) -> AlertView:
    """The alert of that fingerprint; of one resolved long ago what its history has kept.

    :raises Problem: 404, there is none and never was.
    """
    for found in read.alerts.alerts():
        if found.fingerprint == fingerprint:
            return found
    # A link in last week's message must still say what it was.
    changes = sorted(read.alerts.history(fingerprint), key=lambda change: change.at)
    if not changes:
        fix = "see /api/v1/alerts for those there are"
        raise not_found(f"no alert has the fingerprint {fingerprint!r}", fix)
    fired = [change.at for change in changes if change.state == "firing"]
    return AlertView(
        fingerprint=fingerprint,
        name=changes[-1].alert or fingerprint,
        state="resolved",
        labels=changes[-1].labels,
        firing_since=fired[-1] if fired else None,
        resolved_at=changes[-1].at,
        reason=changes[-1].reason,
    )


def history(read: Reader, fingerprint: str) -> list[HistoryLine]:
    """Changes of one alert, the oldest first.

    :raises Problem: 404, nothing is known of it.
    """
    found = [_history_line(entry) for entry in read.alerts.history(fingerprint)]
    if not found:
        alert(read, fingerprint)  # refuses what never was
    return sorted(found, key=lambda line: line.at)


def urgency(found: AlertView) -> tuple[int, datetime]:
    """Sorts what wakes somebody before what can wait, and the longest firing first."""
    severity = found.labels.get("severity", "")
    rank = URGENT.index(severity) if severity in URGENT else len(URGENT)
    since = found.firing_since or found.pending_since or datetime.max.replace(tzinfo=UTC)
    return rank, since


def concerns(found: AlertView, workflow: str) -> bool:
    """Whether an alert is about a workflow type."""
    named = found.labels.get("workflow")
    return named == workflow or (
        named is None and any(member.workflow == workflow for member in found.members)
    )


def alert_line(found: AlertView) -> AlertLine:
    """As it leaves the service."""
    return AlertLine(
        fingerprint=found.fingerprint,
        name=found.name,
        state=found.state,
        labels=dict(found.labels),
        annotations=dict(found.annotations),
        value=found.value,
        threshold=found.threshold,
        unit=found.unit,
        pending_since=found.pending_since,
        firing_since=found.firing_since,
        resolved_at=found.resolved_at,
        members=[
            MemberLine(
                workflow=member.workflow,
                environment=member.environment,
                instance_id=member.instance_id,
                since=member.since,
                detail=member.detail,
                page=instance_path(member.workflow, member.instance_id, member.environment),
            )
            for member in found.members
        ],
        members_total=found.members_total,
        unknown=found.unknown,
        reason=found.reason,
        page=alert_path(found.fingerprint),
    )


def rule_line(rule: RuleView) -> RuleLine:
    """As it leaves the service."""
    return RuleLine.model_validate(rule, from_attributes=True)


def _history_line(entry: HistoryEntry) -> HistoryLine:
    return HistoryLine.model_validate(entry, from_attributes=True)
