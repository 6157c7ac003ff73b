"""Numbered migrations, each applied once and recorded."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files

from lifecycle.errors import StoreRefused
from store.connection import Connection, to_microseconds

_LEDGER = """
CREATE TABLE IF NOT EXISTS migrations
(
    number UInt32,
    name String,
    applied_at DateTime64(6, 'UTC')
)
ENGINE = MergeTree
ORDER BY number
"""


@dataclass(frozen=True, slots=True, order=True)
class Migration:
    """One file of ``store/migrations``: its number, its name, its statements in order."""

    number: int
    name: str
    statements: tuple[str, ...]


def all_migrations() -> Sequence[Migration]:
    """Every migration this version knows, by number."""
    found = []
    for entry in files("store").joinpath("migrations").iterdir():
        if entry.name.endswith(".sql"):
            number, _, rest = entry.name.partition("_")
            found.append(
                Migration(
                    int(number),
                    rest.removesuffix(".sql"),
                    _statements(entry.read_text(encoding="utf-8")),
                )
            )
    return sorted(found)


def _statements(text: str) -> tuple[str, ...]:
    parts = (part.strip() for part in text.split(";\n"))
    return tuple(
        part
        for part in parts
        if any(line and not line.startswith("--") for line in part.splitlines())
    )


def applied(connection: Connection) -> set[int]:
    """Numbers of the migrations that this store has had."""
    connection.command(_LEDGER)
    return {row["number"] for row in connection.query("SELECT DISTINCT number FROM migrations", {})}


def migrate(connection: Connection, now: datetime) -> Sequence[Migration]:
    """Apply what is missing, in order; returns what was applied.

    Statements that create say IF NOT EXISTS (put in here): one cut off midway is applied again.

    :raises StoreRefused: the store has had migrations that this version does not know: it is newer.
    """
    known = all_migrations()
    had = applied(connection)
    if unknown := had - {migration.number for migration in known}:
        raise StoreRefused(
            f"this store has migration {max(unknown)}, this version of donewatch knows only up to "
            f"{known[-1].number}: install the newer version that wrote it"
        )
    done = []
    for migration in known:
        if migration.number in had:
            continue
        for statement in migration.statements:
            connection.command(statement.replace("CREATE TABLE ", "CREATE TABLE IF NOT EXISTS ", 1))
        connection.insert(
            "migrations",
            ["number", "name", "applied_at"],
            [[migration.number], [migration.name], [to_microseconds(now)]],
        )
        done.append(migration)
    return done
