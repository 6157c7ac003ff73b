"""HTTP/1.1 as uvicorn speaks it, with bounds on what one peer may cost, and errors of our own.

Uvicorn waits as long as it takes for the head of a request and for the reader of an answer, and
keeps in memory whatever comes as request line, header, trailer or pipelined request. Anybody who
may connect could fill it.
"""

import json
from asyncio import BaseTransport, TimerHandle
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD: Final = 65_536  # bytes of request line and headers; of trailers as well
MAX_PIPELINED: Final = 100  # requests of one connection that wait for answers before theirs
_FRAMING: Final = 32  # bytes for each one of a body: a chunk may hold but one


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a connection is waited for, in seconds, and how many there may be."""

    head: float = 10.0  # from its first byte, or from connecting, to its last
    request: float = 120.0  # from the end of its head to the end of its body
    reading: float = 60.0  # without taking a byte of its answer
    connections: int = 4_000  # at once


class _Refused(Exception):
    """Ends the parser's work."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    _in_head = True
    _heads = 0  # that were read to their end
    _head = 0  # bytes so far of one that comes in pieces
    _framing = 0  # bytes so far of a request after its head that are not its content
    _content = 0  # bytes so far that are
    _silent = True  # nothing was ever sent
    _deaf = False  # what else is sent is let fall; closes after the last answer
    _status = HTTPStatus.BAD_REQUEST
    _arriving: TimerHandle | None = None
    _taking: TimerHandle | None = None
    _untaken = 0  # bytes of answers when it was last looked whether they are taken

    def __init__(self, *args: Any, patience: Patience, **named: Any) -> None:
        self._patience = patience
        super().__init__(*args, **named)

    def connection_made(self, transport: BaseTransport) -> None:
        """Somebody connects; one too many is told so."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self._await_end_of(self._patience.head)
        if len(self.connections) > self._patience.connections:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._await_end_of(None)
        if self._taking:
            self._taking.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """What the peer sent; a head or trailers that will not end are refused."""
        if self._deaf:
            return
        self._silent = False
        began_in_head, heads, content = self._in_head, self._heads, self._content
        if began_in_head and self._arriving is None:
            self._await_end_of(self._patience.head)  # also where only empty lines come
        super().data_received(data)
        if self._heads != heads or self.transport.is_closing():
            return
        if began_in_head:
            self._head += len(data)
        elif not self._in_head:
            self._framing += len(data) - (self._content - content)
        if self._head > MAX_HEAD or self._framing > MAX_HEAD + _FRAMING * self._content:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        if len(self.pipeline) >= MAX_PIPELINED:
            # whoever sent more than is answered sends it again (RFC 9112, section 9.3.2)
            self._deaf = True
            raise _Refused
        self._await_end_of(self._patience.head)
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header. Trailers are let fall: they would pass for headers of the request."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is there."""
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > MAX_HEAD:
            self._status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            raise _Refused
        self._in_head, self._head, self._framing, self._content = False, 0, 0, 0
        self._heads += 1
        self._await_end_of(self._patience.request)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._content += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The body is there; the next head may come."""
        super().on_message_complete()
        self._in_head = True
        self._await_end_of(None)

    def on_response_complete(self) -> None:
        """An answer was written; the next request may be answered."""
        last = not self.pipeline
        super().on_response_complete()
        if self.pipeline and not self.transport.is_closing():
            self.flow.pause_reading()  # uvicorn reads on: the line would grow with every answer
        if last and self._deaf:
            self.transport.close()
        self._watch_taking()

    def pause_writing(self) -> None:
        """The peer does not take its answer as fast as it is written."""
        super().pause_writing()
        self._watch_taking()

    def send_400_response(self, msg: str) -> None:
        """Say what was wrong and close; no application ever saw this request."""
        if self._deaf or self.transport.is_closing():
            return
        if self.cycle is not None and not self._in_head and self.cycle.response_started:
            self.transport.close()  # it was answered before it was sent to its end
        elif self.pipeline and not self._in_head:
            self.pipeline.popleft()  # those before it are answered
            self._deaf = True
        elif self.cycle is not None and self._in_head and not self.cycle.response_complete:
            self._deaf = True  # this would be taken for the answer to the request before
        else:
            self.transport.write(_ANSWERS[self._status])
            self.transport.close()
            self._watch_taking()

    def _unsupported_upgrade_warning(self) -> None:
        """Nothing: an offer to upgrade may be ignored (RFC 9110, section 7.8)."""

    def _refuse(self, status: HTTPStatus) -> None:
        self._status = status
        self.send_400_response("")

    def _await_end_of(self, seconds: float | None) -> None:
        """Something must have arrived within so many seconds; nothing is awaited with none."""
        if self._arriving is not None:
            self._arriving.cancel()
            self._arriving = None
        if seconds is not None:
            self._arriving = self.loop.call_later(seconds, self._late)

    def _late(self) -> None:
        if self._silent:
            self.transport.close()
        else:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)

    def _watch_taking(self) -> None:
        """Give up a peer that takes nothing more of its answer."""
        self._untaken = self.transport.get_write_buffer_size()
        if self._untaken and self._taking is None:
            self._taking = self.loop.call_later(self._patience.reading, self._is_taken)

    def _is_taken(self) -> None:
        self._taking = None
        if 0 < self._untaken <= self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self._watch_taking()


def _answer(status: HTTPStatus, detail: str, fix: str, headers: str = "") -> bytes:
    document = {
        "type": f"urn:donewatch:problem:{status.phrase.lower().replace(' ', '-')}",
        "title": status.phrase,
        "status": status.value,
        "detail": detail,
        "fix": fix,
    }
    body = json.dumps(document).encode()
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        "content-type: application/problem+json\r\n"
        f"content-length: {len(body)}\r\n{headers}"
        "connection: close\r\n\r\n"
    )
    return head.encode() + body


_ANSWERS: Final = {
    HTTPStatus.BAD_REQUEST: _answer(
        HTTPStatus.BAD_REQUEST,
        "this is not an HTTP/1.1 request that can be read",
        "percent-encode whatever is not ASCII in the path, send each header on one line and "
        "one length of the body",
    ),
    HTTPStatus.REQUEST_TIMEOUT: _answer(
        HTTPStatus.REQUEST_TIMEOUT,
        "the request did not arrive in time",
        "send the head of a request at once and its body without pause",
    ),
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: _answer(
        HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
        f"request line and headers, or trailers, have more than {MAX_HEAD} bytes",
        "send what is long in the body",
    ),
    HTTPStatus.SERVICE_UNAVAILABLE: _answer(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "there are as many connections as there may be at once",
        "connect again in a few seconds, or close connections that wait",
        "retry-after: 5\r\n",
    ),
}
