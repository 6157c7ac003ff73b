"""Services under faults: killed and started again at once, on the same data and ports."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self

from tests.faults.audit import Audit, audit
from tests.faults.load import DEFINITION, Load
from tests.peers.clickhouse import free_port
from tests.peers.donewatch import Donewatch, until

# Short intervals, so that much happens between two kills: segments, settlements, departures.
SETTINGS: Final = {
    "SETTLE_INTERVAL": "0.1",
    "SETTLE_GRACE": "0.5",
    "RULES__INTERVAL": "600",
    "COLLECTOR__SEAL_SECONDS": "0.1",
    "COLLECTOR__SEGMENT_ROWS": "500",
    "COLLECTOR__DRAIN_SECONDS": "60",
}
KILLED: Final = -signal.SIGKILL


class Victim(Donewatch):
    """``donewatch up``, ``collector`` or ``rules``, always on the same ports."""

    def __init__(self, directory: Path, command: str = "up", **settings: Any) -> None:
        super().__init__(directory, **{**SETTINGS, **settings})
        self._command = command
        self._otlp_port = str(free_port())
        self.otlp = f"http://127.0.0.1:{self._otlp_port}"
        self.module = "service"
        self.prefix: list[str] = []  # a command that runs it
        (self.workflows / "order.yaml").write_text(DEFINITION)

    def begin(self) -> Self:
        """Start the process without waiting for it."""
        self._ready.unlink(missing_ok=True)
        ports = {"DONEWATCH_PORT": "0", "DONEWATCH_OTLP_PORT": self._otlp_port}
        if self._command == "rules":
            ports = {}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *self.prefix,
                    *(sys.executable, "-m", self.module, self._command),
                    *("--ready-file", str(self._ready)),
                ],
                cwd=self.directory,
                env=self.environment | ports,
                stdout=log,
                stderr=log,
            )
        return self

    def wait_ready(self, seconds: float = 90.0) -> None:
        """Wait until it works."""

        def ready() -> bool:
            assert self.running, f"{self._command} ended instead of working:\n{self.log[-3000:]}"
            return self._ready.exists()

        until(ready, seconds, what="readiness")

    def die(self, point: str, times: int, seconds: float = 60.0) -> None:
        """Run until it kills itself at a failpoint, reached so many times."""
        self.settings["FAILPOINT"] = f"{point}:{times}"
        began = time.monotonic()
        self.begin()
        assert self._process is not None
        try:
            status = self._process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{point} was not reached {times} times in {seconds} s") from None
        finally:
            del self.settings["FAILPOINT"]
        assert status == KILLED, f"{point}: ended with {status}\n{self.log[-3000:]}"
        print(f"{point}:{times} after {time.monotonic() - began:.1f} s", flush=True)

    def live(self, seconds: float) -> None:
        """Run for so long, from its first instruction on, then be killed."""
        self.begin()
        time.sleep(seconds)
        assert self.running, f"it ended by itself:\n{self.log[-3000:]}"
        self.kill()

    @property
    def dsn(self) -> str:
        """Its store."""
        return str(self.settings.get("STORE__DSN", f"chdb://{(self.data / 'store').absolute()}"))

    @property
    def spooled(self) -> list[Path]:
        """Segments that wait on disk."""
        return sorted(
            path
            for path in (self.data / "spool").glob("*")
            if path.suffix in (".open", ".sealed", ".refused", ".draft")
        )

    @property
    def _sealed(self) -> list[Path]:
        return [path for path in self.spooled if path.suffix == ".sealed"]

    @property
    def memory(self) -> int:
        """Bytes of memory it has had at most, since it was started."""
        text = Path(f"/proc/{self.pid}/status").read_text()
        return 1024 * next(
            int(line.split()[1]) for line in text.splitlines() if line.startswith("VmHWM:")
        )

    def metric(self, name: str) -> float:
        """The sum of a metric of the collector."""
        text = self.http.get(f"{self.otlp}/metrics").text
        return sum(
            float(line.rpartition(" ")[2])
            for line in text.splitlines()
            if line.startswith((f"{name} ", f"{name}{{"))
        )

    def end(self) -> None:
        """Once all it holds is stored, stop it as an operator would."""
        if (self.data / "spool").exists():
            # a store that has just come back is not waited for while it stops
            until(lambda: not self._sealed, 60, what="an empty spool")
        assert self.stop(90) == 0, self.log[-3000:]
        assert self.spooled == []
        assert "Traceback" not in self.log, self.log


def conclude(load: Load, dsn: str, directory: Path, kills: Mapping[str, int]) -> Audit:
    """Audit the store, print the table, and demand that all is as it must be."""
    journal = directory / "journal"
    load.write(journal)
    found = audit(dsn, journal)
    print("\n" + "\n".join(_table(found, kills)))
    assert found.wrong == []
    total = found.total
    assert total.lost == 0
    assert total.counted == total.moves
    assert total.acknowledged, "nothing was taken, so nothing is proven"
    return found


def _table(found: Audit, kills: Mapping[str, int]) -> Iterable[str]:
    names = ("sent", "acknowledged", "stored", "copies", "lost", "moves", "counted", "doubled")
    yield f"{'':18}" + "".join(f"{name:>13}" for name in ("kills", *names))
    for place, count in [*found.places.items(), ("all", found.total)]:
        doubled = max(0, count.counted - count.moves)
        killed = sum(kills.values()) if place == "all" else kills.get(place, 0)
        values = [getattr(count, name) for name in names[:-1]]
        yield f"{place:18}" + "".join(f"{each:>13}" for each in (killed, *values, doubled))


def freeze(pid: int) -> None:
    """Stop a process where it is."""
    os.kill(pid, signal.SIGSTOP)


def thaw(pid: int) -> None:
    """Let it go on."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)
