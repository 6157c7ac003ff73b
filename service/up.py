"""Everything in one process: collector, rule engine, pages and API."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from service.collecting import Collecting
from service.engine import Engine
from service.pages import pages_server
from service.process import Addresses, Say, run
from service.settings import Settings
from service.settling import Settling
from service.sockets import Server
from service.watermark import WatermarkReader
from store import Database


class Everything:
    """What ``donewatch up`` does."""

    def __init__(self, settings: Settings, database: Database, addresses: Addresses) -> None:
        watermark = WatermarkReader(database)
        self._collecting = Collecting.of(settings, database)
        self._settling = Settling(database, settings.settle_interval, grace=settings.settle_grace)
        self._engine = Engine(
            settings, database, watermark, addresses["pages"], self._collecting.collectors
        )
        self.servers: Mapping[str, Server] = {
            "pages": pages_server(
                settings,
                database,
                watermark,
                alerts_for=self._engine.alerts_for,
                ingest=self._collecting,
                definitions=self._engine.definitions,
                otlp_url=addresses["otlp"],
            ),
            "otlp": Server(self._collecting.app(settings.access)),
        }

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The work behind the servers; registers the collector before it accepts anything."""
        async with (
            self._collecting.running(),
            self._settling.running(),
            self._engine.running(),
        ):
            yield


async def serve(settings: Settings, *, ready_file: Path | None, say: Say) -> None:
    """Run until SIGINT or SIGTERM.

    ``ready_file`` gets the addresses as JSON once everything listens; ``say`` tells them a person.

    :raises SettingsError: an address cannot be had, or a setting is wrong.
    :raises StoreLocked: another process holds the data.
    """
    await run(
        settings,
        Everything,
        ports={"pages": settings.port, "otlp": settings.otlp_port},
        collects=True,
        ready_file=ready_file,
        say=say,
    )
