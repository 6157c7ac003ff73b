"""Asking a running donewatch, and saying what to do when that does not work."""

import ipaddress
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

import httpx

from lifecycle.errors import DonewatchError, SettingsError

PAGES_URL: Final = "http://127.0.0.1:8080"
API: Final = "/api/v1"  # spelled out: importing the API takes longer than asking it
COLLECTOR_URL: Final = "http://127.0.0.1:4318"
_TIMEOUT: Final = httpx.Timeout(60.0, connect=5.0)
_PROBLEM: Final = "application/problem+json"


class CouldNotRun(DonewatchError):
    """The command cannot do its work; the message says why and what would help."""


class NotFound(DonewatchError):
    """Donewatch answered that there is no such thing; ``detail`` says so without advice."""

    def __init__(self, detail: str, fix: str) -> None:
        self.detail = detail
        super().__init__(f"{detail} ({fix})" if fix else detail)


class Unreachable(CouldNotRun):
    """Nothing answered, or not in time; trying again may help."""


def checked_url(url: str, option: str) -> str:
    """The base URL of a service, without a slash at its end.

    :raises SettingsError: it is none; says which ``option`` to correct.
    """
    parts = urlsplit(url)
    try:
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        port_is_fine = False
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_fine:
        raise SettingsError(f"{option}: {url!r} is no URL; write for example {PAGES_URL}")
    if parts.query or parts.fragment:
        raise SettingsError(f"{option}: {url!r} has a query; give the address alone")
    return url.rstrip("/")


def read_token(token: str, file: Path | None) -> str:
    """The token of ``file``, else the one given.

    :raises SettingsError: the file cannot be read, or the token cannot be sent.
    """
    if file is not None:
        try:
            token = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"--token-file {file}: {error}") from error
    token = token.strip()
    if not (token.isascii() and token.isprintable()) or " " in token:
        raise SettingsError("the token has characters that no token has: check where it comes from")
    return token


class Client:
    """One running service. ``start`` says how to start one, for when none answers.

    Every method raises :class:`CouldNotRun`; :class:`NotFound` where the service says so.
    """

    def __init__(self, url: str, token: str, *, start: str) -> None:
        self.url = url
        self.token = token
        self._start = start
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        # a proxy for the web is no way to a service on this machine
        proxies = not _is_loopback(urlsplit(url).hostname or "")
        self._http = httpx.Client(
            base_url=url, headers=headers, timeout=_TIMEOUT, trust_env=proxies
        )

    def get(self, path: str, **parameters: Any) -> Any:
        """The JSON found there."""
        with self._explained():
            answer = self._http.get(path, params=_given(parameters))
        self.check(answer)
        return self._json(answer)

    def post(self, path: str, content: bytes, media_type: str) -> httpx.Response:
        """Send a body; the answer as it is, whatever its status."""
        with self._explained():
            return self._http.post(path, content=content, headers={"Content-Type": media_type})

    @contextmanager
    def stream(
        self, path: str, parameters: Mapping[str, Any], headers: Mapping[str, str], silence: float
    ) -> Iterator[Iterator[bytes]]:
        """The pieces of an answer as they come; ``silence`` seconds without any are an error."""
        timeout = httpx.Timeout(_TIMEOUT.read, connect=_TIMEOUT.connect, read=silence)
        with (
            self._explained(),
            self._http.stream(
                "GET", path, params=_given(parameters), headers=dict(headers), timeout=timeout
            ) as answer,
        ):
            if answer.status_code != 200:
                answer.read()
                self.check(answer)
            yield answer.iter_bytes()

    def close(self) -> None:
        """Let go of connections."""
        self._http.close()

    def check(self, answer: httpx.Response) -> None:
        """Whether an answer is one.

        :raises CouldNotRun: it is a problem, or not from donewatch at all.
        """
        if answer.status_code == 200:
            return
        problem = self._problem(answer)
        if problem is None:
            raise CouldNotRun(
                f"what answers at {self.url} is not donewatch (HTTP {answer.status_code} for"
                f" {answer.url.path}); name another address, or {self._start}"
            )
        text = str(problem.get("detail", "no reason given"))
        if answer.status_code == 401:
            raise CouldNotRun(
                f"{self.url}: {text}; set DONEWATCH_TOKEN, or name a file with --token-file"
            )
        if answer.status_code == 404:
            raise NotFound(text, str(problem.get("fix", "")))
        fix = f" ({problem['fix']})" if problem.get("fix") else ""
        error = Unreachable if answer.status_code in (429, 503) else CouldNotRun
        raise error(f"{self.url}: {text}{fix}")

    def _json(self, answer: httpx.Response) -> Any:
        try:
            return answer.json()
        except ValueError:
            raise CouldNotRun(
                f"what answers at {self.url} is not donewatch: no JSON at {answer.url.path}"
            ) from None

    @staticmethod
    def _problem(answer: httpx.Response) -> Mapping[str, Any] | None:
        if not answer.headers.get("content-type", "").startswith(_PROBLEM):
            return None
        try:
            found = answer.json()
        except ValueError:
            return None
        return found if isinstance(found, dict) else None

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except httpx.ConnectError as error:
            raise Unreachable(
                f"no donewatch answers at {self.url} ({_reason(error)}); {self._start}"
            ) from error
        except httpx.TimeoutException as error:
            raise Unreachable(f"{self.url} did not answer in time; is it overloaded?") from error
        except httpx.HTTPError as error:
            raise Unreachable(f"{self.url}: the connection broke: {_reason(error)}") from error


def check_type(client: Client, workflow: str) -> None:
    """Whether any event or definition names this workflow type.

    :raises NotFound: none does; says which there are, or which one may be meant.
    """
    client.get(f"{API}/workflows/{quote(workflow, safe='')}/members", figure="stuck", limit=1)


def _given(parameters: Mapping[str, Any]) -> dict[str, Any] | None:
    """Without what was not given; ``None`` leaves the query of a path as it is."""
    return {
        name: value for name, value in parameters.items() if value not in (None, "", [])
    } or None


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
