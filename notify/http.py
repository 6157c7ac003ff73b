"""One POST of JSON, and what its answer means."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from notify.notification import DeliveryError

TIMEOUT: Final = 10.0  # seconds for one attempt
_LATER: Final = (408, 425, 429)


def shown(url: str) -> str:
    """The address without what may be secret in it: user, password, path, query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def name_of(kind: str, url: str) -> str:
    """The name of a receiver that was given none: unique, the same after a restart, no secret."""
    digest = hashlib.sha256(url.encode()).hexdigest()[:6]
    return f"{kind}:{shown(url)}#{digest}"


async def post_json(
    client: httpx.AsyncClient, url: str, body: Any, headers: Mapping[str, str] | None = None
) -> None:
    """Post a body once.

    :raises DeliveryError: temporary when nobody answers or the answer is 408, 425, 429 or 5xx.
    """
    try:
        answer = await client.post(
            url, json=body, headers=headers, timeout=TIMEOUT, follow_redirects=False
        )
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise DeliveryError(f"{shown(url)}: {error}", permanent=True) from error
    except httpx.HTTPError as error:
        what = str(error) or type(error).__name__
        raise DeliveryError(f"{shown(url)}: {what}", permanent=False) from error
    if answer.is_success:
        return
    temporary = answer.status_code >= 500 or answer.status_code in _LATER
    raise DeliveryError(
        f"{shown(url)} answered {answer.status_code}: {answer.text[:200]}",
        permanent=not temporary,
        retry_after=_seconds(answer.headers.get("retry-after", "")),
    )


def _seconds(text: str) -> float | None:
    return float(text) if text.isascii() and text.isdecimal() and len(text) < 6 else None
