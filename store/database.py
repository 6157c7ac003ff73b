"""The store as a whole: where it is, who holds it, how it is migrated, and connections to it."""

from collections.abc import Sequence
from datetime import datetime

from store.connection import Bounds, Connection
from store.dsn import Location, parse_dsn
from store.engine import Engine
from store.lock import DirectoryLock
from store.migrations import Migration, migrate


class Database:
    """A store to take connections from. Closing it releases the embedded data directory."""

    def __init__(self, location: Location, lock: DirectoryLock | None) -> None:
        self.location = location
        self._lock = lock
        self._connections: list[Connection] = []
        self._engines: list[Engine] = []
        self._closed = False

    @classmethod
    def open(cls, dsn: str) -> "Database":
        """Open the store that ``dsn`` names; an embedded data directory is created and locked.

        :raises SettingsError: the DSN is not understood.
        :raises StoreLocked: another process holds the embedded data directory.
        """
        location = parse_dsn(dsn)
        lock = None
        if location.path is not None:
            lock = DirectoryLock(location.path)
            lock.acquire()
        return cls(location, lock)

    def migrate(self, now: datetime) -> Sequence[Migration]:
        """Create the database and apply the migrations it lacks; returns those applied.

        :raises StoreUnavailable: the server is away.
        :raises StoreRefused: a newer version of donewatch wrote this store.
        """
        bootstrap = Connection(self.location, database=None, bounds=Bounds())
        try:
            # Atomic: the embedded `default` is an overlay that refuses what later migrations need
            bootstrap.command(
                f"CREATE DATABASE IF NOT EXISTS `{self.location.database}` ENGINE = Atomic"
            )
        finally:
            if not self.location.embedded:
                bootstrap.close()
            else:
                # the embedded engine ends with its last handle, and memory with it
                self._connections.append(bootstrap)
        return migrate(self.connect(), now)

    def connect(self, bounds: Bounds = Bounds()) -> Connection:  # noqa: B008 - immutable
        """A connection of one's own: its calls wait for each other, not for those of others.

        ``bounds`` hold for each call; beyond them it raises ``StoreUnavailable``.
        """
        connection = Connection(self.location, database=self.location.database, bounds=bounds)
        self._connections.append(connection)
        if self._closed:
            connection.close()
        return connection

    def engine(self) -> Engine | None:
        """The embedded engine to compute with, also beside a server, if it is installed."""
        engine = Engine.at(self.location)
        if engine is not None:
            self._engines.append(engine)
        return engine

    def close(self) -> None:
        """Close every connection, for good, and release the data directory."""
        self._closed = True
        for engine in self._engines:  # their queries run on, and connections would wait for them
            engine.close()
        for connection in reversed(self._connections):
            connection.close()
        self._connections.clear()
        if self._lock is not None:
            self._lock.release()
