"""Producers under faults: they remember what was acknowledged, and misbehave as real ones do."""

import itertools
import json
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx

from tests.collector.senders import Body, native, otlp_protobuf
from tests.peers.donewatch import until

DEFINITION: Final = """\
workflow: order
version: "1"
lateness: 0s
states:
  submitted: {status: accepted, stuck_after: 100ms}
  paid: {status: processing, stuck_after: 1s}
  shipped: {status: completed, terminal: true}
  cancelled: {status: cancelled, terminal: true}
transitions:
  - {action: submit, to: submitted}
  - {action: pay, from: submitted, to: paid}
  - {action: ship, from: paid, to: shipped}
  - {action: cancel, from: submitted, to: cancelled}
completion: {starts: submitted}
outbox: {max_lag: 1s}
jobs:
  charge_card: {max_attempts: 2}
"""

Step = dict[str, Any]


def _move(action: str, from_: str, to: str) -> Step:
    return {"event": "transition", "action": action, "from": from_, "to": to}


def _job(state: str, attempt: int) -> Step:
    return {
        "event": "job",
        "job_id": "charge",
        "job_type": "charge_card",
        "job_state": state,
        "attempt": attempt,
        "max_attempts": 2,
    }


def _outbox(state: str) -> Step:
    return {"event": "outbox", "outbox_id": "mail", "outbox_state": state}


_SUBMIT: Final = _move("submit", "", "submitted")
_PAY: Final = _move("pay", "submitted", "paid")
_SHIP: Final = _move("ship", "paid", "shipped")
LIVES: Final[Sequence[Sequence[Step]]] = (
    (_SUBMIT, _PAY, _SHIP),  # it ends, and departs
    (_SUBMIT, _PAY),  # is stuck
    (_SUBMIT, _job("started", 1), _job("failed", 1), _job("started", 2), _job("exhausted", 2)),
    (_SUBMIT, _outbox("recorded"), _PAY, _SHIP),  # what it recorded is never dispatched
    (
        _SUBMIT,
        _outbox("recorded"),
        _outbox("dispatched"),
        _move("cancel", "submitted", "cancelled"),
    ),
    (_SUBMIT, _PAY, _SHIP, _move("pay", "shipped", "paid")),  # breaks out of its end
)
_DOORS: Final[Sequence[Callable[[Sequence[Step]], Body]]] = (native, otlp_protobuf)
_ORDERS: Final = 5  # new ones in each batch
_LATER: Final = (429, 503)


@dataclass(slots=True, eq=False)
class Batch:
    """Events of one body. What is given up was perhaps taken, perhaps not."""

    events: list[Step]
    door: int
    acknowledged: bool = False
    given_up: bool = False


class Load:
    """Producers that each send orders' events, batch after batch, until each is acknowledged.

    ``urls`` are the collectors to choose from. Sent now and then: a batch already acknowledged, a
    batch to a second collector. Never again: some of those that got no answer. ``place`` names what
    is being tested: it is the environment of orders that begin now.
    """

    def __init__(
        self,
        urls: Callable[[], Sequence[str]],
        *,
        producers: int = 2,
        pause: float = 0.02,
        new: int = _ORDERS,
        place: str = "load",
        seed: int = 0,
    ) -> None:
        self._urls = urls
        self._pause = pause
        self._new = new
        self.place = place
        self._seed = seed
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._run, args=(number,), daemon=True)
            for number in range(producers)
        ]
        self.batches: list[Batch] = []
        self.resent = 0  # batches sent more than once
        self.told_later: list[httpx.Response] = []
        self.wrong: list[str] = []  # answers that there should not be

    def _run(self, number: int) -> None:
        chosen = random.Random(self._seed * 100 + number)
        with httpx.Client(trust_env=False, timeout=20.0) as client:
            for batch in self._batches(number):
                if self._stop.is_set():
                    return
                with self._lock:
                    self.batches.append(batch)
                self._deliver(client, batch, chosen)
                if chosen.random() < 0.1:
                    self._send(client, chosen.choice(self.batches[-200:]), chosen)
                self._stop.wait(self._pause)

    def _batches(self, number: int) -> Iterator[Batch]:
        serial = itertools.count()
        begun: list[tuple[str, str, Iterator[Step]]] = []
        for count in itertools.count():
            for _ in range(self._new):
                each = next(serial)
                steps = iter(LIVES[each % len(LIVES)])
                begun.append((f"order-{number}-{each}", self.place, steps))
            events = []
            going = []
            for order, place, steps in begun:
                step = next(steps, None)
                if step is None:
                    continue
                going.append((order, place, steps))
                moment = time.time_ns() // 1000 * 1000 + len(events) * 1000
                events.append(
                    {
                        **step,
                        "event_id": f"e-{number}-{next(serial)}",
                        "workflow_type": "order",
                        "workflow_version": "1",
                        "instance_id": order,
                        "environment": place,
                        "occurred_at": moment - 1_000_000,
                    }
                )
            begun = going
            yield Batch(events, (number + count) % len(_DOORS))

    def _deliver(self, client: httpx.Client, batch: Batch, chosen: random.Random) -> None:
        for attempt in itertools.count():
            status = self._send(client, batch, chosen)
            if status == 200:
                return
            if status is None and chosen.random() < 0.1:
                batch.given_up = not batch.acknowledged
                return
            if status is not None and status not in _LATER:
                return
            self.resent += attempt == 0
            time.sleep(0.05)  # nobody there, or it is too much

    def _send(self, client: httpx.Client, batch: Batch, chosen: random.Random) -> int | None:
        body = _DOORS[batch.door](batch.events)
        url = chosen.choice(self._urls())
        try:
            answer = client.post(url + body.path, content=body.content, headers=body.all_headers)
        except httpx.HTTPError:
            return None
        if answer.status_code == 200:
            batch.acknowledged = True
            if body.path == "/api/v1/events" and answer.json()["rejected"]:
                self.wrong.append(answer.text)
        elif answer.status_code in _LATER:
            self.told_later.append(answer)
        else:
            self.wrong.append(f"{answer.status_code} {answer.text}")
        return answer.status_code

    @property
    def acknowledged(self) -> int:
        """Events acknowledged by now."""
        with self._lock:
            return sum(len(each.events) for each in self.batches if each.acknowledged)

    def wait(self, more: int, seconds: float = 60.0) -> None:
        """Wait until so many more events have been acknowledged."""
        enough = self.acknowledged + more
        until(lambda: self.acknowledged >= enough, seconds, what="traffic")

    def finish(self) -> None:
        """Let every producer deliver what it has begun, and end."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=90)
            assert not thread.is_alive(), "a producer never got rid of its batch"
        assert self.wrong == []

    def write(self, path: Path) -> None:
        """The journal: a line a batch."""
        with path.open("w", encoding="utf-8") as file:
            for each in self.batches:
                line = {
                    "events": each.events,
                    "acknowledged": each.acknowledged,
                    "given_up": each.given_up,
                }
                file.write(json.dumps(line) + "\n")

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
