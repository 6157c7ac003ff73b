"""What every process of the application has: arguments, an address, and an end in good order."""

import argparse
import asyncio
import contextlib
import signal
import socket
import sqlite3
import time
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI

import donewatch
from demo.app.database import connect
from demo.app.journal import Journal
from donewatch import Workflow

WORKFLOW_FILE = Path(__file__).parent.parent / "workflows" / "order.yaml"
ENVIRONMENT = "demo"
DELIVERY_TIMEOUT = 5.0  # seconds to deliver the last events when ending
ADDRESS_TIMEOUT = 30.0  # seconds to wait for another process to say where it listens


@dataclass(frozen=True, slots=True)
class Process:
    """One process of the application, as its command line describes it."""

    name: str
    data_dir: Path
    port: int
    version: str
    options: argparse.Namespace
    stop: asyncio.Event

    def workflow(self) -> Workflow:
        """Set up the SDK and load the definition, the very file donewatch judges by."""
        donewatch.configure(
            endpoint=self.options.otlp,
            service_name=self.name,
            service_version=self.version,
            environment=ENVIRONMENT,
            schedule_delay=0.2,  # seconds; this workflow's limits are seconds too
            heartbeat_interval=5.0,
        )
        return Workflow.load(WORKFLOW_FILE)

    def open(self, database: str) -> sqlite3.Connection:
        """Open ``database`` (orders, queue, readmodel) with the table of its events."""
        return connect(self.data_dir / f"{database}.sqlite", "emitted", database)

    def journal(self, connection: sqlite3.Connection, workflow: Workflow) -> Journal:
        """The journal of one database; first repeats what an earlier life may have lost."""
        journal = Journal(connection, workflow, service=self.name, version=self.version)
        journal.replay()
        return journal

    async def address(self, name: str) -> str:
        """The URL at which the process ``name`` listens; waits until it does.

        Raises TimeoutError after :data:`ADDRESS_TIMEOUT` seconds.
        """
        return await read_address(self.data_dir, name)

    async def pause(self, seconds: float) -> bool:
        """Wait; returns False as soon as the process is to end."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.stop.wait(), seconds)
        return not self.stop.is_set()


Main = Callable[[Process], Coroutine[Any, Any, None]]


async def read_address(data_dir: Path, name: str) -> str:
    """Wait for ``name`` to write where it listens, and return its URL."""
    path = data_dir / f"{name}.url"
    deadline = time.monotonic() + ADDRESS_TIMEOUT
    while not path.exists():  # written whole by a rename, so existing means complete
        if time.monotonic() > deadline:
            raise TimeoutError(f"{name} has not said where it listens: no {path}; is it running?")
        await asyncio.sleep(0.05)
    return path.read_text(encoding="utf-8")


def run(name: str, main: Main, *options: tuple[str, dict[str, Any]]) -> None:
    """Run one process until it is told to end (SIGTERM or SIGINT)."""
    parser = argparse.ArgumentParser(prog=f"python -m demo.app.{name}")
    parser.add_argument("--data-dir", type=Path, required=True, help="where the databases are")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--otlp", default="http://127.0.0.1:4318", help="where events go")
    parser.add_argument("--version", default="1.0.0", help="service.version of its events")
    for flag, details in options:
        parser.add_argument(flag, **details)
    arguments = parser.parse_args()
    asyncio.run(_run(name, main, arguments))


async def _run(name: str, main: Main, arguments: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    process = Process(
        name=name,
        data_dir=arguments.data_dir,
        port=arguments.port,
        version=arguments.version,
        options=arguments,
        stop=stop,
    )
    await main(process)


def delivered() -> bool:
    """Send what the SDK still holds; whether everything of this life has arrived."""
    return donewatch.shutdown(DELIVERY_TIMEOUT) and donewatch.stats().dropped == 0


class _Server(uvicorn.Server):
    """uvicorn that says where it listens, and leaves signals to us.

    Its own handlers would end the process before its last events are delivered.
    """

    def __init__(self, config: uvicorn.Config, announcement: Path) -> None:
        super().__init__(config)
        self._announcement = announcement

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        host, port = (sockets or [])[0].getsockname()[:2]
        draft = self._announcement.with_suffix(".draft")
        draft.write_text(f"http://{host}:{port}", encoding="utf-8")
        draft.rename(self._announcement)


async def serve(process: Process, app: FastAPI) -> None:
    """Serve ``app`` on loopback until the process is to end, and write down where."""
    with socket.create_server(("127.0.0.1", process.port)) as listener:
        server = _Server(
            uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=2),
            process.data_dir / f"{process.name}.url",
        )
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        ending = asyncio.create_task(process.stop.wait())
        await asyncio.wait({serving, ending}, return_when=asyncio.FIRST_COMPLETED)
        ending.cancel()
        server.should_exit = True
        await serving
