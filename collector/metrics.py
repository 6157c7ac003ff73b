"""The collector's own figures in Prometheus's text format, in a registry of their own."""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from collector.mapping import Lacking
from collector.spool import Counts

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_PREFIX: Final = "donewatch_collector"
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """What the spool counts is read on demand; the rest is told as it comes."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            f"{_PREFIX}_requests",
            "Requests answered.",
            ["path", "code"],
            registry=self._registry,
        )
        self._sync_seconds = Histogram(
            f"{_PREFIX}_fsync_seconds",
            "Time of each sync of the spool to disk.",
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._insert_seconds = Histogram(
            f"{_PREFIX}_insert_seconds",
            "Time of each segment's insert.",
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._insert_rows = Histogram(
            f"{_PREFIX}_insert_rows",
            "Rows of each segment inserted.",
            buckets=(1, 10, 100, 500, 1_000, 5_000, 10_000, 50_000),
            registry=self._registry,
        )

        self._unmapped = Counter(
            f"{_PREFIX}_events_unmapped",
            "Events that a mapping could not make, by the field that had no value.",
            ["mapping", "field"],
            registry=self._registry,
        )
        self._ignored = Counter(
            f"{_PREFIX}_records_ignored",
            "Spans, and logs where a mapping says so, that no mapping matched.",
            ["signal"],
            registry=self._registry,
        )

    def mapped(self, lacking: Iterable[Lacking], signal: str, ignored: int) -> None:
        """What mappings did not make of one body; their names and fields are those of files."""
        for each in lacking:
            self._unmapped.labels(each.mapping, each.field).inc()
        if ignored:
            self._ignored.labels(signal).inc(ignored)

    def answered(self, path: str, status: int) -> None:
        """One request was answered. ``path`` is one of the collector's own, or ``other``."""
        self._requests.labels(path, str(status)).inc()

    def synced(self, seconds: float) -> None:
        """The spool was synced to disk."""
        self._sync_seconds.observe(max(0.0, seconds))

    def inserted(self, rows: int, seconds: float) -> None:
        """A segment is in the store."""
        self._insert_rows.observe(rows)
        self._insert_seconds.observe(max(0.0, seconds))

    def read(self, counts: Callable[[], Counts], clock: Callable[[], int]) -> None:
        """Show what a spool counts from now on; ``clock`` in microseconds."""
        self._registry.register(_Counted(counts, clock))

    def text(self) -> bytes:
        """All of it."""
        return generate_latest(self._registry)


class _Counted:
    def __init__(self, counts: Callable[[], Counts], clock: Callable[[], int]) -> None:
        self._counts = counts
        self._clock = clock

    def collect(self) -> Iterable[Metric]:
        counts = self._counts()
        age = 0.0 if counts.oldest is None else max(0.0, (self._clock() - counts.oldest) / 1e6)
        yield _total("events_accepted", "Events on disk and acknowledged.", counts.accepted)
        yield _totals("events_rejected", "Records refused.", "reason", counts.rejected)
        yield _total(
            "rejected_unkept",
            "Refused records that are counted only, beyond the first ones of a request.",
            counts.rejected_unkept,
        )
        yield _total("batches", "Segments inserted.", counts.segments)
        yield _total("inserts_failed", "Attempts to insert that failed.", counts.failed_inserts)
        yield _total("writes_failed", "Writes to the spool that failed.", counts.failed_writes)
        yield _totals(
            "quarantined", "Records that the store refused, set aside.", "kind", counts.quarantined
        )
        yield _total(
            "damaged", "Places in the spool that could not be read, set aside.", counts.damaged
        )
        yield _total("damaged_bytes", "Bytes of these places.", counts.damaged_bytes)
        yield _total(
            "torn_bytes",
            "Bytes cut off at the start, whose producers were told nothing.",
            counts.torn_bytes,
        )
        yield _present("pending_events", "Records accepted, not yet in the store.", counts.pending)
        yield _present("spool_bytes", "Bytes on disk, not yet in the store.", counts.pending_bytes)
        yield _present("spool_segments", "Segments that wait for the store.", counts.waiting)
        yield _present("oldest_pending_seconds", "Age of the oldest of these.", age)
        yield _present("quarantine_files", "Records in quarantine.", counts.quarantined_now)


def _total(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(f"{_PREFIX}_{name}", text, value=value)


def _totals(name: str, text: str, label: str, values: Mapping[str, int]) -> Metric:
    found = CounterMetricFamily(f"{_PREFIX}_{name}", text, labels=[label])
    for value, count in sorted(values.items()):
        found.add_metric([value], count)
    return found


def _present(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"{_PREFIX}_{name}", text, value=value)
