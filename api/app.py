"""Puts the API and the pages together."""

import asyncio
import logging
import re
import time
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import (
    alerts,
    events,
    health,
    ingest,
    instance,
    instances,
    login,
    members,
    metrics,
    overview,
    pages,
    series,
    status,
    workflow,
)
from api.listeners import Listeners
from api.openapi import DescribedApp
from api.paths import EncodedPaths
from api.ports import Ports
from api.problems import Problem, invalid_request, of_status
from api.settings import ApiSettings
from api.web import render
from lifecycle.errors import StoreError, StoreUnavailable

_LOG: Final = logging.getLogger("donewatch.api")
_CONVERTOR: Final = re.compile(r":\w+\}")
_API: Final = "/api/"
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
# Inline script and style are refused, so an escape that fails still runs nothing.
_HEADERS: Final = (
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        b"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)


def create_app(ports: Ports, settings: ApiSettings | None = None) -> FastAPI:
    """The application: JSON under ``/api/v1``, pages, metrics and health."""
    settings = settings or ApiSettings()
    app = DescribedApp(
        title="donewatch",
        version=settings.version,
        summary="Follows every accepted operation until its owner can see it done.",
        docs_url=None,  # their pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
    )
    app.guarded = not ports.access.open
    app.state.ports = ports
    app.state.settings = settings
    app.state.metrics = metrics.OwnMetrics(settings)
    app.state.waiters = set()
    app.state.listeners = Listeners(settings.stream_listeners)
    for module in (
        overview,
        members,
        series,
        workflow,
        instances,
        status,  # before the instance: its path is longer
        instance,
        alerts,
        events,
        ingest,
        health,
        metrics,
        login,
        pages,
    ):
        app.include_router(module.router)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static")
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _bare)
    app.add_exception_handler(StoreError, _store)
    app.add_middleware(_Edge, settings=settings, own=app.state.metrics)
    app.add_middleware(EncodedPaths)
    return app


def _answer(request: Request, problem: Problem) -> Response:
    """A problem document, or a page where a person asked with a browser."""
    path = request.url.path
    if path.startswith(_API) or "text/html" not in request.headers.get("accept", ""):
        return problem.response(path)
    if problem.status == 401:
        return login.challenge(request, problem)
    answer = render(request, "problem.html", problem.status, problem=problem, lost=True)
    answer.headers.update(problem.headers)
    return answer


def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return _answer(request, error)


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return _answer(request, invalid_request(error.errors()))


def _bare(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = request.url.path
    detail = {
        404: f"there is nothing at {path}",
        405: f"{request.method} is not possible at {path}",
    }.get(error.status_code, str(error.detail))
    return _answer(request, of_status(error.status_code, detail, error.headers))


def _store(request: Request, error: Exception) -> Response:
    if isinstance(error, StoreUnavailable):
        title, fix = "The store does not answer", "try again; /readyz says what is wrong"
        headers = {"Retry-After": "5"}
        problem = Problem(503, "store-unavailable", title, str(error), fix, headers=headers)
    else:
        _LOG.error("the store refused a question", exc_info=error)
        title, fix = "The store refused the question", "this is a defect: report it with the log"
        problem = Problem(500, "store-refused", title, str(error), fix)
    return _answer(request, problem)


class _Edge:
    """Around every answer: host check, security headers, request metrics, and the last resort."""

    def __init__(self, app: ASGIApp, settings: ApiSettings, own: metrics.OwnMetrics) -> None:
        self._app = app
        self._settings = settings
        self._own = own

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        sent: MutableMapping[str, int] = {}

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                sent["status"] = message["status"]
                message["headers"] = [*message.get("headers", ()), *_HEADERS]
            await send(message)

        request = Request(scope, receive)
        try:
            if problem := self._wrong_host(request):
                await problem.response(request.url.path)(scope, receive, with_headers)
            else:
                await self._app(scope, receive, with_headers)
        except asyncio.CancelledError:
            if sent:
                raise
            # The server ends and waits no longer for this request.
            title, detail = "Stopping", "the service is stopping"
            headers = {"Retry-After": "5", "Connection": "close"}
            problem = Problem(503, "stopping", title, detail, "try again soon", headers=headers)
            await _answer(request, problem)(scope, receive, with_headers)
        except Exception:
            _LOG.exception("%s %s failed", scope["method"], scope["path"])
            if sent:
                raise
            title, detail = (
                "Something failed here",
                "the service could not answer; its log says why",
            )
            problem = Problem(500, "internal", title, detail, "report it with the log")
            await _answer(request, problem)(scope, receive, with_headers)
        finally:
            self._count(scope, sent.get("status", 499), time.perf_counter() - started)

    def _wrong_host(self, request: Request) -> Problem | None:
        allowed = self._settings.allowed_hosts
        name = request.url.hostname or ""
        if not allowed or name in allowed:
            return None
        detail = f"this service does not answer for the host {name!r}"
        return Problem(421, "wrong-host", "Wrong host", detail, f"use {' or '.join(allowed)}")

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        route: Any = scope.get("route")
        # One label for each route and one for all that is nowhere: their number stays small.
        name = _CONVERTOR.sub("}", getattr(route, "path", "")) or "(none)"
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._own.requests.labels(method, name, str(status)).inc()
        self._own.durations.labels(name).observe(seconds)
