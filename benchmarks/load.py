"""The load generator: a process of its own, so that what it costs is not taken for the service's.

``python -m benchmarks.load ADDRESS WARM_FILE FILE CONNECTIONS`` sends the bodies of WARM_FILE, says
``ready``, waits for a line on standard input, sends those of FILE over so many connections at once,
each the next as soon as one is answered, and prints what it saw as JSON.
"""

import http.client
import json
import statistics
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

from benchmarks.bodies import read

_RETRYABLE: Final = (429, 503)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """``seconds`` from the first byte sent to the last answer; ``answer_*`` of single requests."""

    seconds: float
    requests: int
    told_to_wait: int
    rejected: int
    answer_p50: float
    answer_p99: float
    cpu_seconds: float  # of this process, beside the service on the same cores


class _Sender:
    def __init__(self, address: str, connections: int) -> None:
        where = urlsplit(address)
        self._connections = [
            http.client.HTTPConnection(where.hostname or "", where.port) for _ in range(connections)
        ]
        self._lock = threading.Lock()
        self._answers: list[float] = []
        self._told_to_wait = 0
        self._rejected = 0
        self._errors: list[str] = []

    def send(self, bodies: Sequence[bytes]) -> Sent:
        self._answers.clear()
        waiting = iter(bodies)
        cpu, began = time.process_time(), time.perf_counter()
        threads = [
            threading.Thread(target=self._work, args=(connection, waiting))
            for connection in self._connections
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.perf_counter() - began
        if self._errors:
            raise SystemExit("; ".join(self._errors))
        return Sent(
            seconds=seconds,
            requests=len(self._answers),
            told_to_wait=self._told_to_wait,
            rejected=self._rejected,
            answer_p50=statistics.median(self._answers),
            answer_p99=sorted(self._answers)[int(len(self._answers) * 0.99)],
            cpu_seconds=time.process_time() - cpu,
        )

    def hang_up(self) -> None:
        """Close every connection; the next request of each opens it again."""
        for connection in self._connections:
            connection.close()

    def _work(self, connection: http.client.HTTPConnection, waiting: Iterator[bytes]) -> None:
        try:
            while (body := self._next(waiting)) is not None:
                while not self._post(connection, body):
                    pass
        except Exception as error:  # noqa: BLE001 - reported by the thread that waits for this one
            self._errors.append(repr(error))

    def _next(self, waiting: Iterator[bytes]) -> bytes | None:
        with self._lock:
            return next(waiting, None)

    def _post(self, connection: http.client.HTTPConnection, body: bytes) -> bool:
        began = time.perf_counter()
        connection.request(
            "POST", "/v1/logs", body, {"Content-Type": "application/x-protobuf", "Accept": "*/*"}
        )
        response = connection.getresponse()
        content = response.read()
        if response.status in _RETRYABLE:
            with self._lock:
                self._told_to_wait += 1
            time.sleep(float(response.headers.get("Retry-After", "1")))
            return False
        if response.status != 200:
            raise RuntimeError(f"HTTP {response.status}: {content[:500]!r}")
        answer = ExportLogsServiceResponse.FromString(content)
        with self._lock:
            self._rejected += answer.partial_success.rejected_log_records
            self._answers.append(time.perf_counter() - began)
        return True


def main() -> None:
    """Send, as the module's docstring says."""
    address, warm, file, connections = sys.argv[1:]
    bodies = list(read(Path(file)))
    sender = _Sender(address, int(connections))
    sender.send(list(read(Path(warm))))
    sender.hang_up()  # the service would, while it is waited for
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(asdict(sender.send(bodies))), flush=True)


if __name__ == "__main__":
    main()
