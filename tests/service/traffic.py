"""Producers that behave well: what is not acknowledged they send again until it is."""

import itertools
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import httpx

from tests.collector.senders import SENDERS
from tests.peers.donewatch import until
from tests.service import story

_BATCH = 20


class Traffic:
    """Several producers, each with a door of its own, sending batches of new orders.

    ``sent`` and ``acknowledged`` are ids of orders; each order is one event. An event's id is the
    order's, so whoever stores one twice counts one edge too many.
    """

    def __init__(self, url: Callable[[], str], doors: tuple[str, ...] = tuple(SENDERS)) -> None:
        self._url = url
        self._threads = [
            threading.Thread(target=self._produce, args=(door, number), daemon=True)
            for number, door in enumerate(doors)
        ]
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.sent: set[str] = set()
        self.acknowledged: set[str] = set()
        self.again = 0  # batches that were sent more than once
        self.wrong: list[str] = []  # answers other than taken, later, or none

    def _produce(self, door: str, number: int) -> None:
        with httpx.Client(trust_env=False, timeout=20.0) as client:
            for batch in itertools.count():
                if self._stop.is_set():
                    return
                orders = [f"order-{number}-{batch}-{each}" for each in range(_BATCH)]
                with self._lock:
                    self.sent.update(orders)
                self._deliver(client, door, [self._event(order) for order in orders])
                with self._lock:
                    self.acknowledged.update(orders)

    def _event(self, order: str) -> dict[str, Any]:
        return story.submit(order, event_id=f"id of {order}", occurred_at=time.time_ns())

    def _deliver(self, client: httpx.Client, door: str, events: list[dict[str, Any]]) -> None:
        body = SENDERS[door](events)
        for attempt in itertools.count():
            self.again += attempt == 1
            try:
                answer = client.post(
                    self._url() + body.path, content=body.content, headers=body.all_headers
                )
            except httpx.HTTPError:
                time.sleep(0.05)  # nobody there: it is being started again
                continue
            if answer.status_code == 200:
                return
            if answer.status_code not in (429, 503):
                self.wrong.append(f"{answer.status_code} {answer.text}")
                return
            time.sleep(0.05)

    def count(self) -> int:
        """How many orders have been acknowledged by now."""
        with self._lock:
            return len(self.acknowledged)

    def wait(self, more: int) -> None:
        """Wait until so many more orders have been acknowledged."""
        enough = self.count() + more
        until(lambda: self.count() >= enough, what="traffic")

    def finish(self) -> None:
        """Let every producer deliver what it has begun, and end."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=60)
            assert not thread.is_alive(), "a producer never got rid of its batch"

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
