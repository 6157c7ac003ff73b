"""Counts events at the end: what the application committed against what the store has.

``python -m demo.tally APP_DIR DSN`` prints one JSON object. It is a process of its own because it
opens the store, and only after the service has ended and released it.
"""

import argparse
import json
import sqlite3
import sys
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from store import Database, TenantStore

WORKFLOW = "order"
TENANT = "default"


@dataclass(frozen=True, slots=True)
class Tally:
    """``lost``: committed by the application and not in the store. ``doubled``: counted more than
    once by the store after it has removed duplicates."""

    emitted: int
    stored: int
    lost: int
    doubled: int


def emitted_ids(app_dir: Path) -> set[str]:
    """The ids of all events that the application's databases say were reported."""
    found: set[str] = set()
    for path in sorted(app_dir.glob("*.sqlite")):
        with closing(sqlite3.connect(path)) as connection:
            if connection.execute(
                "SELECT 1 FROM sqlite_master WHERE name = 'emitted_events'"
            ).fetchone():
                rows = connection.execute("SELECT event_id FROM emitted_events")
                found.update(row[0] for row in rows)
    return found


def stored_ids(dsn: str) -> list[str]:
    """The ids of all events of the demo's workflow that the store counts, duplicates removed."""
    database = Database.open(dsn)
    try:
        store = TenantStore(database.connect(), TENANT)
        return [row["event_id"] for row in store.query("instance_events", workflow=WORKFLOW)]
    finally:
        database.close()


def tally(emitted: Iterable[str], stored: Sequence[str]) -> Tally:
    """Compare what was emitted with what is counted."""
    wanted, found = set(emitted), set(stored)
    return Tally(len(wanted), len(found), len(wanted - found), len(stored) - len(found))


def main() -> None:
    """Print the tally."""
    parser = argparse.ArgumentParser(prog="python -m demo.tally")
    parser.add_argument("app_dir", type=Path)
    parser.add_argument("dsn")
    arguments = parser.parse_args()
    counted = tally(emitted_ids(arguments.app_dir), stored_ids(arguments.dsn))
    json.dump(asdict(counted), sys.stdout)


if __name__ == "__main__":
    main()
