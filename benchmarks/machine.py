"""Where and when something was measured, and who else was using the machine."""

import os
import platform
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import psutil

_PACKAGES: Final = ("chdb", "chdb-core", "clickhouse-connect", "protobuf", "uvicorn")
_SAMPLE: Final = 0.25  # seconds


def described() -> dict[str, Any]:
    """The machine and the versions, for the results."""
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in _PACKAGES},
        "load_average": [round(each, 2) for each in os.getloadavg()],
    }


def busy_seconds() -> float:
    """CPU-seconds that all processes of the machine have used, and what the host took from it."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - times.iowait)


def cpu_seconds(process: psutil.Process) -> float:
    """CPU-seconds of a process, its threads and its children, living or ended."""
    times = process.cpu_times()
    found = times.user + times.system + times.children_user + times.children_system
    for child in process.children(recursive=True):
        own = child.cpu_times()
        found += own.user + own.system
    return float(found)


def idle_cores(cpu: Callable[[], float], seconds: float) -> float:
    """How many cores something uses that has nothing to do, over so many seconds."""
    before, began = cpu(), time.perf_counter()
    time.sleep(seconds)
    return (cpu() - before) / (time.perf_counter() - began)


def settle(
    cpu: Callable[[], float], idle: float, *, quiet: float, timeout: float = 60.0
) -> float | None:
    """Wait until no more CPU is used than when idle, for ``quiet`` seconds: merges are done.

    Returns how many seconds it took until then, ``None`` if it never happened.
    """
    began = time.perf_counter()
    since = began
    while (present := time.perf_counter()) - began < timeout:
        if present - since >= quiet:
            return since - began
        before = cpu()
        time.sleep(_SAMPLE)
        passed = time.perf_counter() - present
        if cpu() - before > (idle + 0.06) * passed + 0.011:  # 0.01 is the kernel's resolution
            since = time.perf_counter()
    return None


def _commit() -> str:
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=10"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip()
