"""The processes that the demo starts, each ended by its own pid whatever happens."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

GRACE = 5.0  # seconds to end in good order when everything ends
_TETHER = Path(__file__).with_name("tether.py")


class ChildEnded(Exception):
    """A process ended that nobody had told to; the message shows the end of its log."""


class Children:
    """Running processes by name. Leaving the context ends them all.

    Use it from one thread that lives as long as they shall: the kernel ties them to that thread.
    """

    def __init__(self, logs: Path, environment: Mapping[str, str]) -> None:
        self._logs = logs
        self._environment = dict(environment)
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._leaving: set[str] = set()
        logs.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in self._running.values():
            process.send_signal(signal.SIGTERM)
        for name in reversed(list(self._running)):
            self.stop(name, timeout=GRACE)

    def start(
        self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> int:
        """Start a Python program (``-m module arguments…``); returns its pid."""
        if name in self._running:
            raise ValueError(f"{name} runs already, as process {self._running[name].pid}")
        tether = [sys.executable, "-I", "-S", str(_TETHER), str(os.getpid())]
        with (self._logs / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [*tether, sys.executable, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**self._environment, **(environment or {})},
                # Ctrl-C is for the demo alone: it ends its children in order, not all at once.
                start_new_session=True,
            )
        return self._running[name].pid

    def kill(self, name: str) -> None:
        """End it as a crash would: SIGKILL."""
        process = self._running.pop(name)
        process.kill()
        process.wait()

    def stop(self, name: str, *, timeout: float) -> bool:
        """Ask it to end, insist after ``timeout`` seconds; True if asking was enough."""
        self._leaving.discard(name)
        process = self._running.pop(name, None)
        if process is None:
            return True
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return False
        return True

    def ask(self, name: str) -> None:
        """Ask it to end, without waiting for it."""
        self._leaving.add(name)
        self._running[name].send_signal(signal.SIGTERM)

    def has_ended(self, name: str) -> bool:
        """Whether it has ended by itself or on being asked."""
        process = self._running.get(name)
        return process is None or process.poll() is not None

    def check(self) -> None:
        """Raise ChildEnded if one that should be running is not."""
        for name, process in self._running.items():
            if name not in self._leaving and process.poll() is not None:
                log = (self._logs / f"{name}.log").read_text(encoding="utf-8", errors="replace")
                raise ChildEnded(
                    f"{name} ended with {process.returncode}; the end of its log:\n{log[-2000:]}"
                )
