"""A receiver of HTTP that does as told, and the real Alertmanager."""

import asyncio
import contextlib
import json
import shutil
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from notify.notification import Notification, NotifiedMember

START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def notification(**changes: Any) -> Notification:
    given: dict[str, Any] = {
        "fingerprint": "00000000000000aa",
        "episode": "firing@1",
        "status": "firing",
        "labels": {"alertname": "OrderStuck", "workflow": "order", "severity": "page"},
        "annotations": {"summary": "3 orders are stuck"},
        "value": 3.0,
        "starts_at": START,
        "generator_url": "http://127.0.0.1:8080/alerts/00000000000000aa",
        "members": (member(1),),
        "total": 1,
        **changes,
    }
    return Notification(**given)


def member(number: int) -> NotifiedMember:
    return NotifiedMember(
        workflow="order",
        environment="prod",
        instance_id=f"o-{number}",
        since=START,
        detail="in paid for 41 min, limit 5 min",
        url=f"http://127.0.0.1:8080/instances/order/o-{number}",
    )


async def until(done: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for a condition; an error when it does not come to pass."""
    end = asyncio.get_running_loop().time() + seconds
    while not done():
        if asyncio.get_running_loop().time() > end:
            raise AssertionError("it never came to pass")
        await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def running(work: Awaitable[None]) -> AsyncIterator[None]:
    """Something that runs until cancelled."""
    task = asyncio.ensure_future(work)
    try:
        yield
        assert not task.done(), task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@dataclass
class Hook:
    """A real HTTP server. ``answers`` are the next statuses (with headers); then 200 for ever."""

    answers: list[tuple[int, dict[str, str]] | str] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)  # of all requests, refused ones as well
    taken: list[Any] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    port: int = 0
    refuse: Callable[[Any], bool] = lambda body: False
    _server: asyncio.Server | None = None
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in list(self._open):
            writer.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {
                name.lower(): value
                for name, _, value in (line.partition(": ") for line in head[1:])
            }
            body = json.loads(await reader.readexactly(int(headers["content-length"])))
            self.headers.append(headers)
            self.bodies.append(body)
            answer = self.answers.pop(0) if self.answers else (200, {})
            if answer == "hang up":
                return
            assert not isinstance(answer, str)
            status, extra = answer
            if self.refuse(body):
                status = 400
            if status == 200:
                self.taken.append(body)
            lines = [f"HTTP/1.1 {status} Whatever", "content-length: 2", "connection: close"]
            lines += [f"{name}: {value}" for name, value in extra.items()]
            writer.write("\r\n".join([*lines, "", "no"]).encode())
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()


class RealAlertmanager:
    """Debian's, on a free port, with a route to a webhook that answers at once."""

    def __init__(self, folder: Path, hook: str = "http://127.0.0.1:9/none") -> None:
        binary = shutil.which("prometheus-alertmanager")
        amtool = shutil.which("amtool")
        if binary is None or amtool is None:
            raise AssertionError(
                "Alertmanager is missing; as root: apt-get install -y prometheus-alertmanager"
            )
        self._binary, self._amtool = binary, amtool
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "am.yml").write_text(
            "route: {receiver: hook, group_wait: 0s, group_interval: 1s, repeat_interval: 1h}\n"
            f"receivers: [{{name: hook, webhook_configs: [{{url: {hook}}}]}}]\n"
        )

    async def start(self) -> None:
        log = (self._folder / "am.log").open("ab")
        self._process = subprocess.Popen(
            [
                self._binary,
                f"--config.file={self._folder / 'am.yml'}",
                f"--storage.path={self._folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
                "--cluster.listen-address=",
            ],
            stdout=log,
            stderr=log,
        )
        log.close()
        async with httpx.AsyncClient(trust_env=False) as client:
            for _ in range(1000):
                with contextlib.suppress(httpx.HTTPError):
                    if (await client.get(f"{self.url}/-/ready")).is_success:
                        return
                await asyncio.sleep(0.02)
        raise AssertionError((self._folder / "am.log").read_text())

    def stop(self, *, forget: bool = False) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL if forget else signal.SIGTERM)
            self._process.wait(timeout=20)
            self._process = None
        if forget:
            shutil.rmtree(self._folder / "data", ignore_errors=True)

    async def alerts(self) -> list[dict[str, Any]]:
        """Those that are active."""
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(f"{self.url}/api/v2/alerts")
            answer.raise_for_status()
            return list(answer.json())

    async def amtool(self, *arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            self._amtool,
            f"--alertmanager.url={self.url}",
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            env={"HOME": str(self._folder), "PATH": ""},
        )
        out, _ = await process.communicate()
        assert process.returncode == 0
        return out.decode()
