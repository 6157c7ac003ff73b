"""Answers in the question's encoding: google.rpc.Status for OTLP, problem details for the rest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import Final

import msgspec
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from starlette.responses import Response

from collector.records import Refusal

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
PROBLEM: Final = "application/problem+json"

# https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto
_CODES: Final = {
    400: 3, 401: 16, 403: 7, 404: 5, 405: 12, 408: 4, 413: 3, 415: 3, 429: 8, 501: 12, 503: 14,
}  # fmt: skip
_REJECTED: Final = {False: "rejected_log_records", True: "rejected_spans"}
_NAMED: Final = 10  # refusals told in full in the one message that OTLP has room for
_LISTED: Final = 200  # and so many more by index alone


class Voice(StrEnum):
    """How an answer is encoded."""

    OTLP_PROTOBUF = "otlp-protobuf"
    OTLP_JSON = "otlp-json"
    NATIVE = "native"


@dataclass(slots=True)
class Trouble(Exception):
    """Ends a request with an error: what was wrong and what would be right."""

    status: int
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self, voice: Voice, path: str) -> Response:
        """The answer."""
        headers = dict(self.headers)
        if voice is Voice.OTLP_PROTOBUF:
            body = Status(code=_CODES.get(self.status, 13), message=self.message)
            return Response(body.SerializeToString(), self.status, headers, PROTOBUF)
        if voice is Voice.OTLP_JSON:
            text = {"code": _CODES.get(self.status, 13), "message": self.message}
            return Response(msgspec.json.encode(text), self.status, headers, JSON)
        phrase = HTTPStatus(self.status).phrase
        document = {
            "type": f"urn:donewatch:problem:{phrase.lower().replace(' ', '-')}",
            "title": phrase,
            "status": self.status,
            "detail": self.message,
            "instance": path,
        }
        return Response(msgspec.json.encode(document), self.status, headers, PROBLEM)


def taken(
    voice: Voice,
    accepted: int,
    refused: Sequence[Refusal],
    *,
    spans: bool = False,
    warning: str = "",
) -> Response:
    """The answer to a body of which something or nothing was refused.

    ``spans``: the records are spans, of which one may have become several events. ``warning`` is
    told where nothing was refused.
    """
    if voice is Voice.NATIVE:
        rejected = [
            {"index": each.index, "field": each.field, "error": each.error} for each in refused
        ]
        document = {"accepted": accepted, "rejected": rejected}
        return Response(msgspec.json.encode(document), media_type=JSON)
    message = _message(refused) or warning
    count = len({each.index for each in refused})
    if voice is Voice.OTLP_PROTOBUF:
        answer = ExportTraceServiceResponse() if spans else ExportLogsServiceResponse()
        if message:
            setattr(answer.partial_success, _REJECTED[spans], count)
            answer.partial_success.error_message = message
        return Response(answer.SerializeToString(), media_type=PROTOBUF)
    # 64-bit integers are strings in OTLP's JSON
    name = "rejectedSpans" if spans else "rejectedLogRecords"
    partial = {name: str(count), "errorMessage": message}
    body = {"partialSuccess": partial} if message else {}
    return Response(msgspec.json.encode(body), media_type=JSON)


def _message(refused: Sequence[Refusal]) -> str:
    errors = {each.index: each.error for each in reversed(refused)}  # of a span's events the first
    indexes = list(reversed(errors))
    told = [f"record {index}: {errors[index]}" for index in indexes[:_NAMED]]
    if others := [str(index) for index in indexes[_NAMED : _NAMED + _LISTED]]:
        more = len(indexes) - _NAMED - len(others)
        rest = f" and {more} more" if more else ""
        told.append(f"likewise refused: {', '.join(others)}{rest}")
    return "; ".join(told)
