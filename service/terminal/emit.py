"""``donewatch emit``: sends events, and says of each refused one why."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Final

import httpx

from lifecycle.events import FIELD_BY_NAME, FieldType
from service.terminal.client import API, Client, CouldNotRun, NotFound, Unreachable
from service.terminal.printer import Cell, Printer

_PATH: Final = f"{API}/events"
_LINES: Final = "application/x-ndjson"
_PIECE: Final = 1 << 18  # bytes read at once
_BATCH: Final = 1000  # events of one request
_MARK: Final = b"\xef\xbb\xbf"  # some editors begin a file with it
_ATTEMPTS: Final = 6
_LONGEST_WAIT: Final = 10.0  # seconds between two attempts


@dataclass(slots=True)
class Sent:
    """What became of what was sent; ``lines`` counts those read, ``events`` those sent."""

    accepted: int = 0
    events: int = 0
    rejected: list[dict[str, Any]] = field(default_factory=list)


def event_of(
    given: Mapping[str, Any], extra: Sequence[str], attributes: Sequence[str]
) -> dict[str, Any]:
    """One event: fields that were given, ``extra`` ones and ``attributes`` as ``name=value``.

    Empty if nothing beyond its kind was given.

    :raises CouldNotRun: a pair is none, or a number is none.
    """
    event = {name: value for name, value in given.items() if value not in (None, "")}
    for name, value in map(_pair, extra):
        event[name] = _typed(name, value)
    if attributes:
        event["attributes"] = dict(map(_pair, attributes))
    return event if event.keys() > {"event"} else {}


def pieces_of(file: str, event: Mapping[str, Any], now: datetime) -> Iterator[bytes]:
    """What to send: the bytes of a file, of standard input (``-``), or one event.

    The event is stamped with ``now`` unless it says when: the same command twice is two events.

    :raises CouldNotRun: there is nothing, or the file cannot be read.
    """
    if file == "-":
        yield from _read(sys.stdin.buffer)
    elif file:
        try:
            with Path(file).open("rb") as stream:
                yield from _read(stream)
        except OSError as error:
            raise CouldNotRun(f"{file} cannot be read: {error.strerror}") from error
    elif event:
        yield json.dumps({"occurred_at": now.isoformat(), **event}).encode()
    else:
        raise CouldNotRun(
            "nothing to send: give --workflow, --instance and --to, or a file of events"
            " (- for standard input)"
        )


def _read(stream: BinaryIO) -> Iterator[bytes]:
    """What comes, as soon as it comes: a pipe may stay open for days."""
    read = getattr(stream, "read1", stream.read)
    while piece := read(_PIECE):
        yield piece


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise CouldNotRun(f"{text!r} is no NAME=VALUE")
    return name, value


def _typed(name: str, value: str) -> str | int:
    known = FIELD_BY_NAME.get(name)
    if known is None or known.type is not FieldType.INTEGER:
        return value
    try:
        return int(value)
    except ValueError:
        raise CouldNotRun(f"{name}: {value!r} is no whole number") from None


def emit(
    client: Client,
    printer: Printer,
    pieces: Iterator[bytes],
    *,
    as_json: bool,
    sleep: Callable[[float], object] = time.sleep,
) -> int:
    """Send NDJSON, or one JSON array, piece by piece as it comes; exit code 1 if some is refused.

    :raises CouldNotRun: the collector does not answer; says how far it came.
    """
    sent = Sent()
    try:
        for body, lines in _bodies(pieces):
            answer = _send(client, body, _LINES if lines else "application/json", sleep)
            _count(printer, sent, answer, lines, as_json=as_json)
    except CouldNotRun as error:
        done = f"; before that, {_summary(sent)}" if sent.events else ""
        raise CouldNotRun(f"{error}{done}") from error
    except KeyboardInterrupt:
        pass  # what was read has been sent
    if as_json:
        printer.json({"accepted": sent.accepted, "rejected": sent.rejected})
    else:
        printer.line(Cell(_summary(sent), "red" if sent.rejected else "green"))
    return 1 if sent.rejected else 0


def _bodies(pieces: Iterator[bytes]) -> Iterator[tuple[bytes, list[int]]]:
    """Requests: a body, and the number of each line in it; no lines for a JSON array."""
    rest, number, first = b"", 0, True
    for piece in pieces:
        rest += piece
        if first and (start := rest.removeprefix(_MARK).strip()):
            first = False
            if start.startswith(b"["):
                yield rest + b"".join(pieces), []
                return
        *lines, rest = rest.split(b"\n")
        yield from _batches(lines, number)
        number += len(lines)
    yield from _batches([rest], number)


def _batches(lines: Sequence[bytes], before: int) -> Iterator[tuple[bytes, list[int]]]:
    numbered = [(before + at, line) for at, line in enumerate(lines, 1) if line.strip()]
    for start in range(0, len(numbered), _BATCH):
        batch = numbered[start : start + _BATCH]
        yield b"\n".join(line for _, line in batch), [number for number, _ in batch]


def _send(
    client: Client, body: bytes, media_type: str, sleep: Callable[[float], object]
) -> dict[str, Any]:
    """Try again what may succeed later: an event sent twice counts once."""
    for attempt in range(_ATTEMPTS):
        answer = client.post(_PATH, body, media_type)
        try:
            client.check(answer)
        except Unreachable:
            if attempt == _ATTEMPTS - 1:
                raise
            sleep(_wait(answer))
        except NotFound as error:
            raise CouldNotRun(
                f"{client.url} takes no events ({error}); name the collector's port with --url"
            ) from error
        else:
            return dict(answer.json())
    raise AssertionError("the last attempt returns or raises")


def _wait(answer: httpx.Response) -> float:
    try:
        return min(float(answer.headers.get("retry-after", 1)), _LONGEST_WAIT)
    except ValueError:
        return 1.0


def _count(
    printer: Printer,
    sent: Sent,
    answer: Mapping[str, Any],
    lines: Sequence[int],
    *,
    as_json: bool,
) -> None:
    for each in answer["rejected"]:
        found = {**each, "index": sent.events + each["index"]}
        if lines:
            found["line"] = lines[each["index"]]
        sent.rejected.append(found)
        if not as_json:
            where = f"line {found['line']}" if lines else f"event {found['index']}"
            printer.line(Cell("rejected", "bold red"), f"{where}: {each['error']}")
    sent.accepted += answer["accepted"]
    sent.events += len(lines) or answer["accepted"] + len(answer["rejected"])


def _summary(sent: Sent) -> str:
    return f"{sent.accepted} accepted, {len(sent.rejected)} rejected"
