"""What the API and pages need from the rest of donewatch; ``service`` wires it.

Times are aware datetimes in UTC, durations float seconds.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from lifecycle.access import Access
from lifecycle.definitions import Definitions


class Query(Protocol):
    """A named question to the store, bound to one tenant; called from worker threads.

    :raises lifecycle.errors.StoreUnavailable: try again later.
    :raises lifecycle.errors.StoreRefused: the same question will be refused again.
    """

    def __call__(self, name: str, /, **parameters: Any) -> list[dict[str, Any]]: ...


class Watermark(Protocol):
    """Everything received up to ``flushed`` is stored (``None``: not known yet).

    ``collector`` is the one that holds it back, ``reason`` says why when it lags.
    """

    @property
    def flushed(self) -> datetime | None: ...
    @property
    def collector(self) -> str: ...
    @property
    def reason(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberView:
    """One instance behind an alert. ``detail`` is a few words: its age, the edge it took."""

    workflow: str
    environment: str
    instance_id: str
    since: datetime | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertView:
    """One alert: pending, firing, recovering or resolved; ``members`` may be cut short."""

    fingerprint: str
    name: str
    state: str
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    value: float | None = None
    threshold: float | None = None
    pending_since: datetime | None = None
    firing_since: datetime | None = None
    resolved_at: datetime | None = None
    members: Sequence[MemberView] = ()
    members_total: int = 0
    unit: str = ""  # of value and threshold: seconds, share (0 to 1) or, if empty, a number
    unknown: bool = False  # the verdict of its rule is unknown: nothing resolves meanwhile
    reason: str = ""  # why it is unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleView:
    """One rule and its last verdict: ok, pending, firing, recovering, unknown or error.

    ``interval``, ``for_``, ``evaluation_seconds`` and ``alert_delay_seconds`` (lateness + interval
    + for) in seconds.
    """

    name: str
    group: str
    kind: str
    workflow: str
    verdict: str
    reason: str = ""
    value: float | None = None
    threshold: float | None = None
    last_evaluation: datetime | None = None
    evaluation_seconds: float | None = None
    unit: str = ""  # of value and threshold: seconds, share (0 to 1) or, if empty, a number
    interval: float = 0.0
    for_: float = 0.0
    labels: Mapping[str, str] = field(default_factory=dict)
    source: str = ""  # the file, or how else it came to be
    alert_delay_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """One change of an alert, with the value evaluated at that moment.

    ``alert`` and ``labels`` name the alert: all that is left of one that ended long ago.
    """

    at: datetime
    state: str
    alert: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    value: float | None = None
    members_total: int = 0
    reason: str = ""


class Alerts(Protocol):
    """Alerts and rules of one tenant, as last evaluated."""

    def alerts(self) -> Sequence[AlertView]: ...
    def rules(self) -> Sequence[RuleView]: ...
    def history(self, fingerprint: str) -> Sequence[HistoryEntry]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectorView:
    """One collector; fields are the columns of the query ``collector_reports``.

    It said at ``marked_at`` that everything it received before ``flushed_at`` is stored. Counters
    are since ``started_at``, ``None`` of one that does not tell. ``oldest_at``: when the oldest of
    what is not stored came. ``resent_since``: producers were told to send again what they sent
    since then, and it waits for that. ``trouble``: why its inserts fail now.
    """

    collector: str
    marked_at: datetime
    flushed_at: datetime
    retired: bool = False
    started_at: datetime | None = None
    accepted: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)  # by reason
    quarantined: Mapping[str, int] = field(default_factory=dict)  # by kind of record
    quarantine_files: int = 0
    pending: int = 0
    pending_bytes: int = 0
    limit_bytes: int = 0  # what its spool may hold
    waiting_segments: int = 0
    oldest_at: datetime | None = None
    resent_since: datetime | None = None
    segments: int = 0  # stored
    failed_inserts: int = 0
    failed_writes: int = 0
    damaged: int = 0  # places of the spool that could not be read
    torn_bytes: int = 0  # cut off at the start; nobody was told they were kept
    trouble: str = ""


class Ingest(Protocol):
    """The collectors of this process as they are now; of others the store tells."""

    def collectors(self) -> Sequence[CollectorView]: ...


@dataclass(frozen=True, slots=True)
class Check:
    """One condition of being ready; ``reason`` says what is wrong when not ``ok``."""

    name: str
    ok: bool
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """All that ``create_app`` is given. Everything of a tenant comes from a factory by tenant."""

    query_for: Callable[[str], Query]
    alerts_for: Callable[[str], Alerts]
    ingest: Ingest
    access: Access
    watermark: Callable[[], Watermark]
    definitions: Callable[[], Definitions]
    checks: Callable[[], Sequence[Check]]  # store, migrations, last evaluation
    clock: Callable[[], datetime]
