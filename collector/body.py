"""Reading a request's body within limits: of size before and after decompression, and of time."""

import asyncio
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import ClientDisconnect, Request

from collector.limits import Limits
from collector.replies import Trouble

_GZIP = 16 + zlib.MAX_WBITS
# The rest of the body is not read, so nothing else can follow on this connection
_CLOSE = {"Connection": "close"}


class Bodies:
    """Reads bodies; all being read at once share one budget."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._buffered = 0

    @asynccontextmanager
    async def reading(self, request: Request) -> AsyncIterator[bytes]:
        """The body, decompressed; it counts against the budget until the block is left.

        :raises Trouble: 400 cut short or not gzip, 408 too slow, 413 too large, 415 another
            encoding, 429 too many large bodies at once.
        """
        budget = _Budget(self)
        try:
            yield await self._read(request, budget)
        finally:
            self._buffered -= budget.used

    async def _read(self, request: Request, budget: "_Budget") -> bytes:
        limits = self._limits
        encoding = request.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("gzip", "identity", ""):
            raise Trouble(
                415,
                f"Content-Encoding {encoding[:40]!r} is not understood; send gzip or none",
                _CLOSE,
            )
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared[:19]) > limits.body:
            raise _too_large("as sent", limits.body)
        try:
            async with asyncio.timeout(limits.body_seconds):
                chunks = _limited(request.stream(), limits.body)
                if encoding == "gzip":
                    return await _inflate(chunks, limits.inflated, budget)
                return await _join(chunks, min(limits.body, limits.inflated), budget)
        except TimeoutError:
            raise Trouble(
                408,
                f"the body did not arrive within {limits.body_seconds:g} s; send it again",
                _CLOSE,
            ) from None
        except ClientDisconnect:
            raise Trouble(400, "the connection ended before the body did", _CLOSE) from None

    async def drain(self, request: Request) -> None:
        """Read and forget what a refused request still sends, within limits.

        Closing while it sends resets the connection: the client would not see the answer, take it
        for a broken network, and send the same again.
        """
        limits = self._limits
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared[:19]) > limits.body + limits.drained:
            return
        size = 0
        try:
            async with asyncio.timeout(limits.body_seconds):
                async for chunk in request.stream():
                    size += len(chunk)
                    if size > limits.drained:
                        return
        except (TimeoutError, ClientDisconnect, RuntimeError):
            return  # slow, gone, or read to its end before

    def take(self, size: int) -> None:
        """Count bytes against the budget of all requests."""
        if self._buffered + size > self._limits.buffered:
            raise Trouble(
                429,
                "too many large requests at once; send it again later",
                {"Retry-After": str(self._limits.retry_after), **_CLOSE},
            )
        self._buffered += size


class _Budget:
    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self.used = 0

    def take(self, size: int) -> None:
        self._bodies.take(size)
        self.used += size


def _too_large(what: str, limit: int) -> Trouble:
    return Trouble(
        413, f"the body has more than {limit} bytes {what}; send it in smaller parts", _CLOSE
    )


async def _limited(stream: AsyncIterator[bytes], limit: int) -> AsyncIterator[bytes]:
    size = 0
    async for chunk in stream:
        size += len(chunk)
        if size > limit:
            raise _too_large("as sent", limit)
        yield chunk


async def _join(chunks: AsyncIterator[bytes], limit: int, budget: _Budget) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > limit:
            raise _too_large("as sent", limit)
        budget.take(len(chunk))
        parts.append(chunk)
    return b"".join(parts)


async def _inflate(chunks: AsyncIterator[bytes], limit: int, budget: _Budget) -> bytes:
    """Never holds more than ``limit`` and one byte: a bomb is left at its first excess."""
    parts: list[bytes] = []
    size = 0
    inflater = zlib.decompressobj(_GZIP)
    begun = False
    try:
        async for chunk in chunks:
            rest = chunk
            while rest:
                if inflater.eof:  # another gzip member follows
                    inflater = zlib.decompressobj(_GZIP)
                begun = True
                part = inflater.decompress(rest, limit + 1 - size)
                size += len(part)
                if size > limit:
                    raise _too_large("after decompression", limit)
                budget.take(len(part))
                parts.append(part)
                rest = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
    except zlib.error as error:
        raise Trouble(400, f"the body is not gzip, though it says so: {error}", _CLOSE) from None
    if begun and not inflater.eof:
        raise Trouble(400, "the gzip body was cut short; send it again in full")
    return b"".join(parts)
