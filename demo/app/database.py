"""An SQLite database that several processes write."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

BUSY_TIMEOUT = 10.0  # seconds a writer waits for its turn
_OPENING_TRIES = 50


def connect(path: Path, *schemas: str) -> sqlite3.Connection:
    """Open ``path`` in WAL mode and create what ``schemas`` (``schema/NAME.sql``) declare.

    The connection commits each statement unless :func:`write` is used. It belongs to one thread.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None)
    connection.row_factory = sqlite3.Row
    for left in reversed(range(_OPENING_TRIES)):
        try:
            # Two processes may create the file at once, and the change of mode takes no turns.
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            for schema in schemas:
                connection.executescript(_schema(schema))
        except sqlite3.OperationalError as error:
            if left == 0 or "locked" not in str(error):
                connection.close()
                raise
            time.sleep(0.05)
        else:
            break
    return connection


@contextmanager
def write(connection: sqlite3.Connection) -> Iterator[None]:
    """One transaction that takes the write lock at once: it cannot fail halfway for want of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _schema(name: str) -> str:
    return files("demo.app").joinpath("schema", f"{name}.sql").read_text(encoding="utf-8")
