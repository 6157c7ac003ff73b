"""Requests as an OpenTelemetry SDK's exporter would send them, made before time is taken."""

import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue

from collector.check import Checker
from collector.limits import Limits
from collector.otlp import decode_protobuf
from donewatch import attributes as names
from lifecycle.events import FIELD_BY_NAME, Event

RECORDS: Final = 512  # what an SDK's batch processor sends at most, unless told otherwise
_RESOURCE: Final = {
    names.SERVICE_NAME: "checkout",
    names.SERVICE_VERSION: "2026.11.3",
    names.ENVIRONMENT: "production",
    "telemetry.sdk.language": "python",
    "telemetry.sdk.name": "opentelemetry",
    "telemetry.sdk.version": "1.45.2",
}
_LENGTH: Final = struct.Struct("<I")


def encoded(happenings: Sequence[Mapping[str, Any]], records: int = RECORDS) -> list[bytes]:
    """``ExportLogsServiceRequest``s of ``records`` events each; the last may have fewer."""
    return [
        _request(happenings[at : at + records]).SerializeToString()
        for at in range(0, len(happenings), records)
    ]


def checked(bodies: Sequence[bytes], received_at: int) -> list[Event]:
    """What the collector makes of them, ready to be stored; ``received_at`` in microseconds."""
    limits = Limits()
    events: list[Event] = []
    for body in bodies:
        check = Checker(
            tenant="default", collector="benchmark", received_at=received_at, limits=limits
        )
        for record in decode_protobuf(body, limits):
            event = check(record)
            if not isinstance(event, Event):
                raise ValueError(f"the benchmark's own event is refused: {event.error}")
            events.append(event)
    return events


def write(path: Path, bodies: Sequence[bytes]) -> None:
    """Keep bodies in one file, each after its length."""
    with path.open("wb") as file:
        for body in bodies:
            file.write(_LENGTH.pack(len(body)))
            file.write(body)


def read(path: Path) -> Iterator[bytes]:
    """The bodies of a file that ``write`` has written."""
    with path.open("rb") as file:
        while head := file.read(_LENGTH.size):
            yield file.read(_LENGTH.unpack(head)[0])


def _request(happenings: Sequence[Mapping[str, Any]]) -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    resource_logs = request.resource_logs.add()
    for name, value in _RESOURCE.items():
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
