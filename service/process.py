"""One process: it listens, opens the store, works until it is told to stop."""

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Final, Protocol, Self

from lifecycle.errors import SettingsError, StoreUnavailable
from service.clock import now
from service.settings import Settings
from service.sockets import Server, address, listen
from store import Database
from store.lock import DirectoryLock

_LOG: Final = logging.getLogger(__name__)
_STORE_RETRY: Final = 2.0  # seconds between attempts to reach a store that is away at the start
_STOP_LIMIT: Final = 10.0  # seconds from the signal to the end, whatever hangs
_STOP_MARGIN: Final = 2.0  # beyond those that the collector waits for the store
_EARLY: Final = frozenset({"otlp"})  # servers that need no store
_TOLD: Final = {
    "pages": "pages   {}",
    "otlp": "events  {}  (OTLP /v1/logs, NDJSON /api/v1/events)",
}

Say = Callable[[str], object]
Addresses = Mapping[str, str]  # URLs by the name of their port: "pages", "otlp"


class Work(Protocol):
    """What a process does between an open store and its end."""

    @property
    def servers(self) -> Mapping[str, Server]:
        """One for each port, by its name; that of "otlp" listens before the store is there."""
        ...

    def running(self) -> AbstractAsyncContextManager[None]:
        """Work that needs the store: begins once it is there, ends after the servers have ended."""
        ...


async def run(
    settings: Settings,
    build: Callable[[Settings, Database, Addresses], Work],
    *,
    ports: Mapping[str, int],
    collects: bool,
    ready_file: Path | None,
    say: Say,
) -> None:
    """Run until SIGINT or SIGTERM.

    ``ready_file`` gets the addresses as JSON once everything listens; ``say`` tells them a person.
    ``collects``: the process is the collector of the data directory, of which there is one.

    :raises SettingsError: an address cannot be had, or a setting is wrong.
    :raises StoreLocked: another process holds the data directory.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    limit = max(_STOP_LIMIT, settings.collector.drain_seconds + _STOP_MARGIN)
    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, _told_to_stop, stop, limit)
    _has_directory(ready_file)
    async with contextlib.AsyncExitStack() as held:
        if collects:
            # also with a server: two collectors of one name would hide each other's marks
            directory = DirectoryLock(settings.data_dir.absolute(), "collector")
            directory.acquire()
            held.callback(directory.release)
        sockets = {name: listen(settings.host, port) for name, port in ports.items()}
        for listening in sockets.values():
            held.callback(listening.close)
        addresses = {name: address(each) for name, each in sockets.items()}
        database = Database.open(settings.dsn)
        held.push_async_callback(asyncio.to_thread, database.close)
        work = await asyncio.to_thread(build, settings, database, addresses)
        async with _Serving(work.servers, sockets) as serving:
            await serving.begin([name for name in work.servers if name in _EARLY])
            if not await _prepare(database, stop, say, addresses):
                return
            async with work.running():
                await serving.begin([name for name in work.servers if name not in _EARLY])
                _announce(settings, addresses, ready_file, say)
                await stop.wait()
                say("stopping")
                await serving.end()


def _told_to_stop(stop: asyncio.Event, seconds: float) -> None:
    if not stop.is_set():
        stop.set()
        # A call to a store that hangs cannot be cut short, and Python waits for its thread.
        limit = threading.Timer(seconds, _give_up)
        limit.daemon = True
        limit.start()


def _give_up() -> None:
    """End as a crash would, which loses nothing that was acknowledged."""
    _LOG.warning("the store does not answer; ending without waiting for it any longer")
    os._exit(0)


class _Serving:
    """The servers of a process. Leaving ends those that still serve."""

    def __init__(self, servers: Mapping[str, Server], sockets: Mapping[str, socket.socket]) -> None:
        self._servers = servers
        self._sockets = sockets
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.end()

    async def begin(self, names: Sequence[str]) -> None:
        """Start these and wait until all of them accept."""
        for name in names:
            serving = self._servers[name].serve(sockets=[self._sockets[name]])
            self._tasks[name] = asyncio.create_task(serving)
        while not all(self._servers[name].started for name in names):
            if any(task.done() for task in self._tasks.values()):
                await asyncio.gather(*self._tasks.values())
            await asyncio.sleep(0.01)

    async def end(self) -> None:
        """End all that have begun, and wait for it."""
        for name in self._tasks:
            self._servers[name].should_exit = True
        await asyncio.gather(*self._tasks.values())
        self._tasks.clear()


def _has_directory(ready_file: Path | None) -> None:
    if ready_file is not None and not ready_file.absolute().parent.is_dir():
        raise SettingsError(f"ready file {ready_file}: there is no such directory; create it")


async def _prepare(database: Database, stop: asyncio.Event, say: Say, addresses: Addresses) -> bool:
    """Migrate, waiting for a server that is away; false if told to stop meanwhile."""
    told = False
    while not stop.is_set():
        try:
            for migration in await asyncio.to_thread(database.migrate, now()):
                _LOG.info("applied migration %s %s", migration.number, migration.name)
        except StoreUnavailable as error:
            if not told:
                say(f"waiting for the store: {error}")
                if "otlp" in addresses:
                    say(f"events are taken meanwhile at {addresses['otlp']}")
            told = True
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _STORE_RETRY)
        else:
            return True
    return False


def _announce(settings: Settings, addresses: Addresses, ready_file: Path | None, say: Say) -> None:
    for name, url in addresses.items():
        say(_TOLD[name].format(url))
    if not addresses:
        say("running; this process listens nowhere")
    elif not settings.tokens:
        say(
            "no token is configured: listening on loopback only, everybody on this machine may read"
        )
    if ready_file is not None:
        # whole or not at all: somebody waits for it to appear
        draft = ready_file.with_name(ready_file.name + ".draft")
        draft.write_text(json.dumps({**addresses, "pid": os.getpid()}), encoding="utf-8")
        draft.replace(ready_file)
