"""Alerts, their history and their rules, as the API shows them."""

from collections.abc import Sequence

import msgspec

from api.ports import AlertView, HistoryEntry, MemberView, RuleView
from lifecycle.errors import Problem
from rules.alert import AlertState, Change, Phase, Verdict
from rules.blind import Blind
from rules.kind import MoreThan
from rules.kinds import Ingest
from rules.register import RuleVerdict
from rules.rule import Rule


def alert_view(state: AlertState, unit: str) -> AlertView:
    """One alert; ``unit`` is that of its rule."""
    return AlertView(
        fingerprint=state.fingerprint,
        name=state.alert,
        state=state.phase.value,
        labels=state.labels,
        annotations=state.annotations,
        value=state.value,
        threshold=state.threshold,
        unit=unit,
        pending_since=state.pending_since,
        firing_since=state.firing_since,
        resolved_at=state.resolved_at if state.phase is Phase.RESOLVED else None,
        members=[
            MemberView(
                workflow=each.workflow,
                environment=each.environment,
                instance_id=each.instance_id,
                since=each.since,
                detail=each.detail,
            )
            for each in state.members
        ],
        members_total=state.total,
        unknown=state.verdict in (Verdict.UNKNOWN, Verdict.ERROR),
        reason=state.reason,
    )


def history_views(texts: Sequence[str]) -> Sequence[HistoryEntry]:
    """The changes of an alert, from the texts that the store keeps."""
    changes = [msgspec.json.decode(text, type=Change) for text in texts]
    return [
        HistoryEntry(
            at=each.at,
            alert=each.alert,
            labels=each.labels,
            state=each.after.value,
            value=each.value,
            members_total=each.total,
            reason=each.reason,
        )
        for each in changes
    ]


def rule_view(rule: Rule, group: str, verdict: RuleVerdict | None, lateness: float) -> RuleView:
    """One rule with its last verdict; ``lateness`` (seconds) is that of its workflow."""
    return RuleView(
        name=rule.alert,
        group=group,
        kind=rule.kind.name,
        workflow=rule.kind.workflow,
        verdict=(verdict.verdict if verdict else Verdict.UNKNOWN).value,
        reason=verdict.reason if verdict else "not evaluated yet",
        value=verdict.value if verdict else None,
        threshold=verdict.threshold if verdict else None,
        unit=unit(rule),
        last_evaluation=verdict.at if verdict else None,
        evaluation_seconds=verdict.seconds if verdict else None,
        interval=rule.interval,
        for_=rule.hold,
        labels=rule.labels,
        source=rule.source,
        alert_delay_seconds=lateness + rule.interval + rule.hold,
    )


def problem_view(problem: Problem) -> RuleView:
    """A file that is not in force is shown as a rule in error."""
    return RuleView(
        name=problem.file,
        group="files that are not in force",
        kind="file",
        workflow="",
        verdict=Verdict.ERROR.value,
        reason=str(problem),
        source=f"{problem.file}:{problem.line}",
    )


def unit(rule: Rule) -> str:
    """What the value of a rule is: ``seconds``, a ``share``, or a number of things."""
    kind = rule.kind
    if isinstance(kind, Ingest):
        return kind.unit
    if kind.name.endswith("_lag") or kind.name == Blind.name:
        return "seconds"
    more_than = getattr(kind, "more_than", None)
    return "share" if isinstance(more_than, MoreThan) and more_than.share is not None else ""
