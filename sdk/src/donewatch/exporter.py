"""Sends batches through OpenTelemetry's exporter, and learns what became of every event.

That exporter says only whether a request went well: it takes a redirect for success, does not read
which records the endpoint rejected, and gives a batch up after its quick retries. So its session is
watched here.
"""

import json
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import requests
from google.protobuf.message import DecodeError  # type: ignore[import-untyped,unused-ignore]
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult

from donewatch.attributes import HEARTBEAT
from donewatch.complaints import Complaints
from donewatch.ledger import Ledger, Reason
from donewatch.settings import Settings

_RETRYABLE = frozenset({429, 502, 503, 504})
_PAUSE = 1.0  # seconds between rounds of attempts; each round has its own backoff
_MINUTE = 60.0
_SHOWN = 300  # characters of an answer


class _Session(requests.Session):
    """Remembers the last answer of the endpoint, and whether anything was sent at all."""

    def __init__(self, token: str) -> None:
        super().__init__()
        self.attempts = 0
        self.answer: requests.Response | None = None
        self.trouble = ""
        self.auth = _Bearer(token)

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        self.attempts += 1
        self.answer = None
        try:
            self.answer = super().send(request, **kwargs)
        except Exception as error:
            self.trouble = f"{type(error).__name__}: {error}"
            raise
        return self.answer


class _Bearer(requests.auth.AuthBase):
    """Sets the token, if there is one. Without an ``auth``, requests would look into a .netrc, let
    it replace the token, and import a module for it beside the callers: a child forked during an
    import waits for that module for ever."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class _Verdict(Enum):
    ACCEPTED = auto()
    AWAY = auto()  # the same request may succeed later
    REFUSED = auto()  # it will not
    DIVIDE = auto()  # parts of it may


@dataclass(frozen=True, slots=True)
class _Answer:
    verdict: _Verdict
    detail: str = ""
    rejected: int = 0


class CountingExporter(LogRecordExporter):
    """Settles every event of a batch in the ledger, whatever happens to the batch."""

    def __init__(
        self,
        settings: Settings,
        ledger: Ledger,
        complaints: Complaints,
        taken: Callable[[int, int], None],
    ) -> None:
        """``taken(events, heartbeats)`` is told of every batch that has left the queue."""
        self._settings = settings
        self._taken = taken
        self._ledger = ledger
        self._complaints = complaints
        self._stopping = threading.Event()
        self._pid = os.getpid()
        self._session = _Session(settings.token)
        self._inner = OTLPLogExporter(
            endpoint=settings.endpoint,
            timeout=settings.export_timeout,
            session=self._session,
            meter_provider=NoOpMeterProvider(),
        )

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        """Deliver a batch, at the pace of the endpoint; called by one thread at a time."""
        events = _events(batch)
        self._taken(events, len(batch) - events)
        self._deliver(batch)
        return LogRecordExportResult.SUCCESS

    def shutdown(self) -> None:
        """Interrupt what waits for another attempt, and send nothing more."""
        # In a forked child the event's lock may be held by a thread that only the parent has.
        if self._pid != os.getpid() or self._stopping.is_set():
            return
        self._stopping.set()
        self._inner.shutdown()  # type: ignore[no-untyped-call]

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing is held back here."""
        return True

    def _deliver(self, batch: Sequence[ReadableLogRecord]) -> None:
        give_up_at = time.monotonic() + self._settings.retry_timeout
        answer = self._attempt(batch)
        while answer.verdict is _Verdict.AWAY and time.monotonic() < give_up_at:
            self._complain("away", "donewatch cannot reach %s: %s; trying again", answer.detail)
            if self._stopping.wait(_PAUSE):
                break
            answer = self._attempt(batch)
        if answer.verdict is _Verdict.DIVIDE and len(batch) > 1:
            middle = len(batch) // 2
            self._deliver(batch[:middle])
            self._deliver(batch[middle:])
            return
        self._settle(batch, answer)

    def _settle(self, batch: Sequence[ReadableLogRecord], answer: _Answer) -> None:
        """Say what went wrong, then count: whoever waits for the count finds it explained."""
        events = _events(batch)
        if answer.verdict is _Verdict.ACCEPTED:
            # Which ones were rejected it does not say; a heartbeat among them counts as an event.
            rejected = min(answer.rejected, events)
            if answer.rejected or answer.detail:
                self._complain(
                    "rejected", f"{answer.rejected} events were rejected by %s: %s", answer.detail
                )
            self._ledger.settle(events - rejected, {Reason.REJECTED: rejected})
        elif answer.verdict is _Verdict.AWAY:
            self._complain("failed", f"{events} events lost, cannot reach %s: %s", answer.detail)
            self._ledger.settle(0, {Reason.FAILED: events})
        else:
            self._complain("refused", f"{events} events lost, refused by %s: %s", answer.detail)
            self._ledger.settle(0, {Reason.REFUSED: events})

    def _complain(self, key: str, message: str, detail: str) -> None:
        self._complaints.say(
            key,
            message,
            self._settings.endpoint,
            detail[:_SHOWN] or "no reason given",
            every=_MINUTE,
        )

    def _attempt(self, batch: Sequence[ReadableLogRecord]) -> _Answer:
        session = self._session
        session.attempts, session.answer, session.trouble = 0, None, ""
        try:
            self._inner.export(batch)
        except Exception as error:  # noqa: BLE001 - whatever it is, the events are accounted for
            return _Answer(_Verdict.DIVIDE, f"{type(error).__name__}: {error}")
        if session.answer is not None:
            return _read(session.answer)
        if session.attempts or self._stopping.is_set():
            return _Answer(_Verdict.AWAY, session.trouble or "no time left")
        # Not even sent: one event that cannot be encoded, or all of them too large together.
        return _Answer(_Verdict.DIVIDE, "could not be encoded as a request")


def _events(batch: Sequence[ReadableLogRecord]) -> int:
    return sum(record.log_record.event_name != HEARTBEAT for record in batch)


def _read(response: requests.Response) -> _Answer:
    status = response.status_code
    if 200 <= status < 300:
        return _read_success(response)
    detail = f"{status} {response.reason}: {_message(response)}"
    if status in _RETRYABLE:
        return _Answer(_Verdict.AWAY, detail)
    if status in (401, 403):
        detail += " (is DONEWATCH_TOKEN set, with the scope ingest?)"
    # 413: half of it may be within the limit.
    return _Answer(_Verdict.DIVIDE if status == 413 else _Verdict.REFUSED, detail)


def _read_success(response: requests.Response) -> _Answer:
    kind = response.headers.get("content-type", "")
    try:
        if "json" in kind:
            partial = json.loads(response.content or b"{}").get("partialSuccess") or {}
            rejected = int(partial.get("rejectedLogRecords", 0))
            return _Answer(_Verdict.ACCEPTED, str(partial.get("errorMessage", "")), rejected)
        answer = ExportLogsServiceResponse.FromString(response.content)
    except (DecodeError, ValueError, TypeError, AttributeError):
        # Something else listens there and would swallow every event.
        return _Answer(
            _Verdict.REFUSED,
            f"it answered {response.status_code} with {kind or 'data'} that is not OTLP",
        )
    success = answer.partial_success
    return _Answer(_Verdict.ACCEPTED, success.error_message, success.rejected_log_records)


def _message(response: requests.Response) -> str:
    """The endpoint's own words: of a ``google.rpc.Status`` the text, found without its schema."""
    printable = "".join(
        sign if sign.isprintable() else " "
        for sign in response.content[:2000].decode("utf-8", "replace")
    )
    return " ".join(printable.split())
