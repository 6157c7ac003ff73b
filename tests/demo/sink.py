"""A collector that only remembers: takes OTLP/HTTP logs and keeps their event ids."""

import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)

from donewatch import attributes as names


class Sink:
    """Serves ``/v1/logs`` from a thread while the context lasts."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                sink.take(ExportLogsServiceRequest.FromString(body))
                answer = ExportLogsServiceResponse().SerializeToString()
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def take(self, request: ExportLogsServiceRequest) -> None:
        for resource_logs in request.resource_logs:
            resource = {
                each.key: each.value.string_value for each in resource_logs.resource.attributes
            }
            for scope_logs in resource_logs.scope_logs:
                for record in scope_logs.log_records:
                    event: dict[str, Any] = dict(resource)
                    event["event"] = record.event_name
                    for each in record.attributes:
                        event[each.key] = getattr(each.value, each.value.WhichOneof("value") or "")
                    self.events.append(event)

    def ids(self) -> list[str]:
        """The ids of all events but heartbeats, one for each copy."""
        return [each[names.EVENT_ID] for each in self.events if each["event"] != names.HEARTBEAT]

    def of(self, event: str) -> list[dict[str, Any]]:
        """The events of one name, each id once."""
        unique = {each[names.EVENT_ID]: each for each in self.events if each["event"] == event}
        return list(unique.values())

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
