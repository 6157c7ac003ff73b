"""The same rows inserted in bulk into the same table by nothing but the engine's client: the limit.

Every function here that opens a store is run in a process of its own (``alone``): an embedded
engine has one directory in the life of a process, and its CPU is the process's.
"""

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

import clickhouse_connect
import psutil
from clickhouse_connect.driver.client import Client

from benchmarks.machine import at_rest, cpu_seconds, idle_cores, merging
from lifecycle.events import EVENT_COLUMNS
from store import Database
from tests.peers.clickhouse import clickhouse_server

BATCH: Final = 50_000  # rows of one insert, as a segment of the service has at most
_SETTINGS: Final = {"async_insert": 0}  # as the service's
_P = ParamSpec("_P")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inserted:
    """One round; seconds and CPU-seconds as those of the service."""

    seconds: float
    cpu_until_inserted: float
    cpu_until_merged: float
    merged_after: float | None
    in_store: dict[str, int]


def alone(work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Call ``work`` in a fresh process and wait for its answer."""
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=fresh) as pool:
        return pool.submit(work, *args, **kwargs).result()


@contextmanager
def opened(folder: Path) -> Iterator[Database]:
    """The migrated embedded store in ``folder``."""
    database = Database.open(f"chdb://{folder}")
    try:
        database.migrate(datetime.now(UTC))
        yield database
    finally:
        database.close()


def stored(data: Path) -> dict[str, int]:
    """What an engine left in ``data``: rows, events (unique), segments, parts, bytes_on_disk."""
    with opened(data) as database:
        return _stored(database)


def prepare(store: Path, folder: Path) -> int:
    """Write the rows that the service has stored in ``store`` to ``folder``, a block to a file.

    Returns how many there are.
    """
    with opened(store) as database:
        client = raw_client(database)
        rows = _stored(database)["rows"]
        order = "ORDER BY effective_at, event_id"
        for number, at in enumerate(range(0, rows, BATCH)):
            content = client.raw_query(
                f"SELECT {', '.join(EVENT_COLUMNS)} FROM events {order} LIMIT {BATCH} OFFSET {at} "
                f"SETTINGS max_block_size = {BATCH}",
                fmt="Native",
            )
            (folder / f"{number:04d}.native").write_bytes(content)
        return rows


def insert_embedded(folder: Path, prepared: Path, quiet: float) -> Inserted:
    """Insert everything in ``prepared`` into a fresh embedded store, one block after another."""
    blocks = _blocks(prepared)
    with opened(folder / "store") as database:
        return _insert(database, blocks, psutil.Process(), folder / "store", quiet)


def insert_server(folder: Path, prepared: Path, quiet: float) -> Inserted:
    """The same into a fresh ClickHouse server; CPU is the server's and the client's."""
    blocks = _blocks(prepared)
    with clickhouse_server(folder / "server") as server:
        database = Database.open(server.dsn)
        database.migrate(datetime.now(UTC))
        # the server is a child of this process
        return _insert(database, blocks, psutil.Process(), folder / "server" / "data", quiet)


def raw_client(database: Database) -> Client:
    """The client of that database, without donewatch's connection around it."""
    location = database.location
    return clickhouse_connect.get_client(
        dsn=location.dsn, database=location.database, settings=dict(_SETTINGS)
    )


def _insert(
    database: Database,
    blocks: Sequence[bytes],
    process: psutil.Process,
    data: Path,
    quiet: float,
) -> Inserted:
    client = raw_client(database)

    def cpu() -> float:
        return cpu_seconds(process)

    idle = idle_cores(cpu, quiet)
    used, began = cpu(), time.perf_counter()
    for number, block in enumerate(blocks):
        client.raw_insert(
            "events",
            EVENT_COLUMNS,
            block,
            settings={"insert_deduplication_token": f"block-{number}"},
            fmt="Native",
        )
    seconds, inserted = time.perf_counter() - began, cpu() - used
    rest = at_rest(cpu, idle, quiet=quiet, merging=lambda: merging(data))
    return Inserted(
        seconds=seconds,
        cpu_until_inserted=inserted,
        cpu_until_merged=rest.cpu - used,
        merged_after=rest.seconds,
        in_store=_stored(database),
    )


def _blocks(folder: Path) -> list[bytes]:
    return [file.read_bytes() for file in sorted(folder.glob("*.native"))]


def _stored(database: Database) -> dict[str, int]:
    question = Path(__file__).with_name("stored.sql").read_text(encoding="utf-8")
    return {name: int(value) for name, value in database.connect().query(question, {})[0].items()}
