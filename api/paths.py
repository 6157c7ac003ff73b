"""Paths whose parts may hold any character, and the links that lead to them.

Types and ids are matched while still percent-encoded, so that ``order/7`` is one id, and the id
``a/status`` is not the status of ``a``.
"""

from typing import Final
from urllib.parse import quote, unquote, urlencode

from starlette.convertors import Convertor, register_url_convertor
from starlette.types import ASGIApp, Receive, Scope, Send

API: Final = "/api/v1"


class _Segment(Convertor[str]):
    regex = "[^/]+"

    def convert(self, value: str) -> str:
        return unquote(value)

    def to_string(self, value: str) -> str:
        return quote(value, safe="")


class _Rest(_Segment):
    """Takes unencoded slashes as well: a person typed it."""

    regex = ".+"


register_url_convertor("segment", _Segment())
register_url_convertor("rest", _Rest())


class EncodedPaths:
    """Lets routes see the path as it was sent, before percent-decoding."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw = scope.get("raw_path")
        if scope["type"] == "http" and raw:
            scope = {**scope, "path": raw.split(b"?")[0].decode("latin-1")}
        await self._app(scope, receive, send)


# Browsers resolve these even when encoded, so such ids travel in the query instead.
_DOTS: Final = (".", "..")


def _segment(text: str) -> str:
    return quote(text, safe="")


def _with(path: str, query: dict[str, str]) -> str:
    given = {name: value for name, value in query.items() if value}
    return f"{path}?{urlencode(given)}" if given else path


def workflow_path(workflow: str, **query: str) -> str:
    """The page of a workflow type."""
    return _with(f"/workflows/{_segment(workflow)}", query)


def members_path(workflow: str, figure: str, **query: str) -> str:
    """The page of the instances behind a figure."""
    return _with(f"/workflows/{_segment(workflow)}/members", {"figure": figure, **query})


def instance_path(workflow: str, instance_id: str, environment: str = "") -> str:
    """The page of one instance."""
    if instance_id in _DOTS:
        return _with(
            f"/instances/{_segment(workflow)}/", {"id": instance_id, "environment": environment}
        )
    path = f"/instances/{_segment(workflow)}/{_segment(instance_id)}"
    return _with(path, {"environment": environment})


def instances_path(**query: str) -> str:
    """The list of instances, filtered."""
    return _with("/instances", query)


def alert_path(fingerprint: str) -> str:
    """The page of one alert."""
    return f"/alerts/{_segment(fingerprint)}"


def api_path(page: str) -> str:
    """Where the API answers what a page shows."""
    return f"{API}{page}"


def safe_link(url: str) -> str:
    """The link if it leads to the web, else empty: a definition is not to run scripts."""
    return url if url.startswith(("https://", "http://")) else ""
