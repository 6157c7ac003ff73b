"""Events written in the transaction of the change they report, then handed to the SDK.

An SDK queues what it is told and sends it a moment later; a process that dies by SIGKILL takes that
queue with it. So the event goes first into the application's own database, with the change (both or
neither), and at its next start the process sends the rows of its last seconds once more, with the
same ids and times. donewatch counts an event once however often it comes, so sending again costs
nothing, and no commit goes unreported. Any application that must lose no event can do the same.
"""

import json
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from demo.app.database import write

REPLAY_SECONDS = 10.0  # far longer than the SDK holds an event before sending it


class Reporter(Protocol):
    """The part of ``donewatch.Workflow`` that the journal speaks to."""

    @property
    def transition(self) -> Callable[..., str]: ...
    @property
    def job(self) -> Callable[..., str]: ...
    @property
    def outbox(self) -> Callable[..., str]: ...
    @property
    def visible(self) -> Callable[..., str]: ...


def clock() -> int:
    """Now, in microseconds since the Unix epoch."""
    return time.time_ns() // 1000


@dataclass(frozen=True, slots=True)
class Emitted:
    """One event as it is kept: the method of the workflow and its arguments."""

    event_id: str
    occurred_at: int  # microseconds since the Unix epoch
    call: str
    arguments: tuple[str, ...]
    fields: dict[str, Any]

    def hand_to(self, reporter: Reporter) -> None:
        """Tell the SDK; it neither blocks nor raises."""
        report = getattr(reporter, self.call)
        report(
            *self.arguments,
            **self.fields,
            event_id=self.event_id,
            occurred_at=self.occurred_at * 1000,  # the SDK takes nanoseconds
        )


@dataclass(slots=True)
class Change:
    """A transaction under way: the connection to write with, the present, the events so far."""

    connection: sqlite3.Connection
    at: int  # microseconds since the Unix epoch; one instant for all of the change
    events: list[Emitted] = field(default_factory=list)

    def transition(self, instance_id: str, from_: str, to: str, **fields: Any) -> None:
        self._add("transition", (instance_id, from_, to), fields)

    def job(self, instance_id: str, job_id: str, state: str, **fields: Any) -> None:
        self._add("job", (instance_id, job_id, state), fields)

    def outbox(self, instance_id: str, outbox_id: str, state: str, **fields: Any) -> None:
        self._add("outbox", (instance_id, outbox_id, state), fields)

    def visible(self, instance_id: str, **fields: Any) -> None:
        self._add("visible", (instance_id,), fields)

    def _add(self, call: str, arguments: tuple[str, ...], fields: dict[str, Any]) -> None:
        self.events.append(Emitted(str(uuid.uuid4()), self.at, call, arguments, fields))


class Journal:
    """Writes the changes of one database and reports them; belongs to one thread."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        reporter: Reporter,
        *,
        service: str,
        version: str,
        now: Callable[[], int] = clock,
    ) -> None:
        self.connection = connection
        self._reporter = reporter
        self._service = service
        self._version = version
        self.now = now

    @contextmanager
    def change(self) -> Iterator[Change]:
        """One transaction: what it wrote and the events it reports are committed together.

        The events go to the SDK after the commit; after a rollback there are none.
        """
        with write(self.connection):
            # Read under the write lock, so that times follow the order of the commits.
            change = Change(self.connection, self.now())
            yield change
            self.connection.executemany(
                "INSERT INTO emitted_events"
                " (event_id, service, service_version, occurred_at, call, payload)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (
                        each.event_id,
                        self._service,
                        self._version,
                        each.occurred_at,
                        each.call,
                        json.dumps({"arguments": each.arguments, "fields": each.fields}),
                    )
                    for each in change.events
                ],
            )
        for each in change.events:
            each.hand_to(self._reporter)

    def replay(self) -> int:
        """Send again what this service committed in the last seconds of a life that ended badly.

        The seconds count back from its newest event, not from now: it may have been dead for long.
        Returns how many events were sent again.
        """
        rows = self.connection.execute(
            "SELECT event_id, occurred_at, call, payload FROM emitted_events"
            " WHERE service = :service AND confirmed = 0 AND occurred_at >= :back +"
            " (SELECT max(occurred_at) FROM emitted_events WHERE service = :service)"
            " ORDER BY rowid",
            {"service": self._service, "back": -int(REPLAY_SECONDS * 1e6)},
        ).fetchall()
        for row in rows:
            payload = json.loads(row["payload"])
            Emitted(
                row["event_id"],
                row["occurred_at"],
                row["call"],
                tuple(payload["arguments"]),
                payload["fields"],
            ).hand_to(self._reporter)
        return len(rows)

    def confirm(self) -> None:
        """Note that all events of this service were delivered: its next start repeats none."""
        with write(self.connection):
            self.connection.execute(
                "UPDATE emitted_events SET confirmed = 1 WHERE service = ? AND confirmed = 0",
                (self._service,),
            )
