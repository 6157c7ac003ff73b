"""Who listens to a stream without end: a bounded number, and all of them leave on request."""

import asyncio
from typing import Final

from api.problems import Problem

_RETRY_AFTER: Final = "30"  # seconds


class Listeners:
    """Places for listeners; ``close`` ends them, so that a stopping server need not wait."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._places: set[object] = set()
        self._closing = asyncio.Event()

    @property
    def closing(self) -> bool:
        """Whether all are to leave."""
        return self._closing.is_set()

    def enter(self) -> object:
        """Take a place; give it back with ``leave``.

        :raises Problem: 503, all are taken, or the service is stopping.
        """
        if self.closing:
            detail, fix = "the service is stopping", "connect again in a moment"
        elif len(self._places) >= self._most:
            detail = f"{len(self._places)} listen to the stream of events, as many as may at once"
            fix = "end another stream, or try again later"
        else:
            place = object()
            self._places.add(place)
            return place
        headers = {"Retry-After": _RETRY_AFTER}
        title = "Too many listeners"
        raise Problem(503, "too-many-listeners", title, detail, fix, headers=headers)

    def leave(self, place: object) -> None:
        """Give a place back; harmless when it has been given back."""
        self._places.discard(place)

    def close(self) -> None:
        """Ask all to leave, for good."""
        self._closing.set()

    async def pause(self, seconds: float) -> None:
        """Wait, shorter if all are to leave."""
        try:
            await asyncio.wait_for(self._closing.wait(), seconds)
        except TimeoutError:
            return
