"""Prometheus metrics: the service's own, every figure by workflow and state, no instance id."""

import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta

from fastapi import APIRouter, Request
from fastapi.responses import Response
from prometheus_client import (
    CollectorRegistry,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client import Counter as CounterMetric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from api.ingest_metrics import ingest_metrics
from api.period import Period
from api.reader import Read, Reader, settings_of
from api.settings import ApiSettings
from api.workflow import (
    completion,
    edges,
    illegal,
    open_by_state,
    outbox,
    percentiles,
    retries,
)

router = APIRouter(tags=["metrics"])
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for every counter, which nobody reads


class OwnMetrics:
    """What the API counts of itself, for one application."""

    def __init__(self, settings: ApiSettings) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(namespace="donewatch", registry=self.registry)
        build = Gauge(
            "donewatch_build_info",
            "The version of the service that runs.",
            ["version"],
            registry=self.registry,
        )
        build.labels(settings.version).set(1)
        self.requests = CounterMetric(
            "donewatch_http_requests",
            "Requests answered, by route and status.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.durations = Histogram(
            "donewatch_http_request_duration_seconds",
            "Time to answer a request; long polls include their waiting.",
            ["route"],
            buckets=(0.005, 0.02, 0.05, 0.15, 0.5, 1, 2.5, 5, 10, 30),
            registry=self.registry,
        )
        self._lock = threading.Lock()
        self._figures: dict[str, tuple[float, list[Metric]]] = {}

    def figures(self, read: Reader, settings: ApiSettings) -> list[Metric]:
        """Figures of one tenant, computed at most every ``metrics_max_age`` seconds."""
        at = read.now.timestamp()
        with self._lock:  # one scrape computes, others wait for its answer
            kept = self._figures.get(read.tenant)
            if kept and 0 <= at - kept[0] < settings.metrics_max_age:
                return kept[1]
            found = Families(settings.metrics_series)
            places = _places(read)
            for each in _FIGURES:
                each(found, read, settings, places)
            ingest_metrics(found, read)
            metrics = found.metrics()
            self._figures[read.tenant] = (at, metrics)
            return metrics


class Families:
    """Metrics under construction; of each at most ``most`` series, the rest is counted."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._found: dict[str, GaugeMetricFamily | CounterMetricFamily] = {}
        self._dropped: Counter[str] = Counter()

    def put(self, name: str, text: str, value: float | None, **labels: str) -> None:
        """Add one sample; a value that is not known leaves its series out.

        What ends in ``_total`` is a counter, all else a gauge.
        """
        if value is None:
            return
        kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
        family = self._found.setdefault(name, kind(name, text, labels=list(labels)))
        if len(family.samples) >= self._most:
            self._dropped[name] += 1
        else:
            family.add_metric(list(labels.values()), float(value))

    def metrics(self) -> list[Metric]:
        """Everything put, and how much of it was left out."""
        dropped = GaugeMetricFamily(
            "donewatch_metrics_series_dropped",
            "Series left out of this answer, by metric, because of the cap on series.",
            labels=["metric"],
        )
        for name in self._found:
            dropped.add_metric([name], self._dropped[name])
        return [*self._found.values(), dropped]


class _Fixed(Collector):
    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = list(metrics)

    def collect(self) -> Iterator[Metric]:
        return iter(self._metrics)


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def read_metrics(request: Request, read: Read) -> Response:
    """Prometheus text format, of the credential's tenant."""
    own: OwnMetrics = request.app.state.metrics
    registry = CollectorRegistry()
    registry.register(_Fixed(own.figures(read, settings_of(request))))
    registry.register(_Fixed(service_metrics(read)))
    text = generate_latest(own.registry)
    text += generate_latest(registry)
    return Response(text, headers={"Content-Type": CONTENT_TYPE})


def service_metrics(read: Reader) -> Sequence[Metric]:
    """Watermark, rules and alerts: cheap, so always fresh. Collectors show their own."""
    found = Families(10_000)
    if read.watermark.flushed is not None:
        lag = (read.now - read.watermark.flushed).total_seconds()
        text = "How far the flushed watermark lies behind the present."
        found.put("donewatch_watermark_lag_seconds", text, lag)
    for rule in read.alerts.rules():
        names = {
            "rule": rule.name,
            "group": rule.group,
            "kind": rule.kind,
            "workflow": rule.workflow,
        }
        text = "1 for the verdict that a rule has now."
        found.put("donewatch_rule_verdict", text, 1, **names, verdict=rule.verdict)
        text = "The value last evaluated: seconds, a share from 0 to 1, or a number, by unit."
        found.put("donewatch_rule_value", text, rule.value, **names, unit=rule.unit)
        found.put(
            "donewatch_rule_evaluation_duration_seconds",
            "How long the last evaluation took.",
            rule.evaluation_seconds,
            **names,
        )
        if rule.last_evaluation is not None:
            found.put(
                "donewatch_rule_last_evaluation_timestamp_seconds",
                "When a rule was last evaluated.",
                rule.last_evaluation.timestamp(),
                **names,
            )
    states = Counter(alert.state for alert in read.alerts.alerts())
    for state in ("pending", "firing", "recovering"):
        found.put("donewatch_alerts", "Alerts by state.", states[state], state=state)
    return found.metrics()[:-1]  # nothing is cut here


Places = Sequence[tuple[str, str]]


def _places(read: Reader) -> Places:
    """Every workflow type in every environment it runs in."""
    return [
        (row["workflow_type"], environment)
        for row in read.query("workflows")
        for environment in row["environments"]
    ]


def _present(found: Families, read: Reader, settings: ApiSettings, places: Places) -> None:
    for workflow, environment in places:
        where = {"workflow": workflow, "environment": environment}
        newest = read.definitions.newest(workflow)
        # A declared state that is empty is 0, not absent: else the last value would linger.
        empty = {state.name: state.status.value for state in newest.states} if newest else {}
        for row in open_by_state(read, workflow, [environment]):
            empty.pop(row["state"], None)
            state = {**where, "state": row["state"], "status": row["status"]}
            oldest = row["oldest_entered_at"]
            age = read.age(oldest) if oldest else None
            _standing(found, row["open"], row["stuck"], age, state)
        for name, status in empty.items():
            _standing(found, 0, 0, 0.0, {**where, "state": name, "status": status})
        waiting = outbox(read, workflow, [environment])
        text = "Age of the oldest outbox record not yet dispatched."
        found.put("donewatch_outbox_lag_seconds", text, waiting.lag, **where)
        text = "Outbox records not yet dispatched."
        found.put("donewatch_outbox_depth", text, waiting.depth, **where)


def _standing(
    found: Families, open_: int, stuck: int, age: float | None, state: dict[str, str]
) -> None:
    found.put("donewatch_open_instances", "Open instances.", open_, **state)
    found.put("donewatch_stuck_instances", "Stuck instances.", stuck, **state)
    text = "How long the oldest open instance has been in its state; 0 without any."
    found.put("donewatch_oldest_open_age_seconds", text, age, **state)


def _past(found: Families, read: Reader, settings: ApiSettings, places: Places) -> None:
    span = Period(read.now - timedelta(seconds=settings.metrics_window), read.now)
    for workflow, environment in places:
        where = {"workflow": workflow, "environment": environment}
        rows = read.query(
            "dwell",
            workflow=workflow,
            environments=[environment],
            from_=span.from_,
            to=span.to,
            flushed=read.flushed,
        )
        for row in rows:
            text = "Dwell in a state over the window; a percentile not reached is left out."
            _percentiles(found, "dwell", text, row, **where, state=row["state"])
        lag = completion(read, workflow, [environment], span)
        text = "Completion lag over the window; a percentile not reached is left out."
        _percentiles(found, "completion_lag", text, lag.model_dump(), **where)
        for how in ("completed", "ended_otherwise", "open"):
            text = "Runs over the window, by how they ended."
            found.put("donewatch_window_runs", text, getattr(lag, how), **where, ended=how)
        for edge in edges(read, workflow, [environment], span):
            found.put(
                "donewatch_window_transitions",
                "Committed transitions over the window, by edge.",
                edge.count,
                **where,
                from_state=edge.from_,
                to_state=edge.to,
                action=edge.action,
                declared={None: "unjudged", True: "true", False: "false"}[edge.declared],
            )
        rate = illegal(read, workflow, [environment], span).rate
        text = "Undeclared transitions among those committed, over the window."
        found.put("donewatch_illegal_transitions_ratio", text, rate, **where)
        exhausted = retries(read, workflow, [environment], span).rate
        text = "Jobs whose last attempt failed among those that ended, over the window."
        found.put("donewatch_retry_exhaustion_ratio", text, exhausted, **where)


def _percentiles(
    found: Families, figure: str, text: str, row: dict[str, object], **labels: str
) -> None:
    values = percentiles(row)
    for name in ("p50", "p95", "p99"):
        value = getattr(values, name)
        found.put(f"donewatch_{figure}_seconds", text, value, **labels, percentile=name)
    oldest = "The greatest age seen over the window: the lower bound of percentiles not reached."
    found.put(f"donewatch_{figure}_oldest_seconds", oldest, values.oldest, **labels)


_FIGURES = (_present, _past)
