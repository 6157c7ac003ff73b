"""A few batches under way at once, settled in the order of the file."""

import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Final

from service.importing.door import Answer, Stopped

DEPTH: Final = 4  # requests under way

Take = Callable[[Sequence[bytes]], Answer]


class Pause:
    """Waits that end at once when told to."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self.why = ""  # what is waited for, for a person to see

    def wait(self, seconds: float, why: str) -> None:
        """Wait. :raises Stopped: it is over."""
        self.why = why
        if self._over.wait(seconds):
            raise Stopped
        self.why = ""

    def end(self) -> None:
        """End every wait, also those to come."""
        self._over.set()


class Pipeline:
    """Threads that send. They end with the process, whatever they wait for."""

    def __init__(self, take: Take, depth: int = DEPTH) -> None:
        self.depth = depth
        self._take = take
        self._given: queue.SimpleQueue[tuple[Sequence[bytes], Future[Answer]] | None] = (
            queue.SimpleQueue()
        )
        for number in range(depth):
            name = f"donewatch-import-{number}"
            threading.Thread(target=self._work, name=name, daemon=True).start()

    def send(self, texts: Sequence[bytes]) -> "Future[Answer]":
        """Send them soon."""
        future: Future[Answer] = Future()
        if texts:
            self._given.put((texts, future))
        else:
            future.set_result(Answer())
        return future

    def close(self) -> None:
        """Let the threads end once they have sent what they were given."""
        for _ in range(self.depth):
            self._given.put(None)

    def _work(self) -> None:
        while (job := self._given.get()) is not None:
            texts, future = job
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(self._take(texts))
            except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
                future.set_exception(error)
