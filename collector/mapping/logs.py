"""Log records that are no events of donewatch, through mappings."""

from collections.abc import Mapping
from typing import Any, Final

from collector.mapping.mapper import Candidates, Mapped, Mapper
from collector.mapping.observed import Observed
from collector.records import Record
from lifecycle.mapping import Signal

_OURS: Final = "donewatch."


def map_logs(records: list[Record], mapper: Mapper) -> Mapped:
    """What decoded log records become.

    Those that are named as events of donewatch, rightly or not, stay as they are. So do those that
    no mapping matches, unless a mapping says that others are ignored: then the check refuses them.
    """
    if not mapper.maps(Signal.LOG):
        return Mapped(total=len(records), records=records)
    mapped = Mapped()
    last: Mapping[str, Any] | None = None
    by_scope: dict[str, Candidates] = {}
    for record in records:
        mapped.total += 1
        if record.event_name.startswith(_OURS):
            mapped.records.append(record)
            continue
        if record.resource is not last:
            last, by_scope = record.resource, {}
        candidates = by_scope.get(record.scope)
        if candidates is None:
            candidates = mapper.within(Signal.LOG, record.resource, record.scope)
            by_scope[record.scope] = candidates
        if candidates and record.flaw is None and candidates.take(observed_log(record), mapped):
            continue
        if mapper.ignores_other_logs:
            mapped.ignored += 1
        else:
            mapped.records.append(record)
    return mapped


def observed_log(record: Record) -> Observed:
    """A decoded log record as mappings see it."""
    time = record.occurred_at
    return Observed(
        index=record.index,
        signal=Signal.LOG,
        own={
            "event_name": record.event_name,
            "body": record.body,
            "severity": record.severity,
            "scope": record.scope,
            "time": record.observed_at if time is None else time,
            "trace_id": record.trace_id,
            "span_id": record.span_id,
        },
        resource=record.resource,
        read_attributes=lambda: record.attributes,
    )
