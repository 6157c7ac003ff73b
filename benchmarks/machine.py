"""Where and when something was measured, who else was using the machine, and when it is done."""

import os
import platform
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import psutil

_PACKAGES: Final = ("chdb", "chdb-core", "clickhouse-connect", "protobuf", "psycopg", "uvicorn")
_SAMPLE: Final = 0.2  # seconds
_RESOLUTION: Final = 0.011  # seconds; the kernel counts CPU in hundredths


@dataclass(frozen=True, slots=True)
class Rest:
    """When a process came to rest after its work: background merges done, no CPU beyond idle."""

    seconds: float | None  # until then; None if it never did
    cpu: float  # CPU-seconds it had used by then, since its start


def described(folder: Path) -> dict[str, Any]:
    """The machine and the versions, for the results; ``folder`` is on the disk that is used."""
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "cores": os.cpu_count(),
        "processor": _processor(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "kernel": platform.release(),
        "fsync_ms": round(_fsync(folder) * 1000, 2),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in _PACKAGES},
        "load_average": [round(each, 2) for each in os.getloadavg()],
    }


def busy_seconds() -> float:
    """CPU-seconds that all processes of the machine have used, and what the host took from it."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - times.iowait)


def cpu_seconds(*processes: psutil.Process) -> float:
    """CPU-seconds of processes, their threads and their children, living or ended."""
    found = 0.0
    for process in processes:
        times = process.cpu_times()
        found += times.user + times.system + times.children_user + times.children_system
        for child in process.children(recursive=True):
            try:
                own = child.cpu_times()
            except psutil.NoSuchProcess:  # ended just now: its parent's from now on
                continue
            found += own.user + own.system
    return found


def peak_memory(processes: Sequence[psutil.Process]) -> int:
    """Bytes resident at most, the peaks of all added; 0 where the system does not tell."""
    found = 0
    for process in processes:
        status = Path(f"/proc/{process.pid}/status")
        lines = status.read_text().splitlines() if status.exists() else []
        found += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
    return found


def idle_cores(cpu: Callable[[], float], seconds: float) -> float:
    """How many cores something uses that has nothing to do, over so many seconds."""
    before, began = cpu(), time.perf_counter()
    time.sleep(seconds)
    return (cpu() - before) / (time.perf_counter() - began)


def at_rest(
    cpu: Callable[[], float],
    idle: float,
    *,
    quiet: float,
    merging: Callable[[], bool] = lambda: False,
    timeout: float = 300.0,
) -> Rest:
    """Wait until nothing merges and no more CPU is used than when idle, for ``quiet`` seconds.

    What is used while that silence is waited for is not counted.
    """
    began = time.perf_counter()
    since, used = began, cpu()
    while (present := time.perf_counter()) - began < timeout:
        if present - since >= quiet:
            return Rest(since - began, used)
        before = cpu()
        time.sleep(_SAMPLE)
        passed = time.perf_counter() - present
        after = cpu()
        if merging() or after - before > (idle * 1.5 + 0.06) * passed + _RESOLUTION:
            since, used = time.perf_counter(), after
    return Rest(None, cpu())


def merging(folder: Path) -> bool:
    """Whether a ClickHouse with its data in ``folder`` is writing a part, by merge or insert.

    Seen from outside: an embedded engine answers nobody but its own process.
    """
    return any(True for _ in folder.glob("store/*/*/tmp_*"))


def _fsync(folder: Path) -> float:
    """Median seconds of one write of 64 KiB with its fsync."""
    taken = []
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        for _ in range(31):
            began = time.perf_counter()
            file.write(bytes(65536))
            file.flush()
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), "")


def _commit() -> str:
    found = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=10"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip()
