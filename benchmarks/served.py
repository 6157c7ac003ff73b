"""The real service as a process, fed by the load generator, measured from outside."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psutil

from benchmarks.load import Sent
from benchmarks.machine import busy_seconds, cpu_seconds, idle_cores, settle

_START: Final = 60.0  # seconds
_ROOT: Final = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One round. CPU in seconds, of the service with its children alone."""

    sent: Sent
    cpu_until_answered: float  # from the first byte to the last answer
    cpu_until_settled: float  # until merges had settled as well
    settling: float | None  # seconds; None if they did not
    idle_cores: float  # what the service used before anything was sent
    others_cores: float  # what everybody else but the load generator used of the machine meanwhile
    peak_memory: int  # bytes resident


@contextmanager
def service(folder: Path, workflows: Path | None = None) -> Iterator[tuple[psutil.Process, str]]:
    """``donewatch up`` with an empty embedded store in ``folder``; yields it and where OTLP goes.

    Without ``workflows`` there are no definitions, and so no rules that would be evaluated.
    """
    ready = folder / "ready.json"
    nothing = folder / "nothing"
    nothing.mkdir(parents=True)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("DONEWATCH_")},
        "DONEWATCH_DATA_DIR": str(folder / "data"),
        "DONEWATCH_WORKFLOWS_DIR": str(workflows or nothing),
        "DONEWATCH_RULES_DIR": str(nothing),
        "DONEWATCH_LOG_LEVEL": "warning",
    }
    command = [str(Path(sys.executable).with_name("donewatch")), "up", "--port", "0"]
    command += ["--otlp-port", "0", "--ready-file", str(ready)]
    log = (folder / "log").open("wb")
    with log, subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log) as run:
        try:
            give_up = time.monotonic() + _START
            while not ready.exists():
                if run.poll() is not None or time.monotonic() > give_up:
                    raise RuntimeError(f"no service: {(folder / 'log').read_text()[-2000:]}")
                time.sleep(0.02)
            yield psutil.Process(run.pid), json.loads(ready.read_text())["otlp"]
        finally:
            run.terminate()
            try:
                run.wait(30)
            except subprocess.TimeoutExpired:
                run.kill()


def serve_round(
    folder: Path,
    warm: Path,
    bodies: Path,
    *,
    connections: int,
    quiet: float,
    workflows: Path | None = None,
) -> Served:
    """Send everything in ``bodies`` to a fresh service once; its store stays in ``folder``."""
    with service(folder, workflows) as (process, address):
        command = [sys.executable, "-m", "benchmarks.load", address, str(warm), str(bodies)]
        with subprocess.Popen(
            [*command, str(connections)],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as load:
            assert load.stdin is not None and load.stdout is not None
            if load.stdout.readline() != "ready\n":
                raise RuntimeError("the load generator did not get through")
            settle(lambda: cpu_seconds(process), 0.0, quiet=quiet, timeout=10)
            idle = idle_cores(lambda: cpu_seconds(process), quiet)
            before, busy, began = cpu_seconds(process), busy_seconds(), time.perf_counter()
            load.stdin.write("go\n")
            load.stdin.flush()
            told = load.stdout.readline()
            answered = cpu_seconds(process)
            passed = time.perf_counter() - began
            busy = busy_seconds() - busy
        if load.returncode != 0:
            raise RuntimeError("the load generator failed")
        seen: dict[str, Any] = json.loads(told)
        settling = settle(lambda: cpu_seconds(process), idle, quiet=quiet)
        return Served(
            sent=Sent(**seen),
            cpu_until_answered=answered - before,
            cpu_until_settled=cpu_seconds(process) - before,
            settling=settling,
            idle_cores=idle,
            others_cores=(busy - (answered - before) - seen["cpu_seconds"]) / passed,
            peak_memory=_peak_memory(process.pid),
        )


def _peak_memory(pid: int) -> int:
    """Of Linux; 0 elsewhere."""
    status = Path(f"/proc/{pid}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
