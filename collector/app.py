"""The collector's HTTP: OTLP/HTTP and the native endpoint."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from collector.body import Bodies
from collector.decoder import Decoded, Decoder, Form, Keeper
from collector.limits import Limits
from collector.mapping import Mapper, Sampler
from collector.metrics import MEDIA_TYPE, Metrics
from collector.records import BodyError, BodyTooLarge, Refusal
from collector.replies import JSON, PROTOBUF, Trouble, Voice, taken
from collector.spool import Overloaded, Spool, SpoolUnavailable, failpoint
from collector.window import Engine, Window
from lifecycle.access import Access, AccessDenied, Scope
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
_LATER: Final = "send it again later"


def create_app(
    *,
    spool: Spool,
    access: Access,
    limits: Limits | None = None,
    metrics: Metrics | None = None,
    engine: Engine | None = None,
    clock: Callable[[], int],
    mapper: Callable[[], Mapper] = Mapper,
) -> Starlette:
    """The application; starts and stops ``spool`` with itself. ``clock`` in microseconds.

    It accepts before the spool is told to ``flush``: the store need not be there for it. With an
    embedded ``engine`` it decodes several times as fast.
    ``mapper`` gives the mappings in force.
    """
    limits = limits or Limits()
    metrics = metrics or Metrics()
    metrics.read(spool.counts, clock)
    decoder = Decoder(limits, engine, mapper)
    receiver = _Receiver(spool, decoder, access, limits, metrics)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        spool.start()
        try:
            yield
        finally:
            await spool.stop()
            decoder.close()

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
    def __init__(
        self, spool: Spool, decoder: Decoder, access: Access, limits: Limits, metrics: Metrics
    ) -> None:
        self._spool = spool
        self._decoder = decoder
        self._access = access
        self._limits = limits
        self._metrics = metrics
        self._bodies = Bodies(limits)
        self._windows = Keeper(self._keep_window)
        self._sampler = Sampler()

    async def logs(self, request: Request) -> Response:
        media = _media_type(request)
        voice = _otlp_voice(media)

        async def answer() -> Response:
            tenant = self._tenant(request)
            if media == PROTOBUF:
                return await self._take(request, voice, tenant, Form.LOGS_PROTOBUF)
            if media == JSON:
                return await self._take(request, voice, tenant, Form.LOGS_JSON)
            raise _unsupported(media, f"{PROTOBUF} or {JSON}")

        return await self._guarded(request, voice, answer)

    async def traces(self, request: Request) -> Response:
        media = _media_type(request)
        voice = _otlp_voice(media)

        async def answer() -> Response:
            tenant = self._tenant(request)
            if media == PROTOBUF:
                return await self._take(request, voice, tenant, Form.TRACES_PROTOBUF)
            if media == JSON:
                return await self._take(request, voice, tenant, Form.TRACES_JSON)
            raise _unsupported(media, f"{PROTOBUF} or {JSON}")

        return await self._guarded(request, voice, answer)

    async def events(self, request: Request) -> Response:
        media = _media_type(request)

        async def answer() -> Response:
            tenant = self._tenant(request)
            if media != JSON and media not in _LINES:
                raise _unsupported(media, f"application/x-ndjson (one event a line) or {JSON}")
            form = Form.NATIVE_LINES if media in _LINES else Form.NATIVE_JSON
            return await self._take(request, Voice.NATIVE, tenant, form)

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
            response = Trouble(429, f"{error}; {_LATER}", later).response(voice, request.url.path)
        except SpoolUnavailable as error:
            response = Trouble(503, f"{error}; {_LATER}", later).response(voice, request.url.path)
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

    async def _take(self, request: Request, voice: Voice, tenant: str, form: Form) -> Response:
        self._spool.admit()
        async with self._bodies.reading(request) as body:
            failpoint.reach("received")
            with self._spool.receiving() as received_at:
                decoded = await self._decoder.decode(
                    body, form=form, tenant=tenant, received_at=received_at
                )
                failpoint.reach("decoded")
                await self._keep(decoded, tenant, form, received_at)
        self._metrics.mapped(decoded.lacking, form.signal, decoded.ignored)
        return taken(
            voice, decoded.accepted, decoded.refused, spans=form.spans, warning=decoded.warning
        )

    async def _keep(self, decoded: Decoded, tenant: str, form: Form, received_at: int) -> None:
        """Return once what is accepted, and what is refused, is on disk."""
        refused = decoded.refused[: self._limits.refusals_kept]
        samples = self._sampler(decoded.lacking, received_at)
        rejected = self._rejected(tenant, received_at, form, [*refused, *samples])
        reasons = Counter(each.reason.value for each in decoded.refused)
        if decoded.lacking:
            reasons["unmapped"] = len({each.refusal.index for each in decoded.lacking})
        seconds = self._limits.store_seconds
        try:
            async with asyncio.timeout(seconds):
                if decoded.window is not None:
                    await self._windows.kept(decoded.window)
                await self._spool.submit(
                    decoded.blocks, rejected, received_at=received_at, reasons=reasons
                )
        except TimeoutError:
            # They stay in line. Sent again they are the same events, and count once.
            self._spool.turn_away(received_at)
            raise SpoolUnavailable(f"these events were not on disk within {seconds:g} s") from None

    async def _keep_window(self, window: Window) -> None:
        await self._spool.submit([window.block], [], received_at=window.received_at, reasons={})

    def _rejected(
        self, tenant: str, received_at: int, form: Form, refused: Sequence[Refusal]
    ) -> list[RejectedEvent]:
        return [
            RejectedEvent(
                tenant=tenant,
                received_at=received_at,
                collector=self._spool.collector,
                door=form.door.value,
                position=each.index,
                field=each.field[:200],
                reason=each.reason.value,
                detail=each.error[:1000],
                raw=each.raw,
            )
            for each in refused
        ]


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _otlp_voice(media: str) -> Voice:
    return Voice.OTLP_PROTOBUF if media == PROTOBUF else Voice.OTLP_JSON


def _unsupported(media: str, right: str) -> Trouble:
    given = (
        f"Content-Type {media[:80]!r} is not understood" if media else "there is no Content-Type"
    )
    return Trouble(415, f"{given}; send {right}", {"Connection": "close"})
