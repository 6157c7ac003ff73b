"""The order book: orders with optimistic locking, and the outbox filled in the same transaction."""

import sqlite3
from dataclasses import dataclass

from demo.app.journal import Change, Journal

PAYMENT_JOB = "charge_card"


class StaleOrder(Exception):
    """Somebody else changed the order first; read it again and decide anew."""


@dataclass(frozen=True, slots=True)
class Order:
    """One order as it was read. ``amount`` in cents."""

    order_id: str
    state: str
    version: int
    amount: int
    actor_type: str


@dataclass(frozen=True, slots=True)
class OutboxRecord:
    """Work that a committed order asks for."""

    outbox_id: str
    order_id: str
    transition_key: str
    job_type: str


@dataclass(frozen=True, slots=True)
class OrderChange:
    """One step of one order, numbered in the order of commits. ``changed_at`` in microseconds."""

    number: int
    order_id: str
    state: str
    version: int
    changed_at: int


def transition_key(order_id: str, version: int, to: str) -> str:
    """Entity + version + target: the same step has the same key however often it is tried."""
    return f"{order_id}/{version}/{to}"


class Book:
    """All writes to the database of orders, whichever process makes them."""

    def __init__(self, connection: sqlite3.Connection, journal: Journal) -> None:
        self._connection = connection
        self._journal = journal

    def get(self, order_id: str) -> Order | None:
        """The order as it is now."""
        row = self._connection.execute(
            "SELECT order_id, state, version, amount, actor_type FROM orders WHERE order_id = ?",
            (order_id,),
        ).fetchone()
        return None if row is None else Order(*row)

    def place(self, order_id: str, amount: int, actor_type: str) -> Order:
        """Accept an order. The id is the caller's: the same order placed twice is one order."""
        with self._journal.change() as change:
            known = self.get(order_id)
            if known is not None:
                return known
            order = Order(order_id, "submitted", 1, amount, actor_type)
            key = transition_key(order_id, 1, "submitted")
            outbox_id = f"{order_id}/{PAYMENT_JOB}"
            change.connection.execute(
                "INSERT INTO orders"
                " (order_id, state, version, amount, actor_type, placed_at, changed_at)"
                " VALUES (?, ?, 1, ?, ?, ?, ?)",
                (order_id, order.state, amount, actor_type, change.at, change.at),
            )
            self._note(change, order)
            change.connection.execute(
                "INSERT INTO outbox (outbox_id, order_id, transition_key, job_type, recorded_at)"
                " VALUES (?, ?, ?, ?, ?)",
                (outbox_id, order_id, key, PAYMENT_JOB, change.at),
            )
            change.transition(
                order_id,
                "",
                "submitted",
                action="submit",
                sequence=1,
                key=key,
                actor_type=actor_type,
            )
            change.outbox(order_id, outbox_id, "recorded", transition_key=key)
        return order

    def move(self, order: Order, to: str, action: str, *, reason: str = "") -> Order:
        """Take ``order`` to the state ``to``. Raises StaleOrder if it has changed meanwhile."""
        with self._journal.change() as change:
            return self._move(change, order, to, action, reason)

    def dispatched(self, record: OutboxRecord) -> None:
        """Note that the queue has the record's job. Saying so again changes nothing."""
        with self._journal.change() as change:
            marked = change.connection.execute(
                "UPDATE outbox SET dispatched_at = ? WHERE outbox_id = ? AND dispatched_at IS NULL",
                (change.at, record.outbox_id),
            )
            if marked.rowcount == 0:
                return
            change.outbox(
                record.order_id,
                record.outbox_id,
                "dispatched",
                transition_key=record.transition_key,
            )
            order = self.get(record.order_id)
            # The worker may have been quicker and taken the order further already.
            if order is not None and order.state == "submitted":
                self._move(change, order, "queued", "enqueue", "")

    def acknowledged(self, order_id: str, outbox_id: str, key: str) -> None:
        """Note that the worker has taken over what the record asked for."""
        with self._journal.change() as change:
            marked = change.connection.execute(
                "UPDATE outbox SET acknowledged_at = ?"
                " WHERE outbox_id = ? AND acknowledged_at IS NULL",
                (change.at, outbox_id),
            )
            if marked.rowcount:
                change.outbox(order_id, outbox_id, "acknowledged", transition_key=key)

    def pending(self, limit: int) -> list[OutboxRecord]:
        """Outbox records that no one has dispatched, the oldest first."""
        rows = self._connection.execute(
            "SELECT outbox_id, order_id, transition_key, job_type FROM outbox"
            " WHERE dispatched_at IS NULL ORDER BY number LIMIT ?",
            (limit,),
        )
        return [OutboxRecord(*row) for row in rows]

    def changes(self, after: int, limit: int) -> list[OrderChange]:
        """The changes with a number above ``after``, in the order they were committed."""
        rows = self._connection.execute(
            "SELECT number, order_id, state, version, changed_at FROM order_changes"
            " WHERE number > ? ORDER BY number LIMIT ?",
            (after, limit),
        )
        return [OrderChange(*row) for row in rows]

    def _move(self, change: Change, order: Order, to: str, action: str, reason: str) -> Order:
        moved = Order(order.order_id, to, order.version + 1, order.amount, order.actor_type)
        changed = change.connection.execute(
            "UPDATE orders SET state = ?, version = ?, changed_at = ?"
            " WHERE order_id = ? AND version = ?",
            (to, moved.version, change.at, order.order_id, order.version),
        )
        if changed.rowcount == 0:
            raise StaleOrder(
                f"order {order.order_id} is no longer at version {order.version}; read it again"
            )
        self._note(change, moved)
        change.transition(
            order.order_id,
            order.state,
            to,
            action=action,
            sequence=moved.version,
            key=transition_key(order.order_id, moved.version, to),
            actor_type="system",
            **({"reason": reason} if reason else {}),
        )
        return moved

    @staticmethod
    def _note(change: Change, order: Order) -> None:
        change.connection.execute(
            "INSERT INTO order_changes (order_id, state, version, changed_at) VALUES (?, ?, ?, ?)",
            (order.order_id, order.state, order.version, change.at),
        )
