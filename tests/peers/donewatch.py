"""The service as users run it: ``donewatch up`` as a process of its own, on free ports."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx

ROOT = Path(__file__).parents[2]
_T = TypeVar("_T")

# Everything that has a rhythm beats fast, so that tests wait little.
QUICK = {
    "MARK_INTERVAL": "0.1",
    "RELOAD_INTERVAL": "0.2",
    "RULES__INTERVAL": "1",
}


def until(look: Callable[[], _T], seconds: float = 30.0, *, what: str = "") -> _T:
    """Look again and again until there is something; an error when nothing comes."""
    end = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > end:
            raise AssertionError(f"{what or 'it'} never came to pass; the last look gave {found!r}")
        time.sleep(0.03)
    return found


class Donewatch:
    """One service. It may be stopped or killed, and started again on the same data and ports.

    ``settings`` are ``DONEWATCH_*`` without their prefix, texts or what JSON can say.
    """

    def __init__(self, directory: Path, **settings: Any) -> None:
        self.directory = directory
        self.workflows = directory / "workflows"
        self.rules = directory / "rules"
        self.data = directory / "data"
        for folder in (self.workflows, self.rules):
            folder.mkdir(parents=True, exist_ok=True)
        self.settings: dict[str, Any] = {
            **QUICK,
            "DATA_DIR": self.data,
            "WORKFLOWS_DIR": self.workflows,
            "RULES_DIR": self.rules,
            **settings,
        }
        self.token = ""
        self.ports = ("0", "0")
        self.pages = ""
        self.otlp = ""
        self._log = directory / "log"
        self._ready = directory / "ready.json"
        self._process: subprocess.Popen[bytes] | None = None
        self.http = httpx.Client(trust_env=False, timeout=30.0)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the process."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("DONEWATCH_", "OTEL_"))
        }
        given = {
            f"DONEWATCH_{name}": json.dumps(value) if isinstance(value, list) else str(value)
            for name, value in self.settings.items()
        }
        return {**inherited, "PYTHONPATH": str(ROOT), **given}

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        """Everything that it has written to its terminal."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def begin(self) -> Self:
        """Start the process without waiting for it."""
        self._ready.unlink(missing_ok=True)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "service", "up"),
                    *("--port", self.ports[0], "--otlp-port", self.ports[1]),
                    *("--ready-file", str(self._ready)),
                ],
                cwd=self.directory,
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        return self

    def start(self, seconds: float = 60.0) -> Self:
        """Start it and wait until it listens."""
        self.begin()
        self.wait_ready(seconds)
        return self

    def wait_ready(self, seconds: float = 60.0) -> None:
        """Wait until it listens."""

        def ready() -> bool:
            if not self.running:
                raise AssertionError(f"the service ended instead of listening:\n{self.log}")
            return self._ready.exists()

        until(ready, seconds, what="readiness")
        found = json.loads(self._ready.read_text(encoding="utf-8"))
        assert found["pid"] == self.pid
        self.pages, self.otlp = found["pages"], found["otlp"]
        self.ports = (self.pages.rpartition(":")[2], self.otlp.rpartition(":")[2])

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def terminate(self) -> None:
        """Ask it to end."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)

    def wait(self, seconds: float = 30.0) -> int:
        """Its exit status."""
        assert self._process is not None
        return self._process.wait(timeout=seconds)

    def stop(self, seconds: float = 30.0) -> int:
        """Ask it to end, and wait; its exit status."""
        self.terminate()
        return self.wait(seconds)

    def get(self, path: str, **parameters: Any) -> httpx.Response:
        """Ask the pages' port."""
        return self.http.get(self.pages + path, params=parameters or None, headers=self._headers())

    def api(self, path: str, **parameters: Any) -> Any:
        """What the API answers; it must be well."""
        answer = self.get(f"/api/v1{path}", **parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def items(self, path: str, **parameters: Any) -> list[Any]:
        """All pages of a list of the API."""
        found: list[Any] = []
        cursor = ""
        while True:
            page = self.api(path, limit=1000, cursor=cursor, **parameters)
            found += page["items"]
            if not (cursor := page["next_cursor"] or ""):
                return found

    def send(self, events: Sequence[Mapping[str, Any]]) -> httpx.Response:
        """Send events as NDJSON."""
        lines = "\n".join(json.dumps(event) for event in events)
        return self.http.post(
            f"{self.otlp}/api/v1/events",
            content=lines.encode(),
            headers={"Content-Type": "application/x-ndjson", **self._headers()},
        )

    def take(self, *events: Mapping[str, Any]) -> None:
        """Send events that must be accepted."""
        answer = self.send(events)
        assert answer.status_code == 200, answer.text
        assert answer.json() == {"accepted": len(events), "rejected": []}

    def wait_counted(self, seconds: float = 60.0) -> None:
        """Wait until everything that was accepted before this call counts in figures."""
        begun = datetime.now(UTC)

        def counted() -> bool:
            return self.at(self.api("/ingest")["watermarks"], "flushed") >= begun

        until(counted, seconds, what="a watermark beyond what was sent")

    def alert(self, name: str) -> dict[str, Any] | None:
        """The alert of that name, if there is one."""
        found = [each for each in self.items("/alerts") if each["name"] == name]
        assert len(found) <= 1, found
        return found[0] if found else None

    def wait_alert(self, name: str, state: str, seconds: float = 30.0) -> dict[str, Any]:
        """Wait until the alert of that name is in that state."""

        def look() -> dict[str, Any]:
            found = self.alert(name) or {}
            return found if found.get("state") == state else {}

        return until(look, seconds, what=f"{name} {state}")

    def rule(self, name: str) -> dict[str, Any] | None:
        """The rule of that name, if there is one."""
        return next((each for each in self.items("/rules") if each["name"] == name), None)

    def wait_evaluated(self, name: str, times: int = 2) -> dict[str, Any]:
        """Wait until a rule has been evaluated again, so many times."""
        found = self.rule(name) or {}
        for _ in range(times):
            before = found.get("last_evaluation")

            def again(before: str | None = before) -> dict[str, Any]:
                rule = self.rule(name) or {}
                new = rule.get("last_evaluation") not in (None, before)
                return rule if new else {}

            found = until(again, what=f"an evaluation of {name}")
        return found

    @staticmethod
    def at(found: Mapping[str, Any] | None, name: str) -> datetime:
        """A time in what the API answered; long ago where there is none."""
        text = (found or {}).get(name)
        return datetime.fromisoformat(text) if text else datetime.fromtimestamp(0, UTC)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def close(self) -> None:
        """End it whatever its state."""
        self.kill()
        self.http.close()


def run(directory: Path, *arguments: str, **settings: Any) -> subprocess.CompletedProcess[str]:
    """A command of ``donewatch`` that ends by itself."""
    service = Donewatch(directory, **settings)
    try:
        return subprocess.run(
            [sys.executable, "-m", "service", *arguments],
            cwd=directory,
            env=service.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        service.close()


@contextmanager
def donewatch(directory: Path, **settings: Any) -> Iterator[Donewatch]:
    """A running service, killed afterwards."""
    service = Donewatch(directory, **settings)
    try:
        yield service.start()
    finally:
        service.close()
