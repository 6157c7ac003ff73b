"""The same rows inserted in bulk into the same table by nothing but the engine's client.

Every function here that opens a store is run in a process of its own (``alone``): an embedded
engine has one directory in the life of a process, and its CPU is the process's.
"""

import multiprocessing
import pickle
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar

import clickhouse_connect
from clickhouse_connect.driver.client import Client

from benchmarks.bodies import checked, read
from benchmarks.machine import idle_cores, settle
from lifecycle.events import EVENT_COLUMNS
from store import Database
from store.events import insert_events

BATCH: Final = 50_000
_SETTINGS: Final = {"async_insert": 0}  # as the service's
_P = ParamSpec("_P")
_T = TypeVar("_T")


class Form(StrEnum):
    """What is prepared before the time is taken."""

    COLUMNS = "columns"  # Python lists, as the service has them; the client makes Native of them
    NATIVE = "native"  # the engine's own blocks, as bytes
    ARROW = "arrow"  # an Arrow stream, as bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Inserted:
    """One round; seconds and CPU-seconds as those of the service."""

    seconds: float
    cpu_until_inserted: float
    cpu_until_settled: float
    settling: float | None
    rows: int
    parts: int


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


def stored(folder: Path) -> dict[str, int]:
    """What the store in ``folder`` has: rows, events (unique), segments, parts, bytes_on_disk."""
    with opened(folder) as database:
        return _stored(database)


def prepare(folder: Path, bodies: Path, received_at: int) -> None:
    """Write the events in the file ``bodies`` to ``folder`` in every form, in batches.

    ``received_at`` in microseconds.
    """
    events = checked(list(read(bodies)), received_at)
    with opened(folder / "scratch") as database:
        connection = database.connect()
        client = _client(database)
        for number, at in enumerate(range(0, len(events), BATCH)):
            batch = events[at : at + BATCH]
            for position, event in enumerate(batch):
                object.__setattr__(event, "segment", number)  # as the collector's batcher does
                object.__setattr__(event, "position", position)
            insert_events(connection, batch, "")
            columns = [[getattr(event, name) for event in batch] for name in EVENT_COLUMNS]
            _file(folder, Form.COLUMNS, number).write_bytes(pickle.dumps(columns))
            for form, kind in ((Form.NATIVE, "Native"), (Form.ARROW, "ArrowStream")):
                content = client.raw_query(
                    f"SELECT {', '.join(EVENT_COLUMNS)} FROM events WHERE segment = {number} "
                    f"ORDER BY position SETTINGS max_block_size = {BATCH}",
                    fmt=kind,
                    settings={"output_format_arrow_low_cardinality_as_dictionary": 1},
                )
                _file(folder, form, number).write_bytes(content)


def insert_round(
    folder: Path, prepared: Path, form: Form, warm: Path, received_at: int, quiet: float
) -> Inserted:
    """Insert everything in ``prepared`` into a fresh store in ``folder``, one batch after another.

    The events in the file ``warm`` are inserted first, untimed.
    """
    warming = checked(list(read(warm)), received_at)
    batches = [_file(prepared, form, at).read_bytes() for at in range(_batches(prepared))]
    ready: list[Any] = [pickle.loads(each) if form is Form.COLUMNS else each for each in batches]
    del batches
    with opened(folder) as database:
        connection = database.connect()
        client = _client(database)
        insert_events(connection, warming, "warm")
        idle = idle_cores(time.process_time, quiet)
        cpu, began = time.process_time(), time.perf_counter()
        for number, batch in enumerate(ready):
            if form is Form.COLUMNS:
                connection.insert("events", EVENT_COLUMNS, batch, f"batch-{number}")
            else:
                client.raw_insert(
                    "events",
                    EVENT_COLUMNS,
                    batch,
                    settings={"insert_deduplication_token": f"batch-{number}"},
                    fmt="Native" if form is Form.NATIVE else "ArrowStream",
                )
        seconds, inserted = time.perf_counter() - began, time.process_time() - cpu
        settling = settle(time.process_time, idle, quiet=quiet)
        settled = time.process_time() - cpu
        found = _stored(database)
        return Inserted(
            seconds=seconds,
            cpu_until_inserted=inserted,
            cpu_until_settled=settled,
            settling=settling,
            rows=found["rows"] - len(warming),
            parts=found["parts"],
        )


def _file(folder: Path, form: Form, number: int) -> Path:
    return folder / f"{number:04d}.{form}"


def _batches(folder: Path) -> int:
    return len(list(folder.glob(f"*.{Form.COLUMNS}")))


def _client(database: Database) -> Client:
    location = database.location
    return clickhouse_connect.get_client(
        dsn=location.dsn, database=location.database, settings=dict(_SETTINGS)
    )


def _stored(database: Database) -> dict[str, int]:
    question = Path(__file__).with_name("stored.sql").read_text(encoding="utf-8")
    return {name: int(value) for name, value in database.connect().query(question, {})[0].items()}
