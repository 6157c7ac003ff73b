"""A path over HTTP: one request to submit, another to look."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from probes.probe import ProbeFailed

OPERATION_ID = "{operation_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpPath:
    """Submits with a POST, then looks at a resource until one of its fields says how it ended.

    ``{operation_id}`` stands for the operation in the values of ``body`` and in ``look_url``. The
    ``client`` carries the headers that mark the operation as a probe to the application.
    """

    client: httpx.AsyncClient
    submit_url: str
    body: Mapping[str, Any]
    look_url: str
    field: str = "state"
    done: frozenset[str] = frozenset({"completed"})
    failed: frozenset[str] = frozenset({"failed", "cancelled"})

    async def submit(self, operation_id: str) -> None:
        """POST the body. Raises ProbeFailed unless the answer is 2xx."""
        body = {
            name: value.replace(OPERATION_ID, operation_id) if isinstance(value, str) else value
            for name, value in self.body.items()
        }
        try:
            answer = await self.client.post(self.submit_url, json=body)
        except httpx.HTTPError as error:
            raise ProbeFailed(f"could not submit to {self.submit_url}: {error!r}") from error
        if not answer.is_success:
            raise ProbeFailed(f"{self.submit_url} refused the operation: {answer.status_code}")

    async def visible(self, operation_id: str) -> bool:
        """GET the resource; False while it is missing, unreadable or under way."""
        url = self.look_url.replace(OPERATION_ID, operation_id)
        try:
            answer = await self.client.get(url)
            found = answer.json() if answer.is_success else {}
        except (httpx.HTTPError, ValueError):
            return False  # what matters is whether it becomes visible before the timeout
        value = found.get(self.field) if isinstance(found, dict) else None
        if value in self.failed:
            raise ProbeFailed(f"{url} ended as {value}")
        return value in self.done
