"""The demo's application as a set of running processes, with switches for what breaks."""

import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import httpx

from demo.children import Children

START_TIMEOUT = 60.0  # seconds until a process says where it listens
SERVERS = ("provider", "orders", "readmodel")


@dataclass(frozen=True, slots=True)
class Operations:
    """Orders of users, not of probes: taken, visibly complete, and neither complete nor failed."""

    started: int
    completed: int
    stuck: int


class Shop:
    """Starts the application's processes, breaks and mends them, and counts their orders."""

    def __init__(self, children: Children, data_dir: Path, otlp: str) -> None:
        self._children = children
        self._data_dir = data_dir
        self._otlp = otlp
        self._worker_version = "1.0.0"
        data_dir.mkdir(parents=True, exist_ok=True)

    def open(self) -> None:
        """Start everything but the traffic. Raises TimeoutError if a server does not come up."""
        for name in SERVERS:
            self._start(name)
        for name in SERVERS:
            self.url(name)
        self._start("dispatcher")
        self._start("worker", "--version", self._worker_version)

    def admit(self, rate: float) -> None:
        """Let the users in, ``rate`` orders a second, and the probe with them."""
        self._start("client", "--rate", str(rate))
        self._children.start("prober", ["-m", "demo.prober", "--data-dir", str(self._data_dir)])

    def url(self, name: str) -> str:
        """Where a server listens; waits until it does."""
        path = self._data_dir / f"{name}.url"
        deadline = time.monotonic() + START_TIMEOUT
        while not path.exists():
            self._children.check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"{name} was not up {START_TIMEOUT:g} s after its start")
            time.sleep(0.05)
        return path.read_text(encoding="utf-8")

    def switch_provider(self, mode: str) -> None:
        """``hang``, ``fail`` or ``none``."""
        self._put("provider", {"mode": mode})

    def switch_readmodel(self, lag: float) -> None:
        """How many seconds the read model stays behind."""
        self._put("readmodel", {"lag": lag})

    def kill(self, name: str) -> None:
        """End a process as a crash would."""
        self._children.kill(name)

    def revive(self, name: str) -> None:
        """Start a killed process again."""
        self._start(name, *(("--version", self._worker_version) if name == "worker" else ()))

    def deploy_worker(self, version: str, *, shortcut: bool) -> None:
        """Replace the worker by another release of it, in good order."""
        self._worker_version = version
        self._children.stop("worker", timeout=15.0)
        self._start("worker", "--version", version, *(("--shortcut",) if shortcut else ()))

    def ask_users_to_leave(self) -> None:
        """No more orders and probes; the client stays until those under way have ended."""
        self._children.stop("prober", timeout=10.0)
        self._children.ask("client")

    def has_users(self) -> bool:
        """Whether the client still watches an order."""
        return not self._children.has_ended("client")

    def close(self) -> None:
        """End every process in good order, each after those that feed it."""
        for name in ("client", "prober", "dispatcher", "worker", "readmodel", "orders", "provider"):
            self._children.stop(name, timeout=15.0)

    def open_orders(self) -> int:
        """Orders, also of probes, that have not come to their end or are not shown there."""
        ended = sum(1 for state in self._shown().values() if state in ("completed", "failed"))
        return len(self._orders(("user", "probe"))) - ended

    def operations(self) -> Operations:
        """The users' orders as the application's own databases have them."""
        shown = self._shown()
        states = [shown.get(order_id, "") for order_id in self._orders(("user",))]
        completed, failed = states.count("completed"), states.count("failed")
        return Operations(len(states), completed, len(states) - completed - failed)

    def _orders(self, actors: tuple[str, ...]) -> list[str]:
        return [
            order_id
            for order_id, actor in self._read("orders", "SELECT order_id, actor_type FROM orders")
            if actor in actors
        ]

    def _shown(self) -> dict[str, str]:
        return dict(self._read("readmodel", "SELECT order_id, state FROM order_view"))

    def _read(self, database: str, statement: str) -> list[tuple[str, str]]:
        path = self._data_dir / f"{database}.sqlite"
        with closing(sqlite3.connect(path, timeout=10.0)) as connection:
            return connection.execute(statement).fetchall()

    def _put(self, name: str, fault: dict[str, str | float]) -> None:
        httpx.put(f"{self.url(name)}/fault", json=fault, timeout=10.0).raise_for_status()

    def _start(self, name: str, *options: str) -> None:
        arguments = ["--data-dir", str(self._data_dir), "--otlp", self._otlp, *options]
        self._children.start(name, ["-m", f"demo.app.{name}", *arguments])
