"""The rules about what comes in: they follow from nothing but that donewatch runs."""

from collections.abc import Iterable
from typing import Final

from rules.kinds import Ingest
from rules.rule import DEFAULT_INTERVAL, Rule, RuleGroup

_GROUP: Final = "ingest"
_PAGE: Final = "Details: the page Ingest."

_REFUSED: Final = (
    "{{ count }} record{{ 's were' if count != 1 else ' was' }} refused "
    "in {{ window | duration }}: {{ reason }}"
)
_REFUSED_WHAT: Final = (
    "{% if reason == 'refused_by_store' %}The store refused what the collector had accepted. It is "
    "in quarantine at {{ collector }}: mend the cause, then `donewatch quarantine --retry` there "
    "inserts it again. The store said: {{ detail | truncate(500) }}"
    "{% else %}Whoever sends this loses it: it is in no figure, and was told so in the answer. The "
    "newest: {% if field %}{{ field }}: {% endif %}{{ detail | truncate(500) }}. Mend the producer "
    "and send it again.{% endif %} " + _PAGE
)
_DROPPED: Final = (
    "{{ service or 'A producer' }} dropped {{ count }} event{{ 's' if count != 1 else '' }} "
    "in {{ window | duration }}"
)
_DROPPED_WHAT: Final = (
    "Its SDK could not hand them over in time: figures lack them, and operations may look stuck "
    "that are not. Is a collector reachable from there, and does it answer 429 or 503? If it is, "
    "the queue is too short for its bursts: raise DONEWATCH_QUEUE_SIZE. " + _PAGE
)
_SKEW: Final = (
    "The clock of {{ service or 'a producer' }} is {{ value | duration }} {{ detail }} the "
    "collector's"
)
_SKEW_WHAT: Final = (
    "Ages, dwell times and order across services are wrong by that much. Does time synchronisation "
    "run on its machines, and on the collector's (chronyc tracking, timedatectl)? If several "
    "services show it at once, it is the collector's clock. " + _PAGE
)
_SPOOL: Final = (
    "The spool of {{ collector }} is {{ value | percent }} full: {{ count }} records wait for the "
    "store"
)
_SPOOL_WHAT: Final = (
    "Nothing is lost yet. At 100 % producers are told to wait, and drop what their queues cannot "
    "hold. Is the store there, and does it take inserts (readyz, disk, too many parts)? To win "
    "time raise DONEWATCH_COLLECTOR__SPOOL_BYTES and restart the collector; it keeps what it has. "
    + _PAGE
)
_SILENT: Final = "{{ collector }} has not reported for {{ value | duration }}"
_SILENT_WHAT: Final = (
    "It has stopped, or cannot reach the store; until it is back nobody knows what has not "
    "happened, and verdicts become unknown. Start it again: what it accepted is on its disk. If it "
    "will not come back: `donewatch retire {{ collector }}`. " + _PAGE
)


def ingest_groups(
    groups: Iterable[RuleGroup] = (), *, interval: float = DEFAULT_INTERVAL
) -> tuple[RuleGroup, ...]:
    """The group, less the alerts that ``groups`` of rule files define with the same kind."""
    given = {
        rule.alert for group in groups for rule in group.rules if isinstance(rule.kind, Ingest)
    }

    def rule(
        alert: str, condition: str, severity: str, summary: str, what: str, hold: float = 0.0
    ) -> Rule:
        return Rule(
            alert=alert,
            kind=Ingest.of(condition),
            hold=hold,
            # the share of a spool goes up and down while it is emptied and filled
            keep_firing_for=60.0 if hold else 0.0,
            labels={"severity": severity},
            annotations={"summary": summary, "description": what},
            group=_GROUP,
            interval=interval,
            source="built in",
            default=True,
        )

    rules = tuple(
        each
        for each in (
            rule("EventsRefused", "refused", "ticket", _REFUSED, _REFUSED_WHAT),
            rule("EventsDropped", "dropped", "ticket", _DROPPED, _DROPPED_WHAT),
            rule("ClockSkew", "clock_skew", "ticket", _SKEW, _SKEW_WHAT, hold=60.0),
            rule("SpoolFilling", "spool", "page", _SPOOL, _SPOOL_WHAT, hold=30.0),
            rule("CollectorSilent", "silent", "ticket", _SILENT, _SILENT_WHAT, hold=60.0),
        )
        if each.alert not in given
    )
    if not rules:
        return ()
    return (RuleGroup(name=_GROUP, interval=interval, rules=rules, source="built in"),)
