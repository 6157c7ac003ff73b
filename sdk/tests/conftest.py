"""A real OTLP/HTTP endpoint on loopback that decodes what it gets and answers as told."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)

import donewatch
from donewatch.runtime import runtime


@dataclass(frozen=True)
class Received:
    name: str
    attributes: dict[str, Any]
    resource: dict[str, Any]
    trace_id: str
    span_id: str
    time: int


@dataclass(frozen=True)
class Reply:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    keep: bool = True  # whether the records count as received


Behaviour = Callable[[ExportLogsServiceRequest, int], Reply]


class Sink:
    """Everything received, and ``behave``: from the request and its number (from 0) to the
    reply."""

    def __init__(self) -> None:
        self.records: list[Received] = []
        self.headers: list[dict[str, str]] = []
        self.behave: Behaviour = lambda request, number: Reply()
        self.released = threading.Event()  # what a hanging behaviour waits for
        self.changed = threading.Condition()
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                reply = sink.take(self.path, dict(self.headers), body)
                self.send_response(reply.status)
                headers = {"content-type": "application/x-protobuf", **reply.headers}
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)

            def log_message(self, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass  # clients of these tests are killed in the middle of a request

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def take(self, path: str, headers: dict[str, str], body: bytes) -> Reply:
        assert path == "/v1/logs"
        request = ExportLogsServiceRequest.FromString(body)
        with self.changed:
            number = len(self.headers)
            self.headers.append({name.lower(): value for name, value in headers.items()})
            self.changed.notify_all()
        reply = self.behave(request, number)
        if reply.status == 200 and reply.keep:
            with self.changed:
                self.records.extend(decode(request))
                self.changed.notify_all()
        return reply

    def events(self) -> list[Received]:
        return [each for each in self.records if each.name != "donewatch.heartbeat"]

    def heartbeats(self) -> list[Received]:
        return [each for each in self.records if each.name == "donewatch.heartbeat"]

    def wait(self, happened: Callable[[], Any], timeout: float = 20) -> None:
        with self.changed:
            assert self.changed.wait_for(happened, timeout), f"received {len(self.records)}"

    def hang(self, request: ExportLogsServiceRequest, number: int) -> Reply:
        self.released.wait(60)
        return Reply()

    def close(self) -> None:
        self.released.set()
        self.server.shutdown()
        self.server.server_close()


def decode(request: ExportLogsServiceRequest) -> list[Received]:
    return [
        Received(
            name=record.event_name,
            attributes={each.key: plain(each.value) for each in record.attributes},
            resource={each.key: plain(each.value) for each in resource.resource.attributes},
            trace_id=record.trace_id.hex(),
            span_id=record.span_id.hex(),
            time=record.time_unix_nano,
        )
        for resource in request.resource_logs
        for scope in resource.scope_logs
        for record in scope.log_records
    ]


def plain(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [plain(each) for each in value.array_value.values]
    if kind == "kvlist_value":
        return {each.key: plain(each.value) for each in value.kvlist_value.values}
    return getattr(value, kind)


def partial(rejected: int, message: str) -> bytes:
    answer = ExportLogsServiceResponse()
    answer.partial_success.rejected_log_records = rejected
    answer.partial_success.error_message = message
    return bytes(answer.SerializeToString())


@pytest.fixture
def reply() -> type[Reply]:
    return Reply


@pytest.fixture
def partial_success() -> Callable[[int, str], bytes]:
    return partial


@pytest.fixture
def sink() -> Iterator[Sink]:
    sink = Sink()
    yield sink
    sink.close()


@pytest.fixture
def configure(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """``donewatch.configure`` towards the sink, with quick settings; nothing is left of it
    behind."""
    for name in list(os.environ):
        if name.startswith(("DONEWATCH_", "OTEL_")):
            monkeypatch.delenv(name)

    def configure(**settings: Any) -> None:
        quick = {"endpoint": sink.url, "schedule_delay": 0.02, "heartbeat_interval": 0}
        donewatch.configure(**(quick | {"service_name": "shop", "retry_timeout": 0} | settings))

    configure()
    yield configure
    sink.released.set()
    runtime.shutdown(5)
    runtime._begin_anew()
    runtime._settings = None


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


@pytest.fixture
def script(sink: Sink, tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Start a Python program of its own, towards the sink, with warnings as errors."""

    def start(code: str, **environment: str) -> subprocess.Popen[str]:
        path = tmp_path / f"program{len(list(tmp_path.iterdir()))}.py"
        path.write_text(code)
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("DONEWATCH_", "OTEL_"))
        }
        ours = {"DONEWATCH_ENDPOINT": sink.url, "DONEWATCH_SERVICE_NAME": "program"}
        return subprocess.Popen(
            [sys.executable, "-W", "error", str(path)],
            env=kept | ours | environment,
            cwd=tmp_path,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    return start


@pytest.fixture
def run(script: Callable[..., subprocess.Popen[str]]) -> Callable[..., Ended]:
    """Run a program of its own to its end."""

    def run(code: str, **environment: str) -> Ended:
        with script(code, **environment) as process:
            out, err = process.communicate(timeout=60)
            return Ended(process.returncode, out, err)

    return run
