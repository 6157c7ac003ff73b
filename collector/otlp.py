"""OTLP logs in protobuf as records, and what both encodings share.

Specification: https://opentelemetry.io/docs/specs/otlp/
"""

import base64
import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from collector.limits import Limits
from collector.records import BodyError, BodyTooLarge, Door, Flaw, Reason, Record

_EVENT_NAME: Final = "event.name"  # where SDKs put it before LogRecord had a field for it


def decode_protobuf(body: bytes, limits: Limits) -> list[Record]:
    """The records of one ``ExportLogsServiceRequest``.

    :raises BodyError: not such a message. :raises BodyTooLarge: too many records.
    """
    try:
        request = ExportLogsServiceRequest.FromString(body)
    except DecodeError as error:
        raise BodyError(
            f"the body is not an ExportLogsServiceRequest in protobuf: {error};"
            " was it cut short, or is its Content-Type wrong?"
        ) from error
    check_groups(len(request.resource_logs), limits)
    check_groups(sum(len(resource.scope_logs) for resource in request.resource_logs), limits)
    scopes = [
        (resource, scope) for resource in request.resource_logs for scope in resource.scope_logs
    ]
    check_count(sum(len(scope.log_records) for _, scope in scopes), limits)
    found: list[Record] = []
    resource_of = Resources(limits.depth)
    for resource, scope in scopes:
        values = resource_of(resource)
        name = scope.scope.name
        for log in scope.log_records:
            found.append(_from_protobuf(len(found), log, values, name, limits.depth))
    return found


class Resources:
    """Attributes of each resource, decoded once."""

    def __init__(self, depth: int) -> None:
        self._depth = depth
        self._last: Any = None
        self._values: Mapping[str, Any] = {}

    def __call__(self, logs: Any) -> Mapping[str, Any]:
        """Of ``ResourceLogs`` or ``ResourceSpans``."""
        if logs is not self._last:
            self._last = logs
            try:
                self._values = _attributes(logs.resource.attributes, self._depth)
            except Flaw:
                # one of many that nothing here needs; what is needed and missing is named later
                self._values = attributes_kept(logs.resource.attributes, self._depth)
        return self._values


def _from_protobuf(
    index: int, log: LogRecord, resource: Mapping[str, Any], scope: str, depth: int
) -> Record:
    record = Record(
        index=index,
        door=Door.OTLP,
        event_name=log.event_name,
        attributes={},
        resource=resource,
        occurred_at=log.time_unix_nano or None,
        observed_at=log.observed_time_unix_nano or None,
        trace_id=log.trace_id.hex(),
        span_id=log.span_id.hex(),
        scope=scope,
        body=log.body.string_value,
        severity=log.severity_text,
    )
    try:
        record.attributes = _attributes(log.attributes, depth)
    except Flaw as flaw:
        record.flaw = flaw
        record.source = str(log)[:65_536]
    take_event_name(record)
    return record


def take_event_name(record: Record) -> None:
    """Where the record has no event name, that of older SDKs: an attribute."""
    named = record.attributes.pop(_EVENT_NAME, None)
    if not record.event_name and isinstance(named, str):
        record.event_name = named


def _attributes(pairs: Any, depth: int) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for pair in pairs:
        value = pair.value
        # most are strings and not empty; asking for the kind first costs half as much again
        if text := value.string_value:
            values[pair.key] = text
        elif value.WhichOneof("value") == "int_value":
            values[pair.key] = value.int_value
        else:
            try:
                values[pair.key] = _plain(value, depth)
            except Flaw as flaw:
                raise Flaw(flaw.reason, pair.key, flaw.error) from None
    if len(values) != len(pairs):
        raise repeated(pair.key for pair in pairs)
    return values


def attributes_kept(pairs: Any, depth: int) -> dict[str, Any]:
    """Those that can be read; of one named twice the last."""
    values: dict[str, Any] = {}
    for pair in pairs:
        try:
            values[pair.key] = _plain(pair.value, depth)
        except Flaw:
            continue
    return values


def _plain(value: AnyValue, depth: int) -> Any:
    which = value.WhichOneof("value")
    if which is None:
        return None
    if which == "double_value":
        return double(value.double_value)
    if which == "bytes_value":
        return base64.b64encode(value.bytes_value).decode()
    if which == "array_value":
        check_depth(depth)
        return [_plain(each, depth - 1) for each in value.array_value.values]
    if which == "kvlist_value":
        check_depth(depth)
        return {each.key: _plain(each.value, depth - 1) for each in value.kvlist_value.values}
    return getattr(value, which)


def check_depth(depth: int) -> None:
    """Refuse values nested deeper than the limit."""
    if depth <= 0:
        raise Flaw(Reason.TOO_LARGE, "", "is nested too deep; send flatter values")


def double(value: float) -> float | str:
    """A double as JSON can say it; the three that it cannot, as OTLP spells them."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def repeated(keys: Iterator[str]) -> Flaw:
    """The flaw of a record that names an attribute twice."""
    seen: set[str] = set()
    for key in keys:
        if key in seen:
            break
        seen.add(key)
    return Flaw(
        Reason.REPEATED, key, "is given more than once, so it is unclear which holds; send it once"
    )


def check_groups(count: int, limits: Limits) -> None:
    """Refuse a body with more resources, or scopes, than the limit of records.

    Empty ones have two bytes each, and cost a thousand times that to look at.
    """
    if count > limits.records:
        raise BodyTooLarge(
            f"the body groups its records {count} times; at most {limits.records} resources and"
            " scopes are taken in one request: send it in smaller parts"
        )


def check_count(count: int, limits: Limits) -> None:
    """Refuse a body with more records than the limit."""
    if count > limits.records:
        raise BodyTooLarge(
            f"the body has {count} records; at most {limits.records} are taken in one request:"
            " send it in smaller parts"
        )
