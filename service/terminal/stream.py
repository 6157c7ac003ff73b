"""Server-sent events of the API, followed over interruptions."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from service.terminal.client import API, Client, Unreachable

SILENCE: Final = 45.0  # seconds; a quiet stream says every 15 s that it lives
_PAUSES: Final = (
    0.5,
    1.0,
    2.0,
    5.0,
)  # seconds between attempts to connect again, the last for ever


@dataclass(frozen=True, slots=True)
class Message:
    """What was dispatched. ``name`` is empty unless given; ``id`` is the last one that came."""

    name: str
    data: str
    id: str


def messages(pieces: Iterator[bytes]) -> Iterator[Message]:
    """Read an event stream (HTML standard, 9.2.6); messages without data as well, for their id.

    Bytes are cut into lines here: text in JSON may hold what else counts as an end of a line.
    """
    rest = b""
    name, data, last_id = "", list[str](), ""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for raw in lines:
            line = raw.removesuffix(b"\r").decode("utf-8", "replace")
            if not line:
                yield Message(name, "\n".join(data), last_id)
                name, data = "", []
                continue
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "data":
                data.append(value)
            elif field == "event":
                name = value
            elif field == "id":
                last_id = value


def follow(
    client: Client,
    parameters: Mapping[str, Any],
    note: Callable[[str], object],
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[dict[str, Any]]:
    """Every event, without an end; ``note`` is told of interruptions.

    After one it goes on where it was, so nothing is missed.

    :raises CouldNotRun: the first connection fails, or the service refuses for good.
    """
    last_id, connected, failures = "", False, 0
    while True:
        try:
            headers = {"Last-Event-ID": last_id} if last_id else {}
            with client.stream(f"{API}/events/stream", parameters, headers, SILENCE) as pieces:
                for message in messages(pieces):
                    if failures:
                        note("connected again")
                    connected, failures = True, 0
                    last_id = message.id or last_id
                    if message.name == "problem":
                        note(_problem(message.data))
                    elif message.data:
                        yield json.loads(message.data)
            reason = f"the stream from {client.url} ended"
        except Unreachable as error:
            if not connected:
                raise
            reason = str(error)
        if not failures:
            note(f"{reason}; trying again until it answers")
        sleep(_PAUSES[min(failures, len(_PAUSES) - 1)])
        failures += 1


def _problem(data: str) -> str:
    problem = json.loads(data)
    return f"{problem['detail']} ({problem['fix']})"
