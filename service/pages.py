"""Pages and API of this process, and what makes it ready."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache, partial
from importlib.metadata import version
from typing import Final

from api import ApiSettings, Ports, create_app, end_streams
from api.ports import Alerts, Check, Ingest, RuleView
from lifecycle.definitions import Definitions
from lifecycle.errors import StoreError
from service.clock import now
from service.settings import Settings
from service.sockets import Server
from service.watermark import WatermarkReader
from store import Database, TenantStore
from store.connection import Bounds

_PAGES: Final = Bounds(seconds=15, memory=4 * 2**30)  # of one question
_LATE_EVALUATIONS: Final = 5  # intervals without an evaluation before readiness says so
_LEAST_LATE: Final = 10.0  # seconds


def pages_server(
    settings: Settings,
    database: Database,
    watermark: WatermarkReader,
    *,
    alerts_for: Callable[[str], Alerts],
    ingest: Ingest,
    definitions: Callable[[], Definitions],
    otlp_url: str,
) -> Server:
    """The server of pages and API over what the rest of the process knows."""
    connection = database.connect(_PAGES)
    started = now()

    def checks() -> Sequence[Check]:
        return [
            _check("store", lambda: watermark() and ""),
            *(
                _check(f"evaluation of {tenant}", partial(_late, alerts_for(tenant), started))
                for tenant in settings.tenants
            ),
        ]

    app = create_app(
        Ports(
            query_for=cache(lambda tenant: TenantStore(connection, tenant).query),
            alerts_for=alerts_for,
            ingest=ingest,
            access=settings.access,
            watermark=lambda: watermark.shown(now(), settings.rules.watermark_limit),
            definitions=definitions,
            checks=checks,
            clock=now,
        ),
        ApiSettings(
            version=version("donewatch-server"),
            external_url=settings.external_url,
            otlp_url=otlp_url,
            allowed_hosts=("localhost", "127.0.0.1", "[::1]") if settings.access.open else (),
        ),
    )
    return Server(app, ending=lambda: end_streams(app))


def _check(name: str, reason: Callable[[], object]) -> Check:
    try:
        found = reason()
    except StoreError as error:
        found = str(error)
    return Check(name, not found, str(found or ""))


def _late(alerts: Alerts, started: datetime) -> str:
    evaluated = [rule for rule in alerts.rules() if rule.interval > 0]  # a broken file has none
    last = max(
        (each.last_evaluation for each in evaluated if each.last_evaluation), default=started
    )
    seconds = (now() - last).total_seconds()
    if seconds <= allowed_silence(evaluated):
        return ""
    return f"no rule was evaluated for {seconds:.0f} s"


def allowed_silence(rules: Sequence[RuleView]) -> float:
    """Seconds without an evaluation of any of these that nobody needs to mind."""
    shortest = min((rule.interval for rule in rules), default=0.0)
    return max(_LATE_EVALUATIONS * shortest, _LEAST_LATE)
