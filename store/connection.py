"""One client of the store. Its calls are serialised; take another one where work must overlap."""

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import Error as DriverError
from clickhouse_connect.driver.exceptions import OperationalError

from lifecycle.errors import StoreError, StoreRefused, StoreUnavailable
from store.dsn import Location

# Codes of ClickHouse after which the same request may well succeed: too many parts or queries,
# timeouts, memory, disk, network, Keeper and replication.
_TEMPORARY: Final = frozenset(
    {
        3,
        32,
        159,
        160,
        164,
        201,
        202,
        203,
        209,
        210,
        225,
        236,
        241,
        242,
        243,
        244,
        252,
        279,
        285,
        286,
    }
    | {319, 341, 373, 394, 425, 473, 499, 565, 574, 999, 1000}
)
_SLACK: Final = 5  # seconds beyond its bound that a call waits for the server to end it
_MICROSECOND: Final = 1_000_000

# The queries are written for these; a server's profile may say otherwise.
_SETTINGS: Final[Mapping[str, Any]] = {
    "async_insert": 0,
    "join_use_nulls": 0,
    "prefer_column_name_to_alias": 1,
    # this pass alone took more than half the analysis of the nested figures (270 ms of CPU to 110)
    "optimize_and_compare_chain": 0,
    "deduplicate_blocks_in_dependent_materialized_views": 1,
}


def to_microseconds(moment: datetime) -> int:
    """Microseconds since the Unix epoch of an aware datetime, exactly."""
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86400 + delta.seconds) * _MICROSECOND + delta.microseconds


def from_microseconds(moment: int) -> datetime:
    """The aware datetime of microseconds since the Unix epoch, exactly."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=moment)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one call may take: seconds, and bytes of memory (0: no bound)."""

    seconds: int = 60
    memory: int = 0


class Connection:
    """A clickhouse-connect client with donewatch's settings, errors and time zone."""

    def __init__(self, location: Location, *, database: str | None, bounds: Bounds) -> None:
        self._location = location
        self._database = database
        self._settings = {
            **_SETTINGS,
            "max_execution_time": bounds.seconds,
            "max_memory_usage": bounds.memory,
        }
        # a server ends a call at its bound, if it is there at all
        self._patience = bounds.seconds + _SLACK
        self._lock = threading.RLock()
        self._client: Client | None = None
        self._closed = False

    def query(self, sql: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Run a SELECT with bound parameters; datetimes go in and come out aware, in UTC.

        :raises StoreUnavailable: the store is away or overloaded.
        :raises StoreRefused: the store will refuse this again.
        """
        bound = {name: _bind(value) for name, value in parameters.items()}
        with self._turn():
            try:
                result = self._open().query(sql, parameters=bound, tz_mode="aware")
            except Exception as error:
                raise self._translate(error) from error
        names = result.column_names
        return [dict(zip(names, row, strict=True)) for row in result.result_rows]

    def command(self, sql: str, parameters: Mapping[str, Any] | None = None) -> None:
        """Run a statement that returns nothing, with bound parameters."""
        bound = {name: _bind(value) for name, value in (parameters or {}).items()}
        with self._turn():
            try:
                self._open().command(sql, parameters=bound or None)
            except Exception as error:
                raise self._translate(error) from error

    def insert(
        self, table: str, columns: Sequence[str], data: Sequence[Sequence[Any]], token: str = ""
    ) -> None:
        """Insert whole columns as one block. The same ``token`` again is a retry and adds nothing.

        :raises StoreUnavailable: it may have happened or not; the same token is safe to try again.
        :raises StoreRefused: nothing was inserted.
        """
        settings = {"insert_deduplication_token": token} if token else {}
        with self._turn():
            try:
                self._open().insert(
                    table, data, column_names=columns, column_oriented=True, settings=settings
                )
            except Exception as error:
                raise self._translate(error) from error

    def insert_native(
        self, table: str, data: bytes, token: str, settings: Mapping[str, Any]
    ) -> None:
        """Insert rows in ClickHouse's Native format, as they are; ``token`` as for ``insert``.

        :raises StoreUnavailable: it may have happened or not; the same token is safe to try again.
        :raises StoreRefused: nothing was inserted, if the settings make it one block.
        """
        with self._turn():
            try:
                self._open().raw_insert(
                    table,
                    insert_block=data,
                    settings={"insert_deduplication_token": token, **settings},
                    fmt="Native",
                )
            except Exception as error:
                raise self._translate(error) from error

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Its calls wait for each other, but not without end for one that hangs."""
        if not self._lock.acquire(timeout=self._patience):
            raise StoreUnavailable(
                f"{self._location.shown}: no answer within {self._patience} s to those who asked"
                " before"
            )
        try:
            yield
        finally:
            self._lock.release()

    def close(self) -> None:
        """Close the client, for good: the data may be another process's from now on."""
        with self._lock:
            self._closed = True
            if self._client is not None:
                self._client.close()
                self._client = None

    def _open(self) -> Client:
        if self._closed:
            raise StoreUnavailable("it was closed, donewatch is stopping")
        if self._client is None:
            arguments: dict[str, Any] = {"dsn": self._location.dsn, "settings": self._settings}
            if not self._location.embedded:
                arguments |= {
                    "autogenerate_session_id": False,
                    "connect_timeout": 5,
                    "send_receive_timeout": self._patience,
                }
            if self._database is not None:
                arguments["database"] = self._database
            elif not self._location.embedded:
                arguments["database"] = "default"
            self._client = clickhouse_connect.get_client(**arguments)
        return self._client

    def _translate(self, error: Exception) -> StoreError:
        """Temporary or permanent, by ClickHouse's code: HTTP statuses say little."""
        if isinstance(error, StoreError):
            return type(error)(f"{self._location.shown}: {error}")
        code = error.code if isinstance(error, DriverError) else None
        if code is None and (found := re.search(r"Code: (\d+)", str(error))):
            code = int(found.group(1))
        if code is not None:
            temporary = code in _TEMPORARY
        else:
            # no answer; anything else is a value that cannot be sent, or a mistake of ours
            temporary = isinstance(error, OperationalError | OSError)
        if temporary and not self._location.embedded:
            self._client = None
        kind = StoreUnavailable if temporary else StoreRefused
        return kind(f"{self._location.shown}: {_readable(error)}")


def _readable(error: Exception) -> str:
    text = (str(error).strip().splitlines() or ["no message"])[0]
    if found := re.search(r"\[Errno -?\d+\] ([\w .-]+)", text):
        return f"no answer: {found.group(1)}"
    text = re.sub(r"^Received ClickHouse exception, code: \d+, server response: ", "", text)
    text = re.sub(r" \(version [^()]*(?:\([^()]*\))?[^()]*\)| \(for url [^)]*\)$", "", text)
    return text[:1000]


def _bind(value: Any) -> Any:
    if isinstance(value, datetime):
        return to_microseconds(value)
    if isinstance(value, bool):
        return int(value)
    return value
