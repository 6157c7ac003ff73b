"""The real service as a process, fed by the load generator, measured from outside."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import httpx
import psutil

from benchmarks.bodies import Form
from benchmarks.bulk import alone, stored
from benchmarks.load import Sent
from benchmarks.machine import at_rest, busy_seconds, cpu_seconds, idle_cores, merging, peak_memory
from benchmarks.orders import WORKFLOW
from tests.peers.clickhouse import clickhouse_server

ROOT: Final = Path(__file__).parent.parent
WORKFLOWS: Final = ROOT / "demo" / "workflows"
_START: Final = 60.0  # seconds
_COUNTED: Final = 300.0  # seconds after the last answer, at most
_NEVER: Final = "86400"  # seconds
_PAUSE: Final = 0.1  # seconds between two looks whether all is counted


class Setup(StrEnum):
    """How donewatch is run."""

    EMBEDDED = "embedded"  # `donewatch up`, everything in one process
    SERVER = "server"  # `donewatch up` and a ClickHouse server
    # received and stored alone: nothing is settled, no rule evaluated
    EMBEDDED_STORED = "embedded-stored"
    SERVER_STORED = "server-stored"  # `donewatch collector` and a ClickHouse server

    @property
    def on_server(self) -> bool:
        """Whether a ClickHouse server is the store."""
        return self in (Setup.SERVER, Setup.SERVER_STORED)

    @property
    def counts(self) -> bool:
        """Whether what is sent comes to count in figures."""
        return self in (Setup.EMBEDDED, Setup.SERVER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A running one."""

    processes: list[psutil.Process]
    otlp: str
    pages: str
    data: Path  # of the engine
    dsn: str  # of the server; empty for embedded

    def cpu(self) -> float:
        """CPU-seconds of all its processes."""
        return cpu_seconds(*self.processes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One round. CPU in seconds, of every process but the load generator."""

    sent: Sent
    counted_seconds: float | None  # from the first byte until the last event counted
    cpu_until_answered: float
    cpu_until_counted: float | None
    cpu_until_merged: float  # and nothing more was done
    merged_after: float | None  # seconds after the last event counted
    idle_cores: float  # what the service used before anything was sent
    others_cores: float  # what others used of the machine, from first byte to last answer
    peak_memory: int  # bytes resident
    in_store: dict[str, int]


@contextmanager
def service(folder: Path, setup: Setup, **settings: str) -> Iterator[Service]:
    """The service with its data in ``folder``, ended afterwards.

    The demo's definition and so its default rules are in force, where anything is to be counted.
    """
    folder.mkdir(parents=True, exist_ok=True)
    nothing, ready = folder / "no-rules", folder / "ready.json"
    nothing.mkdir(exist_ok=True)
    ready.unlink(missing_ok=True)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("DONEWATCH_")},
        "PYTHONPATH": str(ROOT),
        "DONEWATCH_DATA_DIR": str(folder / "data"),
        "DONEWATCH_WORKFLOWS_DIR": str(WORKFLOWS if setup.counts else nothing),
        "DONEWATCH_RULES_DIR": str(nothing),
        "DONEWATCH_LOG_LEVEL": "warning",
        **({} if setup.counts else {"DONEWATCH_SETTLE_INTERVAL": _NEVER}),
        **{f"DONEWATCH_{name}": value for name, value in settings.items()},
    }
    processes: list[psutil.Process] = []
    data, dsn = folder / "data" / "store", ""
    with ExitStack() as stack:
        if setup.on_server:
            server = stack.enter_context(clickhouse_server(folder / "server"))
            data, dsn = folder / "server" / "data", server.dsn
            environment["DONEWATCH_STORE__DSN"] = dsn
            processes.append(psutil.Process(server.pid))
        command = [sys.executable, "-m", "service"]
        command += ["collector"] if setup is Setup.SERVER_STORED else ["up", "--port", "0"]
        command += ["--otlp-port", "0", "--ready-file", str(ready)]
        log = stack.enter_context((folder / "log").open("wb"))
        run = stack.enter_context(
            subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        )
        stack.callback(_end, run)
        give_up = time.monotonic() + _START
        while not ready.exists():
            if run.poll() is not None or time.monotonic() > give_up:
                raise RuntimeError(f"no service: {(folder / 'log').read_text()[-2000:]}")
            time.sleep(0.02)
        found = json.loads(ready.read_text())
        processes.append(psutil.Process(run.pid))
        yield Service(
            processes=processes,
            otlp=found["otlp"],
            pages=found.get("pages", ""),
            data=data,
            dsn=dsn,
        )


def serve_round(
    folder: Path,
    setup: Setup,
    form: Form,
    warm: Path,
    bodies: Path,
    *,
    transitions: int,
    connections: int,
    quiet: float,
) -> Served:
    """Send everything in ``bodies`` to a fresh service once.

    ``transitions`` of its events are to be counted, where anything is.
    """
    with service(folder, setup) as running:
        command = [sys.executable, "-m", "benchmarks.load", running.otlp, form]
        with subprocess.Popen(
            [*command, str(warm), str(bodies), str(connections)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as load:
            assert load.stdin is not None and load.stdout is not None
            if load.stdout.readline() != "ready\n":
                raise RuntimeError("the load generator did not get through")
            at_rest(running.cpu, 0.05, quiet=quiet, timeout=20)
            idle = idle_cores(running.cpu, quiet)
            from_ = datetime.now(UTC)
            before, busy, began = running.cpu(), busy_seconds(), time.perf_counter()
            load.stdin.write("go\n")
            load.stdin.flush()
            told = load.stdout.readline()
            answered = running.cpu()
            passed = time.perf_counter() - began
            busy = busy_seconds() - busy
        if load.returncode != 0:
            raise RuntimeError("the load generator failed")
        sent = Sent(**json.loads(told))
        counted_seconds = until_counted = None
        if setup.counts:
            _wait_until_counted(running.pages, from_, transitions)
            counted_seconds = time.time() - sent.first_at
            until_counted = running.cpu() - before
        rest = at_rest(running.cpu, idle, quiet=quiet, merging=lambda: merging(running.data))
        memory = peak_memory(running.processes)
    in_store = alone(stored, running.data)
    return Served(
        sent=sent,
        counted_seconds=counted_seconds,
        cpu_until_answered=answered - before,
        cpu_until_counted=until_counted,
        cpu_until_merged=rest.cpu - before,
        merged_after=rest.seconds,
        idle_cores=idle,
        others_cores=max(0.0, (busy - (answered - before) - sent.cpu_seconds) / passed),
        peak_memory=memory,
        in_store=in_store,
    )


def _wait_until_counted(pages: str, from_: datetime, transitions: int) -> None:
    """Until a figure counts so many that happened from a moment on.

    :raises RuntimeError: it never does.
    """
    give_up = time.monotonic() + _COUNTED
    with httpx.Client(base_url=pages, trust_env=False, timeout=60.0) as client:
        while (present := _counted(client, from_)) != transitions:
            if time.monotonic() > give_up:
                raise RuntimeError(f"{present} of {transitions} are counted after {_COUNTED:g} s")
            time.sleep(_PAUSE)


def _counted(client: httpx.Client, from_: datetime) -> int:
    # one step, so that it is asked once: how often each way was taken
    asked = {"figure": "edges", "step": "100d", "from": from_.isoformat()}
    answer = client.get(
        f"/api/v1/workflows/{WORKFLOW}/series",
        params={**asked, "to": datetime.now(UTC).isoformat()},
    )
    if answer.status_code != 200:  # too much for the time a page may take; it will be less
        return -1
    lines = answer.json()["series"]
    return int(sum(point["value"] or 0 for line in lines for point in line["points"]))


def _end(run: "subprocess.Popen[Any]") -> None:
    run.terminate()
    try:
        run.wait(60)
    except subprocess.TimeoutExpired:
        run.kill()
