"""Parts of donewatch, each a process of its own on one ClickHouse server."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

from tests.peers.donewatch import Donewatch, until


class Part(Donewatch):
    """``donewatch collector``, ``rules`` or ``api``; the directory of files is shared by all."""

    def __init__(self, command: str, directory: Path, **settings: Any) -> None:
        super().__init__(directory / command, **settings)
        self.command = command

    def begin(self) -> Self:
        """Start the process without waiting for it."""
        self._ready.unlink(missing_ok=True)
        ports = {"collector": "OTLP_PORT", "api": "PORT"}
        free = {f"DONEWATCH_{ports[self.command]}": "0"} if self.command in ports else {}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "service", self.command, "--ready-file", str(self._ready)],
                cwd=self.directory,
                env=self.environment | free,
                stdout=log,
                stderr=log,
            )
        return self

    def wait_ready(self, seconds: float = 60.0) -> None:
        """Wait until it works; its addresses are those it has."""

        def ready() -> bool:
            assert self.running, f"{self.command} ended instead of working:\n{self.log}"
            return self._ready.exists()

        until(ready, seconds, what=f"readiness of {self.command}")
        found = json.loads(self._ready.read_text(encoding="utf-8"))
        assert found.pop("pid") == self.pid
        self.pages, self.otlp = found.pop("pages", ""), found.pop("otlp", "")
        assert found == {}
