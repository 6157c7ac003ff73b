"""The demo's own receiver of alerts: a webhook as any on-call tool has, on loopback."""

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from demo.judgement import Sighting

MAX_BODY = 4 << 20  # bytes


class Sightings:
    """What the receiver has heard, as one sighting per alert from its firing to its resolution."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[str, Sighting] = {}
        self._closed: list[Sighting] = []

    def take(self, payload: dict[str, Any], now: datetime) -> None:
        """Take one notification (Alertmanager's webhook payload, version 4), heard ``now``.

        An alert is told again and again while it fires, and perhaps more than once that it is over.
        """
        if payload.get("version") != "4":
            raise ValueError(f"payload version is {payload.get('version')!r}; it must be '4'")
        with self._lock:
            for alert in payload["alerts"]:
                fingerprint, labels = str(alert["fingerprint"]), dict(alert["labels"])
                known = self._open.get(fingerprint)
                if alert["status"] == "firing" and known is None:
                    self._open[fingerprint] = Sighting(
                        fingerprint=fingerprint,
                        alert=labels["alertname"],
                        labels=labels,
                        fired_at=now,
                        page=str(alert.get("generatorURL", "")),
                        example=next((str(each["url"]) for each in alert.get("members", ())), ""),
                    )
                elif alert["status"] == "resolved" and known is not None:
                    del self._open[fingerprint]
                    self._closed.append(replace(known, resolved_at=now))

    def all(self) -> list[Sighting]:
        """Every sighting so far, the over and the open."""
        with self._lock:
            return [*self._closed, *self._open.values()]

    def firing(self) -> list[str]:
        """The names of the alerts that fire now."""
        with self._lock:
            return sorted(each.alert for each in self._open.values())


class Receiver:
    """Serves the webhook from a thread while the context lasts."""

    def __init__(
        self, sightings: Sightings, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                status = 200
                try:
                    length = int(self.headers.get("Content-Length", "0"))
                    if length > MAX_BODY:
                        raise ValueError(f"{length} bytes are more than {MAX_BODY}")
                    sightings.take(json.loads(self.rfile.read(length)), now())
                except (ValueError, KeyError, TypeError, AttributeError):
                    status = 400
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                """Say nothing: the terminal is for the story."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """Where notifications are to be sent."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/alerts"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
