"""The one thread of a pipeline that is donewatch's own: it beats, and at the end it drains."""

import threading
from collections.abc import Callable
from contextlib import suppress


class Heart(threading.Thread):
    """Calls ``beat`` every ``interval`` seconds (never, if 0), and ``finish`` once it is stopped.

    The end is run here and not by who asks for it: it may take longer than that one can wait, and
    while the interpreter exits no thread can be started any more. A daemon, so that it cannot hold
    up the exit.
    """

    def __init__(
        self,
        interval: float,
        begin: Callable[[], None],
        beat: Callable[[], None],
        finish: Callable[[], None],
    ) -> None:
        super().__init__(name="donewatch", daemon=True)
        self._interval = interval or None
        self._begin = begin
        self._beat = beat
        self._finish = finish
        self._stopping = threading.Event()
        self._finished = threading.Event()

    def run(self) -> None:
        try:
            # A beat that fails must not cost the drain at the end.
            with suppress(Exception):
                self._begin()
            while not self._stopping.wait(self._interval):
                with suppress(Exception):
                    self._beat()
            self._finish()
        finally:
            self._finished.set()

    def stop(self, timeout: float) -> bool:
        """Ask for the end, and wait at most ``timeout`` seconds for it. False if it took longer."""
        self._stopping.set()
        return self._finished.wait(timeout)
