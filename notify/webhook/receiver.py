"""A webhook that is told of each change once."""

from collections.abc import Mapping

import httpx

from notify.http import name_of, post_json
from notify.notification import Notification
from notify.webhook.payload import payload


class Webhook:
    """Posts to one address. ``external_url``: where donewatch's own pages are."""

    def __init__(
        self,
        url: str,
        client: httpx.AsyncClient,
        *,
        name: str = "",
        external_url: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._url = url
        self._client = client
        self._name = name or name_of("webhook", url)
        self._external_url = external_url
        self._headers = headers

    @property
    def name(self) -> str:
        """Unique among the receivers."""
        return self._name

    async def send(self, notifications: list[Notification]) -> None:
        """Post them in one request.

        :raises DeliveryError: they were not taken.
        """
        body = payload(notifications, receiver=self._name, external_url=self._external_url)
        await post_json(self._client, self._url, body, self._headers)
