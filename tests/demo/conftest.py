"""The demo's application in one process: its databases, and a reporter that remembers."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from demo.app.book import Book
from demo.app.database import connect
from demo.app.journal import Journal
from demo.app.queue import JobQueue


@dataclass
class Reports:
    """Stands where ``donewatch.Workflow`` would, and keeps what it is told."""

    told: list[tuple[str, tuple[str, ...], dict[str, Any]]] = field(default_factory=list)

    def transition(self, *arguments: str, **fields: Any) -> None:
        self.told.append(("transition", arguments, fields))

    def job(self, *arguments: str, **fields: Any) -> None:
        self.told.append(("job", arguments, fields))

    def outbox(self, *arguments: str, **fields: Any) -> None:
        self.told.append(("outbox", arguments, fields))

    def visible(self, *arguments: str, **fields: Any) -> None:
        self.told.append(("visible", arguments, fields))

    def steps(self, call: str) -> list[tuple[str, ...]]:
        """What was told by one method, without the instance id."""
        return [arguments[1:] for name, arguments, _ in self.told if name == call]

    def ids(self) -> list[str]:
        return [fields["event_id"] for _, _, fields in self.told]


@dataclass
class Clock:
    """A clock that a test moves. Microseconds."""

    at: int = 1_700_000_000_000_000

    def __call__(self) -> int:
        self.at += 1000
        return self.at

    def pass_(self, seconds: float) -> None:
        self.at += int(seconds * 1e6)


@dataclass
class Shop:
    """The application's parts over databases of their own."""

    orders: sqlite3.Connection
    jobs: sqlite3.Connection
    reports: Reports
    clock: Clock

    def journal(self, connection: sqlite3.Connection, service: str) -> Journal:
        return Journal(connection, self.reports, service=service, version="1.0.0", now=self.clock)

    @property
    def book(self) -> Book:
        return Book(self.orders, self.journal(self.orders, "orders"))

    @property
    def queue(self) -> JobQueue:
        return JobQueue(self.jobs, self.journal(self.jobs, "worker"))

    def emitted(self) -> list[str]:
        """The ids that both databases say were reported."""
        return [
            row[0]
            for connection in (self.orders, self.jobs)
            for row in connection.execute("SELECT event_id FROM emitted_events ORDER BY rowid")
        ]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    orders = connect(tmp_path / "orders.sqlite", "emitted", "orders")
    jobs = connect(tmp_path / "queue.sqlite", "emitted", "queue")
    yield Shop(orders, jobs, Reports(), Clock())
    orders.close()
    jobs.close()
