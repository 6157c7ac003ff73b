"""What comes in, for Prometheus: collectors as they tell, settling, refusals, producers, clocks."""

from datetime import timedelta
from typing import Final, Protocol

from api.collectors import Collector, all_collectors, flushed, last_settlement
from api.ingest import clock_skew, content_conflicts
from api.reader import Reader

_WINDOW: Final = timedelta(hours=1)


class Found(Protocol):
    """Takes samples; see ``api.metrics.Families``."""

    def put(self, name: str, text: str, value: float | None, **labels: str) -> None: ...


def ingest_metrics(found: Found, read: Reader) -> None:
    """Put all of it. No label has a value that only one event or instance has.

    :raises StoreError: the store does not answer.
    """
    collectors = all_collectors(read)
    for each in collectors:
        if not each.retired:
            _collector(found, read, each)
    stored = flushed(collectors, read.now)
    settlement, settled = last_settlement(read, stored)
    for name, progress in (("flushed", stored), ("settled", settled)):
        text = "How far a watermark lies behind: all received is stored (flushed), or counted."
        found.put("donewatch_ingest_lag_seconds", text, progress.lag_seconds, watermark=name)
        text = "The watermark itself, in seconds since 1970."
        at = None if progress.at is None else progress.at.timestamp()
        found.put("donewatch_ingest_watermark_timestamp_seconds", text, at, watermark=name)
    if settlement is not None:
        found.put("donewatch_settlements_total", "Settlements so far.", settlement.number)
        for name, text, value in (
            ("age_seconds", "Time since the last settlement.", settlement.age_seconds),
            ("duration_seconds", "What the last settlement took.", settlement.seconds),
            ("events", "Events that the last settlement took in.", settlement.events),
            ("instances", "Instances that it worked out anew.", settlement.instances),
        ):
            found.put(f"donewatch_last_settlement_{name}", text, value)
    _window(found, read)


def _collector(found: Found, read: Reader, one: Collector) -> None:
    where = {"collector": one.collector}
    oldest = 0.0 if one.oldest_at is None else (read.now - one.oldest_at).total_seconds()
    silent = (read.now - one.reported_at).total_seconds()
    for name, text, value in (
        ("accepted_events_total", "Events on disk and acknowledged.", one.accepted),
        ("stored_segments_total", "Segments of the spool that are in the store.", one.segments),
        ("failed_inserts_total", "Attempts to insert that failed.", one.failed_inserts),
        ("failed_writes_total", "Writes to the spool that failed.", one.failed_writes),
        ("damaged_total", "Places of the spool that could not be read.", one.damaged),
        ("torn_bytes_total", "Bytes cut off at a start, never acknowledged.", one.torn_bytes),
        ("backlog_events", "Records on disk that wait for the store.", one.pending),
        ("backlog_bytes", "Their bytes.", one.pending_bytes),
        ("backlog_limit_bytes", "What the spool may hold.", one.limit_bytes),
        ("backlog_segments", "Segments that wait for the store.", one.waiting_segments),
        ("oldest_unflushed_seconds", "Age of the oldest record not stored.", max(0.0, oldest)),
        ("quarantine_records", "Records in quarantine.", one.quarantine_files),
        ("report_age_seconds", "Time since the collector reported.", max(0.0, silent)),
    ):
        found.put(f"donewatch_ingest_{name}", text, value, **where)
    for reason, count in sorted(one.rejected.items()):
        text = "Records refused by the check."
        found.put("donewatch_ingest_rejected_total", text, count, **where, reason=reason)
    for kind, count in sorted(one.quarantined.items()):
        text = "Records refused by the store, put into quarantine."
        found.put("donewatch_ingest_quarantined_total", text, count, **where, kind=kind)


def _window(found: Found, read: Reader) -> None:
    span = {"from_": read.now - _WINDOW, "to": read.now}
    by_reason: dict[str, int] = {}
    for row in read.query("rejected_by_reason", **span):
        by_reason[row["reason"]] = by_reason.get(row["reason"], 0) + row["count"]
    for reason, count in sorted(by_reason.items()):
        text = "Records kept as refused or unmapped over the last hour."
        found.put("donewatch_window_rejected_records", text, count, reason=reason)
    for row in read.query("producer_drops", **span):
        found.put(
            "donewatch_window_dropped_events",
            "Events that producers dropped over the last hour, as their heartbeats tell.",
            row["dropped"],
            service=row["service"],
            environment=row["environment"],
        )
    for skew in clock_skew(read):
        where = {"service": skew.service, "environment": skew.environment}
        text = "From when events happened to when they came, over five minutes."
        found.put("donewatch_ingest_delay_seconds", text, skew.median, **where, which="median")
        found.put("donewatch_ingest_delay_seconds", text, skew.worst, **where, which="worst")
        text = "How far a service's clock is ahead of the collector's (below 0: behind)."
        found.put("donewatch_clock_skew_seconds", text, skew.skew, **where)
    for conflict in content_conflicts(read):
        found.put(
            "donewatch_content_conflicts",
            "Event ids that came again with other content, over five minutes.",
            conflict.conflicts,
            workflow=conflict.workflow,
            environment=conflict.environment,
        )
