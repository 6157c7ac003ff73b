"""The embedded engine as a decoder: queries that run on, each fed through a pipe.

Analysing a query of a hundred expressions takes 50 ms; so it is analysed once, and reads one
message after another from a pipe. Each message comes out as one block.
"""

import atexit
import contextlib
import fcntl
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from lifecycle.errors import StoreRefused, StoreUnavailable
from store.dsn import Location

_PIPE_BYTES: Final = 2**20
_PATIENCE: Final = 0.25  # seconds; a large message takes a tenth
SOURCE: Final = "$source"  # in a query: the quoted path that it reads


class Engine:
    """Makes transforms, each with a handle of its own, and closes them."""

    def __init__(self, connection_string: str) -> None:
        self._connection_string = connection_string
        self._transforms: list[Transform] = []
        # a process would not end while a query runs on
        atexit.register(self.close)

    @classmethod
    def at(cls, location: Location) -> "Engine | None":
        """The store's own engine, or where the store is a server, one in memory if installed.

        A process has one engine: where it is open already, elsewhere, transforms are unavailable.
        """
        try:
            import chdb  # noqa: F401
        except ImportError:
            return None
        return cls(":memory:" if location.path is None else os.path.realpath(location.path))

    def transform(self, sql: str) -> "Transform":
        """A query that reads messages from ``SOURCE`` and writes a block of each."""
        made = Transform(self._connection_string, sql)
        self._transforms.append(made)
        return made

    def close(self) -> None:
        """Close all transforms, for good: an engine ends with its last handle."""
        atexit.unregister(self.close)
        for each in self._transforms:
            each.close()


class Transform:
    """One query that runs on. It starts with the first message, and again after an error."""

    def __init__(self, connection_string: str, sql: str) -> None:
        self._connection_string = connection_string
        self._sql = sql
        self._lock = threading.Lock()
        self._running: _Running | None = None
        self._closed = False
        self._proven = False

    def __call__(self, message: Sequence[bytes], hopeless: Callable[[], bool]) -> bytes:
        """The block of one message, in Native format; calls wait for each other.

        Some malformed messages make the engine wait for more. Where an answer is late, ``hopeless``
        is asked, in another thread, whether there is no use in waiting.

        :raises StoreRefused: the engine cannot read the message. :raises StoreUnavailable: there is
            no engine, it was closed, or ``abort``ed.
        """
        with self._lock:
            if self._closed:
                raise StoreUnavailable("the engine was closed, donewatch is stopping")
            if self._running is not None and self._running.ended:
                self._stop()
            if self._running is None:
                self._running = _Running(self._connection_string, self._sql)
            try:
                block = self._running.put(message, hopeless)
            except StoreRefused as error:
                self._stop()
                if not self._proven:  # so it is the query, not the message
                    raise StoreUnavailable(str(error)) from error
                raise
            except BaseException:
                self._stop()
                raise
            self._proven = True
            return block

    def abort(self) -> None:
        """End the query, and a call that waits for it, from any thread; the next starts anew."""
        running = self._running
        if running is not None:
            running.end_input()

    def close(self) -> None:
        """End, for good."""
        self._closed = True
        self.abort()
        with self._lock:
            self._stop()

    def _stop(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            running.stop()


class _Running:
    def __init__(self, connection_string: str, sql: str) -> None:
        import chdb

        connect: Any = chdb.connect
        self._read, self._write = os.pipe()
        self.ended = False
        self._ending = threading.Lock()
        # the engine reads while it is written to: a message may be larger than the pipe
        self._feeder = ThreadPoolExecutor(1, thread_name_prefix="donewatch-feeder")
        self._connection: Any = None
        self._blocks: Any = None
        try:
            with contextlib.suppress(OSError, AttributeError):
                fcntl.fcntl(self._write, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
            self._connection = connect(connection_string)
            text = sql.replace(SOURCE, f"'/dev/fd/{self._read}'")
            self._blocks = self._connection.send_query(text, "Native")
        except Exception as error:
            self.stop()
            raise StoreUnavailable(f"the embedded engine does not start: {error}") from error

    def put(self, message: Sequence[bytes], hopeless: Callable[[], bool]) -> bytes:
        answered = threading.Event()
        fed = self._feeder.submit(self._feed, b"".join(message), answered, hopeless)
        try:
            block: bytes = next(self._blocks).bytes()
        except StopIteration:
            raise StoreUnavailable("the embedded engine has ended its query") from None
        except Exception as error:
            raise StoreRefused(f"the embedded engine cannot read this: {error}") from error
        finally:
            answered.set()
        fed.result()
        return block

    def _feed(self, data: bytes, answered: threading.Event, hopeless: Callable[[], bool]) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._write, rest) :]
        if not answered.wait(_PATIENCE) and hopeless():
            self.end_input()

    def end_input(self) -> None:
        with self._ending:
            if self.ended:
                return
            self.ended = True
        try:
            # in line with what is being written: nobody writes to another file of this number
            self._feeder.submit(os.close, self._write)
        except RuntimeError:  # the interpreter ends, and its threads have
            os.close(self._write)
        self._feeder.shutdown(wait=False)

    def stop(self) -> None:
        """The query ends where its input does; a write that nobody reads any more fails."""
        self.end_input()
        os.close(self._read)
        for each in (self._blocks, self._connection):
            if each is not None:
                with contextlib.suppress(Exception):
                    each.close()
