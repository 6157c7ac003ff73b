"""PostgreSQL 15 doing the least of the same: durable batches, each event once, current state.

A server of its own in a temporary folder, on a Unix socket, as an unprivileged user. The client is
a process of its own with its batches prebuilt: it is the load generator, its CPU is told apart.

``python -m benchmarks.postgres SOCKET_FOLDER WAY CONNECTIONS FILE`` is that client.
"""

import json
import os
import pickle
import pwd
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import psutil
import psycopg

from benchmarks.bodies import RESOURCE
from benchmarks.machine import at_rest, cpu_seconds, idle_cores
from donewatch import attributes as names

ROWS: Final = 512  # of one batch, which is one transaction
_HERE: Final = Path(__file__).parent
_DEBIAN: Final = Path("/usr/lib/postgresql/15/bin")
_START: Final = 60.0  # seconds
_COLUMNS: Final = {
    "event_id": "text",
    "event": "text",
    "workflow_type": "text",
    "workflow_version": "text",
    "environment": "text",
    "instance_id": "text",
    "occurred_at": "timestamptz",
    "sequence": "bigint",
    "actor_type": "text",
    "from_state": "text",
    "to_state": "text",
    "action": "text",
    "key": "text",
    "job_id": "text",
    "job_type": "text",
    "job_state": "text",
    "attempt": "bigint",
    "max_attempts": "bigint",
    "error_type": "text",
    "outbox_id": "text",
    "outbox_state": "text",
    "service": "text",
    "service_version": "text",
    "trace_id": "text",
    "span_id": "text",
    "attributes": "jsonb",
}
_SETTINGS: Final = {
    "listen_addresses": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    # as one would tune a machine for it; checkpoints then come seldom
    "shared_buffers": "2GB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "15min",
    "wal_buffers": "64MB",
}


class Way(StrEnum):
    """How a batch gets in."""

    COPY = "copy"  # COPY into a temporary table, and from there
    ROWS = "rows"  # one prepared INSERT of many rows, its columns as arrays
    VALUES = "values"  # one INSERT with a parameter for every value, as applications write it


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """One round; CPU in seconds, of the server alone."""

    seconds: float
    cpu_until_answered: float
    cpu_until_rest: float  # and a checkpoint
    client_cpu: float
    rows: int


def prepare(path: Path, happenings: Sequence[Mapping[str, Any]]) -> None:
    """Write batches as the client sends them, of both ways."""
    rows = [_row(each) for each in happenings]
    batches = [rows[at : at + ROWS] for at in range(0, len(rows), ROWS)]
    made = {
        Way.COPY: [
            "".join("\t".join(map(_copied, row)) + "\n" for row in batch).encode()
            for batch in batches
        ],
        Way.ROWS: [
            tuple(
                "{" + ",".join(map(_element, column)) + "}" for column in zip(*batch, strict=True)
            )
            for batch in batches
        ],
        Way.VALUES: [[value for row in batch for value in row] for batch in batches],
    }
    path.write_bytes(pickle.dumps(made))


@contextmanager
def server() -> Iterator[tuple[psutil.Process, Path]]:
    """A fresh server; yields its main process and the folder of its socket.

    :raises RuntimeError: it is not installed (``make peers``), or does not start.
    """
    programs = _programs()
    owner = _owner()
    folder = Path(tempfile.mkdtemp(prefix="donewatch-pg-"))
    try:
        if owner is not None:
            os.chown(folder, *owner)
        as_owner: dict[str, Any] = (
            {"user": owner[0], "group": owner[1], "extra_groups": []} if owner else {}
        )
        subprocess.run(
            [
                *(str(programs / "initdb"), "-D", str(folder / "data"), "-U", "donewatch"),
                *("--auth=trust", "--locale=C", "--encoding=UTF8", "--no-instructions"),
            ],
            check=True,
            cwd=folder,
            capture_output=True,
            **as_owner,
        )
        command = [str(programs / "postgres"), "-D", str(folder / "data"), "-k", str(folder)]
        for name, value in _SETTINGS.items():
            command += ["-c", f"{name}={value}"]
        with (folder / "log").open("wb") as log:
            run = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, **as_owner)
        try:
            _wait_until_up(run, folder)
            yield psutil.Process(run.pid), folder
        finally:
            run.send_signal(2)  # fast: without waiting for those who are connected
            try:
                run.wait(60)
            except subprocess.TimeoutExpired:
                run.kill()
                run.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def version() -> str:
    """Of the server that is installed."""
    told = subprocess.run(
        [str(_programs() / "postgres"), "--version"], capture_output=True, text=True, check=True
    )
    return told.stdout.strip()


def fill_round(
    batches: Path, way: Way, connections: int, quiet: float, *, indexed: bool = False
) -> Filled:
    """Insert everything in ``batches`` into a fresh server once.

    ``indexed``: with the indexes that reading an instance's history and a time window need, as the
    table of donewatch has them.
    """
    with server() as (process, folder):
        with _connected(folder) as connection:
            connection.execute((_HERE / "postgres.sql").read_bytes())
            if indexed:
                connection.execute((_HERE / "postgres_indexes.sql").read_bytes())
            idle = idle_cores(lambda: cpu_seconds(process), quiet)
            with subprocess.Popen(
                [
                    *(sys.executable, "-m", "benchmarks.postgres", str(folder), way),
                    *(str(connections), str(batches)),
                ],
                cwd=_HERE.parent,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            ) as client:
                assert client.stdin is not None and client.stdout is not None
                if client.stdout.readline() != "ready\n":
                    raise RuntimeError("the client of PostgreSQL did not get through")
                before = cpu_seconds(process)
                client.stdin.write("go\n")
                client.stdin.flush()
                told = client.stdout.readline()
                answered = cpu_seconds(process)
            if client.returncode != 0:
                raise RuntimeError("the client of PostgreSQL failed")
            seen = json.loads(told)
            connection.execute("CHECKPOINT")
            rest = at_rest(lambda: cpu_seconds(process), idle, quiet=quiet)
            found = connection.execute("SELECT count(*) FROM events").fetchone()
            assert found is not None
        return Filled(
            seconds=seen["seconds"],
            cpu_until_answered=answered - before,
            cpu_until_rest=rest.cpu - before,
            client_cpu=seen["cpu_seconds"],
            rows=int(found[0]),
        )


def _programs() -> Path:
    if (_DEBIAN / "initdb").exists():
        return _DEBIAN
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    raise RuntimeError("PostgreSQL is not installed: run make peers")


def _owner() -> tuple[int, int] | None:
    """Who runs the server: it refuses root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return found.pw_uid, found.pw_gid
    raise RuntimeError("PostgreSQL refuses to run as root, and there is no user postgres or nobody")


def _wait_until_up(run: "subprocess.Popen[bytes]", folder: Path) -> None:
    give_up = time.monotonic() + _START
    while True:
        try:
            _connected(folder).close()
        except psycopg.OperationalError:
            if run.poll() is not None or time.monotonic() > give_up:
                raise RuntimeError(f"no PostgreSQL: {(folder / 'log').read_text()}") from None
            time.sleep(0.05)
        else:
            return


def _connected(folder: Path) -> "psycopg.Connection[tuple[Any, ...]]":
    return psycopg.connect(host=str(folder), user="donewatch", dbname="postgres", autocommit=True)


def _row(happening: Mapping[str, Any]) -> tuple[str | None, ...]:
    found = {
        **happening,
        "from_state": happening.get("from"),
        "to_state": happening.get("to"),
        "service": RESOURCE[names.SERVICE_NAME],
        "service_version": RESOURCE[names.SERVICE_VERSION],
        "environment": RESOURCE[names.ENVIRONMENT],
        "occurred_at": (
            datetime(1970, 1, 1, tzinfo=UTC)
            + timedelta(microseconds=happening["occurred_at"] // 1000)
        ).isoformat(),
        "attributes": json.dumps(happening.get("attributes", {})),
    }
    return tuple(None if found.get(name) is None else str(found[name]) for name in _COLUMNS)


def _copied(value: str | None) -> str:
    return "\\N" if value is None else value.replace("\\", "\\\\")


def _element(value: str | None) -> str:
    if value is None:
        return "NULL"
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _statement(source: str) -> bytes:
    text = (_HERE / "postgres_insert.sql").read_text(encoding="utf-8")
    return text.format(columns=", ".join(_COLUMNS), source=source).encode()


def _sender(connection: "psycopg.Connection[tuple[Any, ...]]", way: Way) -> Callable[[Any], None]:
    """What sends one batch durably."""
    if way is Way.ROWS:
        arrays = ", ".join(f"%s::{kind}[]" for kind in _COLUMNS.values())
        given = ", ".join(_COLUMNS)
        statement = _statement(f"unnest({arrays}) AS batch ({given})")

        def send_rows(batch: tuple[str, ...]) -> None:
            connection.execute(statement, batch, prepare=True)

        return send_rows
    if way is Way.VALUES:
        row = "(" + ", ".join(f"%s::{kind}" for kind in _COLUMNS.values()) + ")"

        def send_values(batch: list[str | None]) -> None:
            rows = ", ".join([row] * (len(batch) // len(_COLUMNS)))
            source = f"(VALUES {rows}) AS batch ({', '.join(_COLUMNS)})"
            connection.execute(_statement(source), batch)

        return send_values
    connection.execute(
        "CREATE TEMP TABLE batch (LIKE events INCLUDING DEFAULTS) ON COMMIT DELETE ROWS"
    )
    columns = ", ".join(_COLUMNS)
    copy = f"COPY batch ({columns}) FROM STDIN".encode()
    statement = _statement("batch")

    def send_copy(batch: bytes) -> None:
        with connection.transaction(), connection.cursor() as cursor:
            with cursor.copy(copy) as into:
                into.write(batch)
            cursor.execute(statement, prepare=True)

    return send_copy


def main() -> None:
    """Send everything in the file, as the module's docstring says."""
    folder, way, connections, file = sys.argv[1:]
    batches = pickle.loads(Path(file).read_bytes())[Way(way)]
    waiting = iter(batches)
    lock = threading.Lock()
    errors: list[str] = []
    ends = [_connected(Path(folder)) for _ in range(int(connections))]
    senders = [_sender(end, Way(way)) for end in ends]

    def work(send: Callable[[Any], None]) -> None:
        try:
            while True:
                with lock:
                    batch = next(waiting, None)
                if batch is None:
                    return
                send(batch)
        except Exception as error:  # noqa: BLE001 - reported below
            errors.append(repr(error))

    threads = [threading.Thread(target=work, args=(send,)) for send in senders]
    print("ready", flush=True)
    sys.stdin.readline()
    cpu, began = time.process_time(), time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds, used = time.perf_counter() - began, time.process_time() - cpu
    if errors:
        raise SystemExit("; ".join(errors))
    print(json.dumps({"seconds": seconds, "cpu_seconds": used}), flush=True)
    sys.stdin.read()  # the server's processes are looked at before they end
    for end in ends:
        end.close()


if __name__ == "__main__":
    main()
