"""HTTP/1.1 as uvicorn speaks it, with a bound on the head of a request and errors of our own.

Uvicorn keeps a request line and headers in memory for as long as they come: anybody who may connect
could fill it.
"""

import json
from http import HTTPStatus
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD: Final = 65_536  # bytes of request line and headers


class _HeadTooLarge(Exception):
    """Ends the parser's work."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    _in_head = True
    _heads = 0  # that were read to their end
    _head = 0  # bytes so far of one that comes in pieces
    _too_large = False

    def data_received(self, data: bytes) -> None:
        """What the peer sent; a head that will not end is refused."""
        began_in_head, before = self._in_head, self._heads
        super().data_received(data)
        # in a head from the first byte to the last
        if began_in_head and self._heads == before and not self.transport.is_closing():
            self._head += len(data)
            if self._head > MAX_HEAD:
                self._too_large = True
                self.send_400_response("")

    def on_headers_complete(self) -> None:
        """The head is there."""
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > MAX_HEAD:
            self._too_large = True
            raise _HeadTooLarge
        self._in_head, self._head = False, 0
        self._heads += 1
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The body is there; the next head may come."""
        super().on_message_complete()
        self._in_head = True

    def send_400_response(self, msg: str) -> None:
        """Say what was wrong and close; no application ever saw this request."""
        status, detail, fix = (
            HTTPStatus.BAD_REQUEST,
            "this is not an HTTP/1.1 request that can be read",
            "percent-encode whatever is not ASCII in the path, send each header on one line and "
            "one length of the body",
        )
        if self._too_large:
            status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            detail = f"request line and headers have more than {MAX_HEAD} bytes"
            fix = "send what is long in the body"
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
            f"content-length: {len(body)}\r\n"
            "connection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()

    def _unsupported_upgrade_warning(self) -> None:
        """Nothing: an offer to upgrade may be ignored (RFC 9110, section 7.8)."""
