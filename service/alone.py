"""Collector, rule engine and pages, each in a process of its own on one ClickHouse server."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from api.ports import CollectorView
from lifecycle.access import DEFAULT_TENANT
from lifecycle.errors import SettingsError
from service.background import background
from service.clock import now
from service.collecting import Collecting
from service.engine import Engine
from service.pages import pages_server
from service.process import Addresses, Say, Work, run
from service.recorded import RecordedAlerts, RecordedDefinitions
from service.settings import Settings
from service.settling import Settling
from service.sockets import Server
from service.watermark import WatermarkReader
from store import Database
from store.alerts import AlertTable
from store.dsn import parse_dsn
from store.verdicts import VerdictTable

_LOG: Final = logging.getLogger(__name__)


class CollectorAlone:
    """Receives and stores."""

    def __init__(self, settings: Settings, database: Database, addresses: Addresses) -> None:
        self._collecting = Collecting.of(settings, database)
        self.servers: Mapping[str, Server] = {"otlp": Server(self._collecting.app(settings.access))}

    def running(self) -> contextlib.AbstractAsyncContextManager[None]:
        """Publish marks."""
        return self._collecting.running()


class RulesAlone:
    """Settles, evaluates and tells; listens nowhere."""

    def __init__(self, settings: Settings, database: Database, addresses: Addresses) -> None:
        self.servers: Mapping[str, Server] = {}
        pages = f"http://{settings.host}:{settings.port}"
        if not settings.external_url:
            _LOG.warning(
                "links in alerts lead to %s: set DONEWATCH_EXTERNAL_URL to where the pages are",
                pages,
            )
        self._settling = Settling(database, settings.settle_interval, grace=settings.settle_grace)
        self._engine = Engine(settings, database, WatermarkReader(database), pages)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Settle and evaluate."""
        async with self._settling.running(), self._engine.running():
            yield


class PagesAlone:
    """Shows what the others have stored."""

    def __init__(self, settings: Settings, database: Database, addresses: Addresses) -> None:
        self._interval = settings.reload_interval
        # every tenant has the same definitions: they are files of one folder
        self._definitions = RecordedDefinitions(database.connect(), DEFAULT_TENANT)
        kept = database.connect()
        server = pages_server(
            settings,
            database,
            WatermarkReader(database),
            alerts_for=lambda tenant: RecordedAlerts(
                AlertTable(kept, tenant), VerdictTable(kept, tenant), now
            ),
            ingest=_NoCollectors(),
            definitions=self._definitions,
            otlp_url=f"http://{settings.host}:{settings.otlp_port}",
        )
        self.servers: Mapping[str, Server] = {"pages": server}

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Read the definitions again and again."""
        await asyncio.to_thread(self._definitions.reload)
        async with background(self._reload()):
            yield

    async def _reload(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            await asyncio.to_thread(self._definitions.reload)


class _NoCollectors:
    """None is in this process; the store tells of all others."""

    def collectors(self) -> Sequence[CollectorView]:
        return []


_WORK: Final[Mapping[str, Callable[[Settings, Database, Addresses], Work]]] = {
    "collector": CollectorAlone,
    "rules": RulesAlone,
    "api": PagesAlone,
}


async def serve_alone(name: str, settings: Settings, *, ready_file: Path | None, say: Say) -> None:
    """Run ``collector``, ``rules`` or ``api`` until SIGINT or SIGTERM.

    :raises SettingsError: the store is embedded, an address cannot be had, or a setting is wrong.
    :raises StoreLocked: another collector holds the data directory.
    """
    location = parse_dsn(settings.dsn)
    if location.embedded:
        raise SettingsError(
            f"`donewatch {name}` shares its store with other processes, and {location.shown} is"
            " embedded, which one process alone can hold: run everything in one with"
            " `donewatch up`, or name a ClickHouse server in DONEWATCH_STORE__DSN"
            " (http://user@host:8123/donewatch)"
        )
    ports = {"collector": {"otlp": settings.otlp_port}, "api": {"pages": settings.port}}
    await run(
        settings,
        _WORK[name],
        ports=ports.get(name, {}),
        collects=name == "collector",
        ready_file=ready_file,
        say=say,
    )
