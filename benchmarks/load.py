"""The load generator: a process of its own, so that what it costs is not taken for the service's.

``python -m benchmarks.load ADDRESS FORM WARM_FILE FILE CONNECTIONS [RATE]`` sends the bodies of
WARM_FILE, says ``ready``, waits for a line on standard input, sends those of FILE over so many
connections, which are kept, each the next as soon as one is answered (or no more than RATE events a
second), and prints what it saw as JSON.

One thread, one event loop, no HTTP library: a request costs some 30 microseconds, so that the
generator is not what limits (``benchmarks.ingest`` measures it against a server that does nothing).
"""

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, cast
from urllib.parse import urlsplit

import uvloop
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

from benchmarks.bodies import Body, Form, read, span

_RETRYABLE: Final = (429, 503)
_DOORS: Final = {
    Form.OTLP: ("/v1/logs", "application/x-protobuf"),
    Form.NDJSON: ("/api/v1/events", "application/x-ndjson"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """``seconds`` from the first byte sent to the last answer; ``answer_*`` of single requests."""

    first_at: float  # Unix seconds, of the first byte
    seconds: float
    events: int
    requests: int
    told_to_wait: int
    rejected: int
    answer_p50: float
    answer_p99: float
    cpu_seconds: float  # of this process, beside the service on the same cores


class _Line:
    """What is to be sent, in order, with times that grow from body to body."""

    def __init__(self, bodies: Iterable[Body], form: Form, rate: float) -> None:
        self._rate = rate
        self._began = time.perf_counter()
        self._taken = 0
        self._bodies: Iterator[Body] = iter(bodies)
        self._form = form
        self._last = 0
        self.answers: list[float] = []
        self.events = 0
        self.told_to_wait = 0
        self.rejected = 0

    def take(self) -> Body | None:
        """The next body; when it is its turn, ``happen`` it."""
        return next(self._bodies, None)

    def turn(self, body: Body) -> float:
        """Seconds until that body is to be sent."""
        if not self._rate:
            return 0.0
        self._taken += body.events
        return self._began + self._taken / self._rate - time.perf_counter()

    def happen(self, body: Body) -> None:
        """Its events happen now."""
        self._last = max(time.time_ns(), self._last + span(body.events))
        body.happens(self._last, self._form)


class _Connection(asyncio.Protocol):
    """One connection: a request, its answer, the next request."""

    def __init__(self, line: _Line, head: bytes, form: Form, done: asyncio.Future[None]) -> None:
        self._line = line
        self._head = head
        self._form = form
        self._done = done
        self._body: Body | None = None
        self._began = 0.0
        self._read = bytearray()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(exc or ConnectionError("the service hung up"))

    def data_received(self, data: bytes) -> None:
        self._read += data
        end = self._read.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._read[:end]).lower()
        length = int(_header(head, b"content-length") or 0)
        if len(self._read) < end + 4 + length:
            return
        content = bytes(self._read[end + 4 : end + 4 + length])
        self._read.clear()
        try:
            self._answered(int(head[9:12]), head, content)
        except Exception as error:  # noqa: BLE001 - whoever waits for this connection reports it
            if not self._done.done():
                self._done.set_exception(error)

    def _answered(self, status: int, head: bytes, content: bytes) -> None:
        assert self._body is not None
        if status in _RETRYABLE:
            self._line.told_to_wait += 1
            seconds = float(_header(head, b"retry-after") or 1)
            asyncio.get_running_loop().call_later(seconds, self._send)
            return
        if status != 200:
            raise RuntimeError(f"HTTP {status}: {content[:500]!r}")
        self._line.answers.append(time.perf_counter() - self._began)
        self._line.events += self._body.events
        self._line.rejected += _rejected(self._form, content)
        self._next()

    def _next(self) -> None:
        self._body = self._line.take()
        if self._body is None:
            if not self._done.done():
                self._done.set_result(None)
            self._transport.close()
        elif (seconds := self._line.turn(self._body)) > 0:
            asyncio.get_running_loop().call_later(seconds, self._send_first)
        else:
            self._send_first()

    def _send_first(self) -> None:
        assert self._body is not None
        self._line.happen(self._body)
        self._send()

    def _send(self) -> None:
        assert self._body is not None
        self._began = time.perf_counter()
        content = self._body.content
        self._transport.writelines([self._head % len(content), content])


def _header(head: bytes, name: bytes) -> bytes | None:
    at = head.find(b"\r\n" + name + b":")
    if at < 0:
        return None
    at += len(name) + 3
    end = head.find(b"\r\n", at)
    return head[at : end if end >= 0 else len(head)].strip()


def _rejected(form: Form, content: bytes) -> int:
    if not content:
        return 0
    if form is Form.OTLP:
        answer = ExportLogsServiceResponse.FromString(content)
        return int(answer.partial_success.rejected_log_records)
    return len(json.loads(content)["rejected"])


async def send(
    address: str, form: Form, bodies: Iterable[Body], connections: int, rate: float = 0.0
) -> Sent:
    """Send them all once, at most ``rate`` events a second; 0 for as fast as it goes."""
    where = urlsplit(address)
    path, media = _DOORS[form]
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {where.netloc}\r\nAccept: */*\r\n"
        f"Content-Type: {media}\r\nContent-Length: %d\r\n\r\n"
    ).encode()
    loop = asyncio.get_running_loop()
    line = _Line(bodies, form, rate)
    done = [loop.create_future() for _ in range(connections)]
    first_at, cpu, began = time.time(), time.process_time(), time.perf_counter()
    for each in done:
        await loop.create_connection(
            lambda each=each: _Connection(line, head, form, each),  # type: ignore[misc]
            where.hostname or "",
            where.port or 80,
        )
    await asyncio.gather(*done)
    seconds = time.perf_counter() - began
    return Sent(
        first_at=first_at,
        seconds=seconds,
        events=line.events,
        requests=len(line.answers),
        told_to_wait=line.told_to_wait,
        rejected=line.rejected,
        answer_p50=statistics.median(line.answers),
        answer_p99=sorted(line.answers)[int(len(line.answers) * 0.99)],
        cpu_seconds=time.process_time() - cpu,
    )


def main() -> None:
    """Send, as the module's docstring says."""
    address, named, warm, file, connections, *paced = sys.argv[1:]
    rate = float(paced[0]) if paced else 0.0
    form = Form(named)
    bodies = list(read(Path(file)))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(send(address, form, read(Path(warm)), int(connections)))
        print("ready", flush=True)
        sys.stdin.readline()
        sent = runner.run(send(address, form, bodies, int(connections), rate))
    print(json.dumps(asdict(sent)), flush=True)


if __name__ == "__main__":
    main()
