"""What one request may see: its tenant's data, at one moment, under one watermark."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Final

from fastapi import Depends, Query, Request

from api.credentials import tenant_of
from api.ports import Alerts, AlertView, CollectorView, HistoryEntry, Ports, RuleView, Watermark
from api.ports import Query as Ask
from api.settings import ApiSettings
from api.shape import Watermarks
from lifecycle.definitions import DEFAULT_LATENESS, Definition, Definitions


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """One tenant's view. ``now`` and the watermark stay the same through one request."""

    tenant: str
    query: Ask
    alerts: Alerts
    definitions: Definitions
    watermark: Watermark
    now: datetime
    own_collectors: Callable[[], Sequence[CollectorView]] = tuple  # of this process

    @property
    def flushed(self) -> datetime:
        """Up to when what is stored is complete; the present while nobody knows yet."""
        return self.watermark.flushed or self.now

    def age(self, since: datetime) -> float:
        """Seconds from then to the watermark; 0 for what is newer than it."""
        return max(0.0, (self.flushed - since).total_seconds())

    def settled(self, workflow: str = "") -> datetime:
        """Up to when order and rates of a workflow type hold."""
        newest = self.definitions.newest(workflow)
        lateness = newest.lateness if newest else DEFAULT_LATENESS
        return self.flushed - timedelta(seconds=lateness)

    def judging(self, workflow: str, version: str) -> Definition | None:
        """The definition that speaks for an event: the version it names, else the newest."""
        known = self.definitions.of(workflow)
        named = [each for each in known if each.version == version]
        return named[0] if named else (known[0] if known else None)

    def judge(self, workflow: str, version: str) -> Definition | None:
        """The definition whose limits hold for an event: none if nobody defined its version."""
        speaks = self.judging(workflow, version)
        return speaks if speaks is None or version in ("", speaks.version) else None

    def watermarks(self, workflow: str = "") -> Watermarks:
        """As every answer shows them."""
        known = self.watermark.flushed is not None
        return Watermarks(
            flushed=self.watermark.flushed,
            settled=self.settled(workflow) if known else None,
            collector=self.watermark.collector,
            reason=self.watermark.reason,
        )


class _AskedOnce:
    """Alerts and rules as they stood when first asked for: a page must not contradict itself."""

    def __init__(self, alerts: Alerts) -> None:
        self._source = alerts
        self._alerts: Sequence[AlertView] | None = None
        self._rules: Sequence[RuleView] | None = None

    def alerts(self) -> Sequence[AlertView]:
        if self._alerts is None:
            self._alerts = self._source.alerts()
        return self._alerts

    def rules(self) -> Sequence[RuleView]:
        if self._rules is None:
            self._rules = self._source.rules()
        return self._rules

    def history(self, fingerprint: str) -> Sequence[HistoryEntry]:
        return self._source.history(fingerprint)


def ports_of(request: Request) -> Ports:
    """What ``create_app`` was given."""
    ports: Ports = request.app.state.ports
    return ports


def settings_of(request: Request) -> ApiSettings:
    """What ``create_app`` was given."""
    settings: ApiSettings = request.app.state.settings
    return settings


def reader(request: Request) -> Reader:
    """The view of whoever asks.

    :raises Problem: 401 or 403, no credential or one that may not read.
    """
    ports = ports_of(request)
    tenant = tenant_of(request, ports.access)
    return Reader(
        tenant=tenant,
        query=ports.query_for(tenant),
        alerts=_AskedOnce(ports.alerts_for(tenant)),
        definitions=ports.definitions(),
        watermark=ports.watermark(),
        now=ports.clock(),
        own_collectors=ports.ingest.collectors,
    )


Read = Annotated[Reader, Depends(reader)]
Given = Annotated[ApiSettings, Depends(settings_of)]

Environments = Annotated[
    list[str], Query(alias="environment", description="Only these; repeat for several")
]
Limit = Annotated[int, Query(ge=1, le=1000, description="At most so many items")]
Cursor = Annotated[str, Query(max_length=4000, description="next_cursor of the page before")]
# not checked by the framework: what is wrong is told in our own words
DURATION: Final = {"pattern": r"^$|^\d+(\.\d+)?$|^(\d+(\.\d+)?(ms|s|m|h|d|w))+$"}
_TIME: Final = {"anyOf": [{"format": "date-time"}, {"maxLength": 0}]}
From = Annotated[
    str,
    Query(alias="from", description="RFC 3339; the start, included", json_schema_extra=_TIME),
]
To = Annotated[
    str,
    Query(
        description="RFC 3339; the end, excluded; the present unless told", json_schema_extra=_TIME
    ),
]
Window = Annotated[
    str,
    Query(
        description="Instead of from: seconds or 15m, 4h, 30d before to", json_schema_extra=DURATION
    ),
]
