"""OTLP logs in JSON as records.

Unlike protobuf's own JSON, trace and span ids are hex (other bytes are base64). 64-bit integers are
strings or numbers, names are lowerCamelCase, and unknown names are ignored.
https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
"""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from collector.limits import Limits
from collector.otlp import (
    check_count,
    check_depth,
    check_groups,
    double,
    repeated,
    take_event_name,
)
from collector.records import BodyError, Door, Flaw, Reason, Record


class Shape(msgspec.Struct, rename="camel", gc=False):
    """A message of OTLP; what it does not name is ignored."""


class _Array(Shape):
    values: "list[_Value] | None" = None


class Pair(Shape):
    """A name and its value."""

    key: str = ""
    value: "_Value | None" = None


class _Pairs(Shape):
    values: list[Pair] | None = None


class _Value(Shape):
    string_value: str | None = None
    bool_value: bool | None = None
    int_value: int | float | str | None = None
    double_value: float | str | None = None
    array_value: _Array | None = None
    kvlist_value: _Pairs | None = None
    bytes_value: str | None = None


class _Log(Shape):
    time_unix_nano: int | float | str | None = None
    observed_time_unix_nano: int | float | str | None = None
    attributes: list[Pair] | None = None
    trace_id: str | None = None
    span_id: str | None = None
    event_name: str | None = None
    # these three are for mappings alone, so that no shape of them costs the body
    severity_text: Any = None
    body: Any = None


class _Scope(Shape):
    scope: Any = None
    log_records: list[_Log] | None = None


class Resource(Shape):
    """A resource."""

    attributes: list[Pair] | None = None


class _Logs(Shape):
    resource: Resource | None = None
    scope_logs: list[_Scope] | None = None


class _Request(Shape):
    resource_logs: list[_Logs] | None = None


_DECODER: Final = msgspec.json.Decoder(_Request)
_INTEGER: Final = re.compile(r"-?[0-9]{1,20}")
_INT64: Final = 2**63


def decode_json(body: bytes, limits: Limits) -> list[Record]:
    """The records of one ``ExportLogsServiceRequest`` in OTLP's JSON.

    :raises BodyError: not JSON, or a value of the wrong type; the message has its path.
    :raises BodyTooLarge: too many records.
    """
    if not body:
        return []  # as in protobuf, where nothing is the empty request
    try:
        request = _DECODER.decode(body)
    except RecursionError:
        raise BodyError("the body is nested too deep to be read; send flatter values") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BodyError(f"the body is not an ExportLogsServiceRequest in JSON: {error}") from error
    resources = request.resource_logs or ()
    check_groups(len(resources), limits)
    check_groups(sum(len(logs.scope_logs or ()) for logs in resources), limits)
    scopes = [(logs, scope) for logs in resources for scope in logs.scope_logs or ()]
    check_count(sum(len(scope.log_records or ()) for _, scope in scopes), limits)
    found: list[Record] = []
    last: _Logs | None = None
    resource: Mapping[str, Any] = {}
    for logs, scope in scopes:
        if logs is not last:
            last = logs
            resource = attributes_kept(
                logs.resource.attributes if logs.resource else None, limits.depth
            )
        name = text_in(scope.scope, "name")
        for log in scope.log_records or ():
            found.append(_from_json(len(found), log, resource, name, limits.depth))
    return found


def attributes_kept(pairs: list[Pair] | None, depth: int) -> dict[str, Any]:
    """Those that can be read; of one named twice the last."""
    values: dict[str, Any] = {}
    for pair in pairs or ():
        try:
            values[pair.key] = _plain_json(pair.value, depth)
        except Flaw:
            continue
    return values


def _from_json(
    index: int, log: _Log, resource: Mapping[str, Any], scope: str, depth: int
) -> Record:
    record = Record(
        index=index,
        door=Door.OTLP,
        event_name=log.event_name or "",
        attributes={},
        resource=resource,
        trace_id=log.trace_id or "",
        span_id=log.span_id or "",
        scope=scope,
        body=text_in(log.body, "stringValue"),
        severity=text_in({"": log.severity_text}, ""),
    )
    try:
        record.occurred_at = nanoseconds("timeUnixNano", log.time_unix_nano)
        record.observed_at = nanoseconds("observedTimeUnixNano", log.observed_time_unix_nano)
        pairs = log.attributes or ()
        values = record.attributes
        for pair in pairs:
            try:
                values[pair.key] = _plain_json(pair.value, depth)
            except Flaw as flaw:
                raise Flaw(flaw.reason, pair.key, flaw.error) from None
        if len(values) != len(pairs):
            raise repeated(pair.key for pair in pairs)
    except Flaw as flaw:
        record.flaw = flaw
        record.source = msgspec.json.encode(log).decode()
    take_event_name(record)
    return record


def text_in(value: Any, name: str) -> str:
    """The text under a name, if there is one."""
    found = value.get(name) if type(value) is dict else None
    return found if type(found) is str else ""


def nanoseconds(field: str, value: float | str | None) -> int | None:
    """A time; ``None`` for 0, which OTLP means by "not known".

    :raises Flaw: not one.
    """
    if value is None or value == "":
        return None
    number = _whole(value)
    if number is None or not 0 <= number < 2**64:
        raise Flaw(
            Reason.TIME,
            field,
            f"is {str(value)[:40]!r}; it must be whole nanoseconds since 1970, as number or string",
        )
    return number or None


def _whole(value: float | str) -> int | None:
    if isinstance(value, str):
        return int(value) if _INTEGER.fullmatch(value) else None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    return value


def _plain_json(value: _Value | None, depth: int) -> Any:
    if value is None:
        return None
    if value.string_value is not None:
        return value.string_value
    if value.int_value is not None:
        number = _whole(value.int_value)
        if number is None or not -_INT64 <= number < _INT64:
            raise Flaw(
                Reason.RANGE,
                "",
                f"has the intValue {str(value.int_value)[:40]!r}; it must be a 64-bit integer",
            )
        return number
    if value.bool_value is not None:
        return value.bool_value
    if value.double_value is not None:
        return _double_from_json(value.double_value)
    if value.array_value is not None:
        check_depth(depth)
        return [_plain_json(each, depth - 1) for each in value.array_value.values or ()]
    if value.kvlist_value is not None:
        check_depth(depth)
        pairs = value.kvlist_value.values or ()
        return {each.key: _plain_json(each.value, depth - 1) for each in pairs}
    if value.bytes_value is not None:
        try:
            decoded = base64.b64decode(value.bytes_value, validate=True)
        except (binascii.Error, ValueError):
            raise Flaw(Reason.TYPE, "", "has a bytesValue that is not base64") from None
        return base64.b64encode(decoded).decode()
    return None


def _double_from_json(value: float | str) -> float | str:
    if isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            raise Flaw(
                Reason.TYPE, "", f"has the doubleValue {value[:40]!r}, which is not a number"
            ) from None
        return double(number)
    return double(float(value))
