"""A collector that really checks, remembers what it took, and misbehaves on demand."""

import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from collector.check import Checker
from collector.limits import Limits
from collector.native import decode_native
from collector.records import Refusal
from lifecycle.events import Event

RECEIVED = 1_790_000_000_000_000  # microseconds; every event here is older


@dataclass
class Answer:
    """An answer in place of the true one; ``take``: what was sent is kept all the same."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    take: bool = False
    hang_up: bool = False  # no answer at all


Misbehave = Callable[[int, bytes], Answer | None]


class FakeCollector:
    """``misbehave`` is given the number of the request (from 0, without greetings) and its body."""

    def __init__(self, misbehave: Misbehave = lambda number, body: None) -> None:
        self.events: dict[tuple[str, str], Event] = {}
        self.copies: Counter[tuple[str, str]] = Counter()
        self.sizes: list[int] = []  # rows of each request
        self.bodies = 0
        self.tokens: set[str | None] = set()
        self._lock = threading.Lock()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                fake.tokens.add(self.headers.get("authorization"))
                number = -1
                if body:
                    with fake._lock:
                        number, fake.bodies = fake.bodies, fake.bodies + 1
                odd = misbehave(number, body) if body else None
                if odd and odd.take:
                    fake._take(body)
                if odd and odd.hang_up:
                    self.close_connection = True
                    return
                if odd:
                    told = odd.body or {"detail": f"a fake {odd.status}", "status": odd.status}
                    kind = "application/problem+json" if odd.status != 200 else "application/json"
                    self._answer(odd.status, told, kind, odd.headers)
                else:
                    self._answer(200, fake._take(body), "application/json", {})

            def _answer(self, status: int, told: Any, kind: str, headers: dict[str, str]) -> None:
                text = json.dumps(told).encode()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(text)))
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: Any) -> None:
                """Keep quiet."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                """A client that is killed says no goodbye."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(
            target=lambda: self._server.serve_forever(poll_interval=0.01), daemon=True
        )

    def _take(self, body: bytes) -> dict[str, Any]:
        check = Checker(tenant="t", collector="c", received_at=RECEIVED, limits=Limits())
        found = [check(record) for record in decode_native(body, Limits(), lines=True)]
        events = [each for each in found if isinstance(each, Event)]
        with self._lock:
            if body:
                self.sizes.append(len(found))
            for event in events:
                self.copies[event.instance_id, event.event_id] += 1
                self.events[event.instance_id, event.event_id] = event
        refused = [each for each in found if isinstance(each, Refusal)]
        return {
            "accepted": len(events),
            "rejected": [
                {"index": each.index, "field": each.field, "error": each.error} for each in refused
            ],
        }

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
