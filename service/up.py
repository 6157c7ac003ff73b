"""Everything in one process: collector, rule engine, pages and API."""

import asyncio
import contextlib
import json
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

import httpx

from api import ApiSettings, Ports, create_app, end_streams
from api.ports import Check
from collector.app import create_app as create_collector
from lifecycle.errors import DonewatchError, SettingsError, StoreError, StoreUnavailable
from service.clock import now, now_us
from service.collecting import Collecting, collector_name
from service.documents import DocumentFolder
from service.ruling import Ruling
from service.settings import Settings
from service.sockets import Server, address, listen
from service.watermark import WatermarkReader
from store import Database, TenantStore
from store.alerts import AlertTable
from store.connection import Bounds
from store.definitions import save_definitions
from store.lock import DirectoryLock

_LOG: Final = logging.getLogger(__name__)
_PAGES: Final = Bounds(seconds=15, memory=4 * 2**30)  # of one question
_EVALUATION: Final = Bounds(seconds=30, memory=4 * 2**30)  # of one question of one rule
_STORE_RETRY: Final = 2.0  # seconds between attempts to reach a store that is away at the start
_LATE_EVALUATIONS: Final = 5  # intervals without an evaluation before readiness says so


class Service:
    """What one process runs, from an open store to its end."""

    def __init__(
        self, settings: Settings, database: Database, pages_url: str, otlp_url: str
    ) -> None:
        self._settings = settings
        self._database = database
        self._started = now()
        self._pages = database.connect(_PAGES)
        self._definitions = database.connect()
        self._watermark = WatermarkReader(database)
        self._access = settings.access
        self._http = httpx.AsyncClient(timeout=10.0)
        self._folder = DocumentFolder(
            settings.workflows_dir, settings.rules_dir, default_interval=settings.rules.interval
        )
        self._collecting = Collecting(
            database, collector_name(settings.data_dir), settings.mark_interval
        )
        evaluation = database.connect(_EVALUATION)
        kept = database.connect()
        external = settings.external_url or pages_url
        self._ruling = {
            tenant: Ruling(
                TenantStore(evaluation, tenant),
                AlertTable(kept, tenant),
                self._watermark,
                settings,
                external,
                self._http,
            )
            for tenant in settings.tenants
        }
        self.collector = create_collector(
            batcher=self._collecting.batcher,
            access=self._access,
            metrics=self._collecting.metrics,
            clock=now_us,
        )
        self.api = create_app(
            self._ports(),
            ApiSettings(
                version=version("donewatch-server"),
                external_url=settings.external_url,
                otlp_url=otlp_url,
                allowed_hosts=("localhost", "127.0.0.1", "[::1]") if self._access.open else (),
            ),
        )

    def _ports(self) -> Ports:
        return Ports(
            query_for=lambda tenant: TenantStore(self._pages, tenant).query,
            alerts_for=self._ruling.__getitem__,
            ingest=self._collecting,
            access=self._access,
            watermark=lambda: self._watermark.shown(now(), self._settings.rules.watermark_limit),
            definitions=lambda: self._folder.current.definitions,
            checks=self._checks,
            clock=now,
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the work behind the servers; registers the collector before it accepts anything."""
        await asyncio.to_thread(self._collecting.publish)
        await asyncio.to_thread(self._folder.reload)
        await asyncio.to_thread(self._save_definitions)
        for ruling in self._ruling.values():
            await ruling.load()
            ruling.replace(self._folder.current)
        tasks = [
            asyncio.create_task(each)
            for each in (
                self._collecting.run(),
                self._reload(),
                *(ruling.run() for ruling in self._ruling.values()),
            )
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(outcome, Exception):
                    _LOG.error("ended with an error", exc_info=outcome)
            await asyncio.to_thread(self._save)
            await self._http.aclose()

    def _save(self) -> None:
        for ruling in self._ruling.values():
            ruling.register.save()
        try:
            self._collecting.publish(leaving=True)
        except StoreError as error:
            _LOG.warning("the last mark is not published: %s", error)

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

    def _checks(self) -> Sequence[Check]:
        return [
            _check("store", lambda: self._watermark() and ""),
            *(
                _check(f"evaluation of {tenant}", lambda each=ruling: self._late(each))  # type: ignore[misc]
                for tenant, ruling in self._ruling.items()
            ),
        ]

    def _late(self, ruling: Ruling) -> str:
        intervals = [group.interval for group in ruling.scheduler.groups]
        allowed = max(_LATE_EVALUATIONS * min(intervals), 10.0)
        last = ruling.last_evaluation() or self._started
        seconds = (now() - last).total_seconds()
        return f"no rule was evaluated for {seconds:.0f} s" if seconds > allowed else ""


def _check(name: str, reason: Callable[[], object]) -> Check:
    try:
        found = reason()
    except StoreError as error:
        found = str(error)
    return Check(name, not found, str(found or ""))


async def serve(
    settings: Settings, *, ready_file: Path | None, say: Callable[[str], object]
) -> None:
    """Run until SIGINT or SIGTERM.

    ``ready_file`` gets the addresses as JSON once everything listens; ``say`` tells them a person.

    :raises SettingsError: an address cannot be had, or a setting is wrong.
    :raises StoreLocked: another process holds the embedded data.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, stop.set)
    _has_directory(ready_file)
    # also with a server: two collectors of one name would hide each other's marks
    directory = DirectoryLock(settings.data_dir.absolute())
    directory.acquire()
    pages, otlp = (
        listen(settings.host, settings.port),
        listen(settings.host, settings.otlp_port),
    )
    database = Database.open(settings.dsn)
    try:
        if not await _prepare(database, stop, say):
            return
        service = await asyncio.to_thread(
            Service, settings, database, address(pages), address(otlp)
        )
        async with service.running():
            servers = [
                Server(service.api, ending=lambda: end_streams(service.api)),
                Server(service.collector),
            ]
            tasks = [
                asyncio.create_task(server.serve(sockets=[listening]))
                for server, listening in zip(servers, (pages, otlp), strict=True)
            ]
            while not all(server.started for server in servers):
                if any(task.done() for task in tasks):
                    await asyncio.gather(*tasks)
                await asyncio.sleep(0.01)
            _announce(settings, address(pages), address(otlp), ready_file, say)
            await stop.wait()
            say("stopping")
            for server in servers:
                server.should_exit = True
            await asyncio.gather(*tasks)
    finally:
        await asyncio.to_thread(database.close)
        directory.release()
        for listening in (pages, otlp):
            listening.close()


def _has_directory(ready_file: Path | None) -> None:
    if ready_file is not None and not ready_file.absolute().parent.is_dir():
        raise SettingsError(f"ready file {ready_file}: there is no such directory; create it")


async def _prepare(database: Database, stop: asyncio.Event, say: Callable[[str], object]) -> bool:
    """Migrate, waiting for a server that is away; false if told to stop meanwhile."""
    told = False
    while not stop.is_set():
        try:
            for migration in await asyncio.to_thread(database.migrate, now()):
                _LOG.info("applied migration %s %s", migration.number, migration.name)
        except StoreUnavailable as error:
            if not told:
                say(f"waiting for the store: {error}")
            told = True
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _STORE_RETRY)
        else:
            return True
    return False


def _announce(
    settings: Settings,
    pages: str,
    otlp: str,
    ready_file: Path | None,
    say: Callable[[str], object],
) -> None:
    say(f"pages   {pages}")
    say(f"events  {otlp}  (OTLP /v1/logs, NDJSON /api/v1/events)")
    if not settings.tokens:
        say(
            "no token is configured: listening on loopback only, everybody on this machine may read"
        )
    if ready_file is not None:
        # whole or not at all: somebody waits for it to appear
        draft = ready_file.with_name(ready_file.name + ".draft")
        draft.write_text(
            json.dumps({"pages": pages, "otlp": otlp, "pid": os.getpid()}), encoding="utf-8"
        )
        draft.replace(ready_file)
