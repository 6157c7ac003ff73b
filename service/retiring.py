"""``donewatch retire``: a collector that will not come back holds no watermark any longer."""

from datetime import timedelta

from lifecycle.errors import SettingsError
from service.clock import now
from store import Database
from store.watermark import Mark, known_collectors, last_mark, last_segment, publish_mark


def retire_collector(dsn: str, name: str) -> str:
    """Retire it; returns what was done. If it reports again after all, it counts again.

    :raises SettingsError: no collector of that name has ever registered; names those there are.
    """
    database = Database.open(dsn)
    try:
        database.migrate(now())
        connection = database.connect()
        marked = last_mark(connection, name)
        if marked is None:
            known = ", ".join(known_collectors(connection)) or "none"
            raise SettingsError(f"no collector {name!r} has registered; known are: {known}")
        present = max(now(), marked.marked_at + timedelta(microseconds=1))
        segment = last_segment(connection, name)
        publish_mark(connection, Mark(name, present, present, segment, retired=True))
    finally:
        database.close()
    return f"{name} is retired; what it had not stored is not waited for"
