"""A server that decodes OTLP/HTTP in Python and stores nothing, and one that does not even decode.

``python -m benchmarks.decoder decode|null`` prints its port and serves until standard input closes.
The first is what a receiver written in plain Python costs at the least: httptools on uvloop, the
message parsed, every attribute of every record walked into a dictionary, in the fastest way found.
The second shows what the load generator can do, for it must not be what limits.
"""

import asyncio
import sys
import threading
from typing import Any, Final, cast

import httptools
import uvloop
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

_ANSWER: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n"
)


Decoded = tuple[str, int, bytes, bytes, dict[str, Any], dict[str, Any]]


def decoded(body: bytes) -> list[Decoded]:
    """Of every record name, time, trace, span, the resource's attributes and its own."""
    found: list[Decoded] = []
    for resource_logs in ExportLogsServiceRequest.FromString(body).resource_logs:
        common = {pair.key: _value(pair.value) for pair in resource_logs.resource.attributes}
        for scope_logs in resource_logs.scope_logs:
            for log in scope_logs.log_records:
                # most are text: a third faster than to ask each which it is
                own = {
                    pair.key: pair.value.string_value or _value(pair.value)
                    for pair in log.attributes
                }
                found.append(
                    (log.event_name, log.time_unix_nano, log.trace_id, log.span_id, common, own)
                )
    return found


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    return getattr(value, kind) if kind else None


class _Server(asyncio.Protocol):
    def __init__(self, decodes: bool) -> None:
        self._decodes = decodes
        self._parser = httptools.HttpRequestParser(self)
        self._parts: list[bytes] = []
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, part: bytes) -> None:
        """Called by the parser."""
        self._parts.append(part)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        if self._decodes:
            decoded(b"".join(self._parts))
        self._parts.clear()
        self._transport.write(_ANSWER)


async def _serve(decodes: bool) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Server(decodes), "127.0.0.1", 0)
    ended = asyncio.Event()

    def wait_for_end() -> None:
        sys.stdin.read()
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=wait_for_end, daemon=True).start()
    print(server.sockets[0].getsockname()[1], flush=True)
    await ended.wait()
    server.close()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(sys.argv[1] == "decode"))
