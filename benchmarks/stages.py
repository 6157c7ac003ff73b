"""What each step of the ingest path costs by itself: the functions of the service, one at a time.

In the service they share an interpreter with the HTTP server; here each runs over all bodies before
the next begins, so its CPU can be told apart.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from benchmarks.bodies import read
from benchmarks.raw import opened
from collector.check import Checker
from collector.limits import Limits
from collector.otlp import decode_protobuf
from collector.records import Record
from lifecycle.events import EVENT_COLUMNS, Event

STEPS: Final = ("parse", "decode", "check", "columns", "client", "engine")
_P = ParamSpec("_P")
_T = TypeVar("_T")


class _Clock:
    """CPU-seconds of the process by step."""

    def __init__(self) -> None:
        self.steps = dict.fromkeys(STEPS, 0.0)

    def __call__(
        self, step: str, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        began = time.process_time()
        found = work(*args, **kwargs)
        self.steps[step] += time.process_time() - began
        return found


def measured(
    folder: Path, bodies: Path, received_at: int, batch: int, rounds: int
) -> dict[str, float]:
    """Medians over ``rounds`` of the CPU-seconds per million events of each step.

    ``parse``: the protobuf message; ``decode``: its records as Python values; ``check``: events of
    them; ``columns``: lists of columns of these; ``client``: what the client does in its thread;
    ``engine``: what the engine's threads do, fsync included. Inserts are of ``batch`` rows.
    """
    content = list(read(bodies))
    found: list[dict[str, float]] = []
    with opened(folder) as database:
        connection = database.connect()
        for number in range(rounds):
            clock = _Clock()
            events = _decoded(content, received_at, clock)
            for at in range(0, len(events), batch):
                part = events[at : at + batch]
                columns = clock("columns", _columns, part, at)
                thread, process = time.thread_time(), time.process_time()
                connection.insert("events", EVENT_COLUMNS, columns, f"stage-{number}-{at}")
                thread = time.thread_time() - thread
                clock.steps["client"] += thread
                clock.steps["engine"] += time.process_time() - process - thread
            found.append({name: each / len(events) * 1e6 for name, each in clock.steps.items()})
    return {name: statistics.median(each[name] for each in found) for name in STEPS}


def _decoded(content: Sequence[bytes], received_at: int, clock: _Clock) -> list[Event]:
    limits = Limits()
    events: list[Event] = []
    for body in content:
        clock("parse", ExportLogsServiceRequest.FromString, body)
        records = clock("decode", decode_protobuf, body, limits)
        events += clock("check", _checked, records, received_at, limits)
    clock.steps["decode"] -= clock.steps["parse"]
    return events


def _checked(records: Sequence[Record], received_at: int, limits: Limits) -> list[Event]:
    check = Checker(tenant="default", collector="benchmark", received_at=received_at, limits=limits)
    return [event for event in map(check, records) if isinstance(event, Event)]


def _columns(events: Sequence[Event], first: int) -> list[list[object]]:
    for position, event in enumerate(events):
        object.__setattr__(event, "segment", first)
        object.__setattr__(event, "position", position)
    return [[getattr(event, name) for event in events] for name in EVENT_COLUMNS]
