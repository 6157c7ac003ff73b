"""The collector's own figures in Prometheus's text format, in a registry of their own."""

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from collector.batcher import Counts

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """What the batcher counts is read on demand; requests and inserts are told as they come."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "donewatch_collector_requests",
            "Requests answered.",
            ["path", "code"],
            registry=self._registry,
        )
        self._insert_seconds = Histogram(
            "donewatch_collector_insert_seconds",
            "Time of each insert that succeeded.",
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
            registry=self._registry,
        )
        self._insert_rows = Histogram(
            "donewatch_collector_insert_rows",
            "Events of each insert that succeeded.",
            buckets=(1, 10, 100, 500, 1_000, 5_000, 10_000, 50_000),
            registry=self._registry,
        )

    def answered(self, path: str, status: int) -> None:
        """One request was answered. ``path`` is one of the collector's own, or ``other``."""
        self._requests.labels(path, str(status)).inc()

    def inserted(self, rows: int, seconds: float) -> None:
        """One insert has committed."""
        self._insert_rows.observe(rows)
        self._insert_seconds.observe(max(0.0, seconds))

    def read(self, counts: Callable[[], Counts], clock: Callable[[], int]) -> None:
        """Show what a batcher counts from now on; ``clock`` in microseconds."""
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
        now = self._clock()
        prefix = "donewatch_collector"
        yield CounterMetricFamily(
            f"{prefix}_events_accepted", "Events stored and acknowledged.", value=counts.accepted
        )
        rejected = CounterMetricFamily(
            f"{prefix}_events_rejected", "Records refused.", labels=["reason"]
        )
        for reason, count in sorted(counts.rejected.items()):
            rejected.add_metric([reason], count)
        yield rejected
        yield CounterMetricFamily(
            f"{prefix}_rejected_unkept",
            "Refused records that could not be kept for reading.",
            value=counts.rejected_lost,
        )
        yield CounterMetricFamily(
            f"{prefix}_batches", "Inserts that committed.", value=counts.batches
        )
        yield CounterMetricFamily(
            f"{prefix}_inserts_failed",
            "Attempts to insert that failed.",
            value=counts.failed_inserts,
        )
        yield GaugeMetricFamily(
            f"{prefix}_pending_events", "Events received, not yet stored.", value=counts.pending
        )
        age = 0.0 if counts.oldest is None else max(0.0, (now - counts.oldest) / 1e6)
        yield GaugeMetricFamily(
            f"{prefix}_oldest_pending_seconds", "Age of the oldest event not yet stored.", value=age
        )

    def describe(self) -> Iterable[Metric]:
        return ()
