"""A real ClickHouse HTTP server for tests: the listener inside chdb-core, in a process of its own.

Run as a module it is that process: ``python -m tests.peers.clickhouse DATA_DIR`` serves until its
standard input closes.
"""

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

_CONFIG = """<clickhouse>
  <listen_host>127.0.0.1</listen_host>
  <http_port>{http}</http_port>
  <tcp_port>{tcp}</tcp_port>
  <logger><level>none</level></logger>
</clickhouse>
"""


def free_port() -> int:
    """A port nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ClickHouseServer:
    """Starts, stops, kills and restarts one server on a data directory and port of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        config = directory / "home" / ".clickhouse-local" / "config.xml"
        config.parent.mkdir(parents=True)
        config.write_text(_CONFIG.format(http=self.port, tcp=free_port()))

    @property
    def dsn(self) -> str:
        """The DSN of a database on this server."""
        return f"http://default@127.0.0.1:{self.port}/donewatch"

    @property
    def pid(self) -> int:
        """The process, while it runs."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start and wait until it answers."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.peers.clickhouse", str(self.directory / "data")],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "HOME": str(self.directory / "home")},
            cwd=Path(__file__).parents[2],
        )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(f"the ClickHouse server ended with {self._process.returncode}")
            with (
                contextlib.suppress(OSError),
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/ping", timeout=1) as answer,
            ):
                if answer.status == 200:
                    return
            time.sleep(0.05)
        raise RuntimeError("the ClickHouse server does not answer")

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            if self._process.stdin is not None:
                self._process.stdin.close()
            self._process = None


@contextlib.contextmanager
def clickhouse_server(directory: Path) -> Iterator[ClickHouseServer]:
    """A running server, ended afterwards."""
    server = ClickHouseServer(directory)
    server.start()
    try:
        yield server
    finally:
        server.kill()


def _serve(data: str) -> None:
    from chdb import _chdb  # type: ignore[attr-defined]

    # the output format becomes the server's default format: with any other the handshake fails
    _chdb.query(
        "SYSTEM START LISTEN HTTP; SYSTEM START LISTEN TCP; "
        "SELECT * FROM file('/dev/stdin', LineAsString) FORMAT Null",
        "TabSeparated",
        path=data,
    )


if __name__ == "__main__":
    _serve(sys.argv[1])
