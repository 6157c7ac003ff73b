"""The collector's HTTP: OTLP/HTTP and the native endpoint."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from collector.batcher import Batcher, Overloaded
from collector.body import Bodies
from collector.check import Checker
from collector.limits import Limits
from collector.metrics import MEDIA_TYPE, Metrics
from collector.native import decode_native
from collector.otlp import decode_protobuf
from collector.otlp_json import decode_json
from collector.records import BodyError, BodyTooLarge, Door, Record, Refusal
from collector.replies import JSON, PROTOBUF, Trouble, Voice, taken
from lifecycle.access import Access, AccessDenied, Scope
from lifecycle.errors import StoreError, StoreUnavailable
from lifecycle.events import Event
from store.events import RejectedEvent

_LOG = logging.getLogger(__name__)

_PATHS: Final = {
    "/v1/logs": "POST",
    "/v1/traces": "POST",
    "/api/v1/events": "POST",
    "/healthz": "GET",
    "/metrics": "GET",
}
# A page of another site can send text/plain or no type at all to a service on loopback without
# asking first; these types it cannot, as cross-origin requests are not allowed here.
_LINES: Final = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl"})

Decode = Callable[[bytes], list[Record]]


def create_app(
    *,
    batcher: Batcher,
    access: Access,
    limits: Limits | None = None,
    metrics: Metrics | None = None,
    clock: Callable[[], int],
) -> Starlette:
    """The application; starts and stops ``batcher`` with itself. ``clock`` in microseconds."""
    limits = limits or Limits()
    metrics = metrics or Metrics()
    metrics.read(batcher.counts, clock)
    receiver = _Receiver(batcher, access, limits, metrics)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        batcher.start()
        try:
            yield
        finally:
            await batcher.stop()
            receiver.close()

    async def health(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def show_metrics(_: Request) -> Response:
        return Response(metrics.text(), media_type=MEDIA_TYPE)

    app = Starlette(
        routes=[
            Route("/v1/logs", receiver.logs, methods=["POST"]),
            Route("/v1/traces", receiver.traces, methods=["POST"]),
            Route("/api/v1/events", receiver.events, methods=["POST"]),
            Route("/healthz", health),
            Route("/metrics", show_metrics),
        ],
        exception_handlers={HTTPException: receiver.unrouted},
        lifespan=lifespan,
    )
    # a redirect would send the body's secrets wherever the Host header says
    app.router.redirect_slashes = False
    return app


class _Receiver:
    def __init__(self, batcher: Batcher, access: Access, limits: Limits, metrics: Metrics) -> None:
        self._batcher = batcher
        self._access = access
        self._limits = limits
        self._metrics = metrics
        self._bodies = Bodies(limits)
        # One thread: a hostile body can take seventy times its size while it is decoded, and two
        # at once would not be faster under one interpreter lock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="donewatch-decode")

    def close(self) -> None:
        self._thread.shutdown(wait=False)

    async def logs(self, request: Request) -> Response:
        media = _media_type(request)
        voice = _otlp_voice(media)

        async def answer() -> Response:
            tenant = self._tenant(request)
            if media == PROTOBUF:
                return await self._take(
                    request, voice, tenant, lambda body: decode_protobuf(body, self._limits)
                )
            if media == JSON:
                return await self._take(
                    request, voice, tenant, lambda body: decode_json(body, self._limits)
                )
            raise _unsupported(media, f"{PROTOBUF} or {JSON}")

        return await self._guarded(request, voice, answer)

    async def traces(self, request: Request) -> Response:
        async def answer() -> Response:
            self._tenant(request)
            raise Trouble(
                501,
                "mappings from traces to events are not available yet; do not retry, send events as"
                " logs to /v1/logs",
                {"Connection": "close"},
            )

        return await self._guarded(request, _otlp_voice(_media_type(request)), answer)

    async def events(self, request: Request) -> Response:
        media = _media_type(request)

        async def answer() -> Response:
            tenant = self._tenant(request)
            if media != JSON and media not in _LINES:
                raise _unsupported(media, f"application/x-ndjson (one event a line) or {JSON}")
            return await self._take(
                request,
                Voice.NATIVE,
                tenant,
                lambda body: decode_native(body, self._limits, lines=media in _LINES),
            )

        return await self._guarded(request, Voice.NATIVE, answer)

    async def unrouted(self, request: Request, error: Exception) -> Response:
        """Paths and methods that are not served, in the caller's words."""
        assert isinstance(error, HTTPException)
        path = request.url.path
        if error.status_code == 405:
            message = f"{path[:200]} takes {_PATHS.get(path, 'GET')}, not {request.method[:20]}"
        else:
            known = ", ".join(f"{method} {each}" for each, method in _PATHS.items())
            message = f"there is no {path[:200]} here; there are {known}"
        trouble = Trouble(error.status_code, message, error.headers or {})
        voice = _otlp_voice(_media_type(request)) if path.startswith("/v1/") else Voice.NATIVE
        return await self._answered(request, trouble.response(voice, path))

    async def _answered(self, request: Request, response: Response) -> Response:
        if response.status_code >= 400 and response.status_code != 408:
            await self._bodies.drain(request)
        path = request.url.path
        self._metrics.answered(path if path in _PATHS else "other", response.status_code)
        return response

    def _tenant(self, request: Request) -> str:
        if self._access.open and "origin" in request.headers:
            # Browsers alone send it. Where no token is asked for, a page of a site whose name was
            # made to stand for this machine would need no leave to send here.
            raise Trouble(
                403,
                "a web page may send events only with a token; configure one (DONEWATCH_TOKENS)",
                {"Connection": "close"},
            )
        try:
            return self._access.authenticate(request.headers.get("authorization"), Scope.INGEST)
        except AccessDenied as denied:
            headers = {"WWW-Authenticate": denied.challenge, "Connection": "close"}
            raise Trouble(denied.status, str(denied), headers) from None

    async def _guarded(
        self, request: Request, voice: Voice, answer: Callable[[], Awaitable[Response]]
    ) -> Response:
        later = {"Retry-After": str(self._limits.retry_after)}
        try:
            response = await answer()
        except Trouble as trouble:
            response = trouble.response(voice, request.url.path)
        except BodyTooLarge as error:
            response = Trouble(413, str(error)).response(voice, request.url.path)
        except BodyError as error:
            response = Trouble(400, str(error)).response(voice, request.url.path)
        except Overloaded as error:
            response = Trouble(429, str(error), later).response(voice, request.url.path)
        except StoreUnavailable as error:
            message = f"the store is not available, send it again later: {error}"
            response = Trouble(503, message, later).response(voice, request.url.path)
        except StoreError as error:
            message = f"the store refuses these events, sending them again will not help: {error}"
            response = Trouble(500, message).response(voice, request.url.path)
        except asyncio.CancelledError:
            # The server ends and waits no longer. It would answer 500, after which exporters
            # throw away what they sent.
            message = "the collector is stopping; send it again in a moment"
            ending = Trouble(503, message, {**later, "Connection": "close"})
            return ending.response(voice, request.url.path)
        except Exception:  # noqa: BLE001 - the body is hostile until proven otherwise
            _LOG.exception("a request could not be answered")
            message = "a fault in donewatch; its log has the details"
            response = Trouble(500, message).response(voice, request.url.path)
        return await self._answered(request, response)

    async def _take(self, request: Request, voice: Voice, tenant: str, decode: Decode) -> Response:
        self._batcher.admit()
        async with self._bodies.reading(request) as body:
            events, refused = await self._received(body, voice, tenant, decode)
        return taken(voice, len(events), refused)

    async def _received(
        self, body: bytes, voice: Voice, tenant: str, decode: Decode
    ) -> tuple[list[Event], list[Refusal]]:
        with self._batcher.receiving() as received_at:
            door = Door.NATIVE if voice is Voice.NATIVE else Door.OTLP
            checker = Checker(
                tenant=tenant,
                collector=self._batcher.collector,
                received_at=received_at,
                limits=self._limits,
            )
            if len(body) > self._limits.threaded:
                loop = asyncio.get_running_loop()
                events, refused = await loop.run_in_executor(
                    self._thread, _checked, body, decode, checker
                )
            else:
                events, refused = _checked(body, decode, checker)
            await self._stored(events)
        if refused:  # only now: a producer told to wait sends these again
            self._keep(tenant, received_at, door, refused)
        return events, refused

    async def _stored(self, events: Sequence[Event]) -> None:
        seconds = self._limits.store_seconds
        try:
            async with asyncio.timeout(seconds):
                await self._batcher.submit(events)
        except TimeoutError:
            # They stay in line. Sent again they are the same events, and count once.
            raise StoreUnavailable(f"these events were not stored within {seconds:g} s") from None

    def _keep(self, tenant: str, received_at: int, door: Door, refused: Sequence[Refusal]) -> None:
        kept = [
            RejectedEvent(
                tenant=tenant,
                received_at=received_at,
                collector=self._batcher.collector,
                door=door.value,
                position=each.index,
                field=each.field[:200],
                reason=each.reason.value,
                detail=each.error[:1000],
                raw=each.raw,
            )
            for each in refused[: self._limits.refusals_kept]
        ]
        self._batcher.keep_rejected(kept, Counter(each.reason.value for each in refused))


def _checked(body: bytes, decode: Decode, check: Checker) -> tuple[list[Event], list[Refusal]]:
    events: list[Event] = []
    refused: list[Refusal] = []
    for record in decode(body):
        result = check(record)
        if isinstance(result, Event):
            events.append(result)
        else:
            refused.append(result)
    return events, refused


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _otlp_voice(media: str) -> Voice:
    return Voice.OTLP_PROTOBUF if media == PROTOBUF else Voice.OTLP_JSON


def _unsupported(media: str, right: str) -> Trouble:
    given = (
        f"Content-Type {media[:80]!r} is not understood" if media else "there is no Content-Type"
    )
    return Trouble(415, f"{given}; send {right}", {"Connection": "close"})
