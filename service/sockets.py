"""HTTP servers in our own event loop: listening before they say their port."""

import contextlib
import errno
import resource
import socket
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import uvicorn

from lifecycle.errors import SettingsError
from service.protocol import BoundedProtocol, Patience

GRACE: Final = 5  # seconds for requests under way when the service stops
_OWN_FILES: Final = 400  # open files that are no connections: the store's parts, logs, rule files


def listen(host: str, port: int) -> socket.socket:
    """A bound socket; port 0 takes a free one.

    :raises SettingsError: the address cannot be had; says which setting to change.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        found = socket.socket(family, socket.SOCK_STREAM)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((host, port))
    except OSError as error:
        fix = {
            errno.EADDRINUSE: "Is another donewatch running? Choose other ports with --port and "
            "--otlp-port (0 picks a free one)",
            errno.EACCES: "Choose ports above 1023 with --port and --otlp-port",
        }.get(error.errno or 0, "Set DONEWATCH_HOST to an address of this machine")
        raise SettingsError(
            f"cannot listen on {host}:{port}: {error.strerror or error}. {fix}"
        ) from error
    return found


def address(listening: socket.socket) -> str:
    """The URL of a bound socket."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def patience() -> Patience:
    """How many connections each of two ports may have; raises this process's bound on open files.

    Without a file left, nobody could connect, and the store could not open its own.
    """
    wanted = 2 * Patience().connections + _OWN_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    files = wanted if soft == resource.RLIM_INFINITY else min(soft, wanted)
    return Patience(connections=max(files - _OWN_FILES, files // 2) // 2)


class Server(uvicorn.Server):
    """A server that leaves signals to the service: there are two of them in one process.

    ``ending`` is called when it is to stop, so that requests without an end can end.
    """

    def __init__(self, app: Any, ending: Callable[[], object] = lambda: None) -> None:
        self._ending = ending
        super().__init__(
            uvicorn.Config(
                app,
                http=partial(BoundedProtocol, patience=patience()),  # type: ignore[arg-type]
                ws="none",
                log_config=None,
                access_log=False,
                lifespan="on",
                server_header=False,
                timeout_graceful_shutdown=GRACE,
            )
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, let requests end, stop the application."""
        self._ending()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """None of them."""
        yield
