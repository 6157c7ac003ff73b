"""Rules and definitions of all tenants: read from files, kept in the store, evaluated."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

import httpx

from api.ports import CollectorView
from lifecycle.definitions import Definitions
from lifecycle.errors import DonewatchError
from service.background import background
from service.clock import now
from service.documents import DocumentFolder
from service.ruling import Ruling
from service.settings import Settings
from service.spools import SpoolsSeen
from service.watermark import WatermarkReader
from store import Database, TenantStore
from store.alerts import AlertTable
from store.connection import Bounds
from store.definitions import save_definitions
from store.verdicts import VerdictTable

_LOG: Final = logging.getLogger(__name__)
_EVALUATION: Final = Bounds(seconds=30, memory=4 * 2**30)  # of one question of one rule


class Engine:
    """The rule engine.

    ``pages_url``: where links in alerts lead unless a setting says otherwise.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        watermark: WatermarkReader,
        pages_url: str,
        collectors: Callable[[], Sequence[CollectorView]] = tuple,
    ) -> None:
        """``collectors``: those of this process."""
        self._settings = settings
        self._definitions = database.connect()
        self._http = httpx.AsyncClient(timeout=10.0)
        self._folder = DocumentFolder(
            settings.workflows_dir, settings.rules_dir, default_interval=settings.rules.interval
        )
        evaluation = database.connect(_EVALUATION)
        kept = database.connect()
        self._ruling = {
            tenant: Ruling(
                SpoolsSeen(TenantStore(evaluation, tenant), collectors),
                AlertTable(kept, tenant),
                watermark,
                settings,
                settings.external_url or pages_url,
                self._http,
                # embedded data have no other process that could ask
                None if database.location.embedded else VerdictTable(kept, tenant),
            )
            for tenant in settings.tenants
        }

    def alerts_for(self, tenant: str) -> Ruling:
        """Alerts and rules of one tenant."""
        return self._ruling[tenant]

    def definitions(self) -> Definitions:
        """The definitions in force."""
        return self._folder.current.definitions

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Evaluate and tell, and follow the files."""
        await asyncio.to_thread(self._folder.reload)
        await asyncio.to_thread(self._save_definitions)
        for ruling in self._ruling.values():
            await ruling.load()
            ruling.replace(self._folder.current)
        work = (self._reload(), *(ruling.run() for ruling in self._ruling.values()))
        try:
            async with background(*work):
                yield
        finally:
            await asyncio.to_thread(self._save)
            await self._http.aclose()

    def _save(self) -> None:
        for ruling in self._ruling.values():
            ruling.register.save()

    async def _reload(self) -> None:
        saved = True
        while True:
            await asyncio.sleep(self._settings.reload_interval)
            try:
                changed = await asyncio.to_thread(self._folder.reload)
                if changed:
                    for ruling in self._ruling.values():
                        ruling.replace(self._folder.current)
                if changed or not saved:
                    saved = False
                    await asyncio.to_thread(self._save_definitions)
                    saved = True
            except DonewatchError as error:
                _LOG.warning("definitions are not saved yet: %s", error)

    def _save_definitions(self) -> None:
        for tenant in self._settings.tenants:
            save_definitions(self._definitions, tenant, self._folder.current.definitions, now())
