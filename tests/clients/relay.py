"""What stands between a client and the collector: it forwards, is busy, or loses the answer."""

import gzip
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import httpx

RETRY_AFTER = 2  # seconds that a client is told to wait


class Fate(Enum):
    """What becomes of a request."""

    PASSED = auto()
    BUSY = auto()  # 429, nobody ever saw it
    ANSWER_LOST = auto()  # taken by the collector, and answered 503 by a proxy all the same


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as it was sent. ``at`` in seconds of a clock that only counts."""

    at: float
    path: str
    headers: dict[str, str]
    body: bytes
    status: int

    @property
    def content(self) -> bytes:
        """The body, decompressed."""
        zipped = self.headers.get("content-encoding") == "gzip"
        return gzip.decompress(self.body) if zipped else self.body


class Relay:
    """Serves from a thread while the context lasts; the first requests meet ``fates`` in turn."""

    def __init__(self, target: str, fates: Sequence[Fate] = ()) -> None:
        self.seen: list[Seen] = []
        self._fates = list(fates)
        self._http = httpx.Client(base_url=target, trust_env=False, timeout=30)
        relay = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                relay._answer(self, headers, self._body(headers))

            def _body(self, headers: dict[str, str]) -> bytes:
                if headers.get("transfer-encoding") != "chunked":
                    return self.rfile.read(int(headers["content-length"]))
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """Where clients send to."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def _answer(self, handler: Any, headers: dict[str, str], body: bytes) -> None:
        at = time.monotonic()
        fate = self._fates.pop(0) if self._fates else Fate.PASSED
        status, sent, kind, wait = 429, b"", "text/plain", RETRY_AFTER
        if fate is not Fate.BUSY:
            status, sent, kind = self._forward(handler.path, headers, body)
            assert fate is Fate.PASSED or status == 200, sent
            if fate is Fate.ANSWER_LOST:
                status, sent, kind = 503, b"", "text/plain"
        self.seen.append(Seen(at, handler.path, headers, body, status))
        handler.send_response(status)
        if status in (429, 503):
            handler.send_header("Retry-After", str(wait))
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(sent)))
        handler.end_headers()
        handler.wfile.write(sent)

    def _forward(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes, str]:
        names = ("content-type", "content-encoding", "authorization")
        passed = {name: headers[name] for name in names if name in headers}
        answer = self._http.post(path, content=body, headers=passed)
        return answer.status_code, answer.content, answer.headers["content-type"]

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
        self._http.close()
