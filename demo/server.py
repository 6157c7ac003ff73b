"""The service under demonstration: ``donewatch up`` as a process, and what the demo asks of it."""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from demo.children import Children

HOME = Path(__file__).parent
READY_TIMEOUT = 90.0  # seconds; opening an empty store takes one, on a busy machine many
STOP_TIMEOUT = 30.0
ACTIVE = ("pending", "firing", "recovering")
ACCEPTED = "donewatch_collector_events_accepted_total"


def clean_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment without settings meant for other runs of donewatch and OpenTelemetry."""
    return {
        name: value
        for name, value in environment.items()
        if not name.startswith(("DONEWATCH_", "OTEL_"))
    }


@dataclass(frozen=True, slots=True)
class Server:
    """A running service. ``pages`` and ``otlp`` are its URLs, ``dsn`` its store."""

    children: Children
    pages: str
    otlp: str
    dsn: str

    @classmethod
    def start(
        cls, children: Children, data_dir: Path, *, webhook: str, port: int, otlp_port: int
    ) -> "Server":
        """Start it on an empty ``data_dir`` and wait until it is ready.

        :raises ChildEnded: it ended instead.
        :raises TimeoutError: it is not ready after :data:`READY_TIMEOUT` seconds.
        """
        ready = data_dir / "ready.json"
        dsn = f"chdb://{data_dir / 'store'}"
        ports = ["--port", str(port), "--otlp-port", str(otlp_port)]
        children.start(
            "donewatch",
            ["-m", "service", "up", *ports, "--ready-file", str(ready)],
            {
                "DONEWATCH_DATA_DIR": str(data_dir),
                "DONEWATCH_STORE__DSN": dsn,
                "DONEWATCH_WORKFLOWS_DIR": str(HOME / "workflows"),
                "DONEWATCH_RULES_DIR": str(HOME / "rules"),
                "DONEWATCH_NOTIFY__WEBHOOKS": json.dumps([webhook]),
            },
        )
        deadline = time.monotonic() + READY_TIMEOUT
        while not ready.exists():
            children.check()
            if time.monotonic() > deadline:
                raise TimeoutError(f"donewatch up was not ready after {READY_TIMEOUT:g} s")
            time.sleep(0.1)
        found = json.loads(ready.read_text(encoding="utf-8"))
        return cls(children, found["pages"], found["otlp"], dsn)

    def active_alerts(self) -> list[str] | None:
        """Fingerprints of the alerts that are not over; None if the service did not answer."""
        try:
            answer = httpx.get(f"{self.pages}/api/v1/alerts", timeout=5.0)
            answer.raise_for_status()
        except httpx.HTTPError:
            return None
        return [each["fingerprint"] for each in answer.json()["items"] if each["state"] in ACTIVE]

    def accepted(self) -> int:
        """Events that the collector has accepted, copies and heartbeats among them."""
        answer = httpx.get(f"{self.otlp}/metrics", timeout=10.0)
        answer.raise_for_status()
        return accepted_in(answer.text)

    def stop(self) -> bool:
        """End it in good order, so that the store can be opened; False if it had to be killed."""
        return self.children.stop("donewatch", timeout=STOP_TIMEOUT)


def accepted_in(exposition: str) -> int:
    """The accepted counter in Prometheus's text format, summed over its labels.

    :raises ValueError: it is not there.
    """
    values = [
        int(sample.value)
        for family in text_string_to_metric_families(exposition)
        for sample in family.samples
        if sample.name == ACCEPTED
    ]
    if not values:
        raise ValueError(f"the collector's metrics have no {ACCEPTED}")
    return sum(values)
