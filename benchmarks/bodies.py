"""Requests as producers would send them, made before time is taken.

The times inside are written when a body is sent, in place: an event that was made minutes before it
is sent would be late, and what is late costs more than what is in time.
"""

import json
import struct
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from donewatch import attributes as names
from lifecycle.events import FIELD_BY_NAME

RESOURCE: Final = {
    names.SERVICE_NAME: "checkout",
    names.SERVICE_VERSION: "2026.11.3",
    names.ENVIRONMENT: "production",
}
_SDK: Final = {
    "telemetry.sdk.language": "python",
    "telemetry.sdk.name": "opentelemetry",
    "telemetry.sdk.version": "1.45.2",
}
_NATIVE_RESOURCE: Final = {
    "service": RESOURCE[names.SERVICE_NAME],
    "service_version": RESOURCE[names.SERVICE_VERSION],
    "environment": RESOURCE[names.ENVIRONMENT],
}
_HEAD: Final = struct.Struct("<II")
_TIME: Final = struct.Struct("<Q")
_SECOND: Final = 1_000_000_000
_STEP: Final = 1_000  # nanoseconds between two events of a body: what the store tells apart


class Form(StrEnum):
    """What a body is written in."""

    OTLP = "otlp"  # ExportLogsServiceRequest, protobuf
    NDJSON = "ndjson"  # the native endpoint's lines


@dataclass(frozen=True, slots=True)
class Body:
    """One request's content, and where in it its events say when they happened."""

    content: bytearray
    events: int
    places: "array[int]"  # of OTLP two an event: time and observed time

    def happens(self, last: int, form: Form) -> None:
        """Let its events have happened one after another, the last at ``last`` (nanoseconds)."""
        first = last - (self.events - 1) * _STEP
        if form is Form.OTLP:
            put = _TIME.pack_into
            content = self.content
            for at, place in enumerate(self.places):
                put(content, place, first + (at >> 1) * _STEP)
        else:
            for at, place in enumerate(self.places):
                self.content[place : place + 27] = _written(first + at * _STEP)


def span(events: int) -> int:
    """How many nanoseconds the events of a body take, so that bodies follow each other."""
    return events * _STEP


def otlp(happenings: Sequence[Mapping[str, Any]], records: int) -> Iterator[Body]:
    """``ExportLogsServiceRequest``s of ``records`` events each; the last may have fewer."""
    for at in range(0, len(happenings), records):
        part = happenings[at : at + records]
        content = bytearray(_request(part).SerializeToString())
        places = array("I")
        place = 0
        for happening in part:
            written = _TIME.pack(happening["occurred_at"])
            for tag in (b"\x09", b"\x59"):  # time_unix_nano, observed_time_unix_nano
                place = content.index(tag + written, place) + 1
                places.append(place)
        yield Body(content, len(part), places)


def ndjson(happenings: Sequence[Mapping[str, Any]], records: int) -> Iterator[Body]:
    """Lines of the native endpoint, ``records`` to a body; the last may have fewer."""
    for at in range(0, len(happenings), records):
        part = happenings[at : at + records]
        content = bytearray()
        places = array("I")
        for happening in part:
            when = _written(happening["occurred_at"])
            line = json.dumps(
                {**happening, "occurred_at": when.decode(), **_NATIVE_RESOURCE},
                separators=(",", ":"),
            ).encode()
            places.append(len(content) + line.index(when))
            content += line + b"\n"
        yield Body(content, len(part), places)


def write(path: Path, bodies: Iterable[Body]) -> None:
    """Keep bodies in one file."""
    with path.open("wb") as file:
        for body in bodies:
            file.write(_HEAD.pack(len(body.content), body.events))
            file.write(_HEAD.pack(len(body.places), body.places.itemsize))
            file.write(body.places.tobytes())
            file.write(body.content)


def read(path: Path) -> Iterator[Body]:
    """The bodies of a file that ``write`` has written."""
    with path.open("rb") as file:
        while head := file.read(_HEAD.size):
            size, events = _HEAD.unpack(head)
            count, width = _HEAD.unpack(file.read(_HEAD.size))
            places = array("I")
            places.frombytes(file.read(count * width))
            yield Body(bytearray(file.read(size)), events, places)


def _written(moment: int) -> bytes:
    """RFC 3339 with microseconds, always of 27 bytes."""
    seconds, rest = divmod(moment, _SECOND)
    text = _second(seconds)
    return b"%s.%06dZ" % (text, rest // 1000)


_seconds: dict[int, bytes] = {}


def _second(seconds: int) -> bytes:
    if seconds not in _seconds:
        _seconds[seconds] = datetime.fromtimestamp(seconds, UTC).strftime("%FT%T").encode()
    return _seconds[seconds]


def _request(happenings: Sequence[Mapping[str, Any]]) -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    resource_logs = request.resource_logs.add()
    for name, value in {**RESOURCE, **_SDK}.items():
        _put(resource_logs.resource.attributes.add(), name, value)
    scope_logs = resource_logs.scope_logs.add()
    scope_logs.scope.name = "donewatch"
    for happening in happenings:
        rest = dict(happening)
        log = scope_logs.log_records.add()
        log.event_name = f"donewatch.{rest.pop('event')}"
        log.time_unix_nano = log.observed_time_unix_nano = rest.pop("occurred_at")
        log.trace_id = bytes.fromhex(rest.pop("trace_id"))
        log.span_id = bytes.fromhex(rest.pop("span_id"))
        further = rest.pop("attributes", {})
        for name, value in rest.items():
            _put(log.attributes.add(), FIELD_BY_NAME[name].attribute, value)
        for name, value in further.items():
            _put(log.attributes.add(), name, value)
    return request


def _put(pair: KeyValue, name: str, value: str | int) -> None:
    pair.key = name
    if isinstance(value, int):
        pair.value.int_value = value
    else:
        pair.value.string_value = value
