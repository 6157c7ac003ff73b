"""The application over a made-up installation, asked without a network."""

from collections.abc import AsyncIterator

import httpx
import pytest

from api import create_app
from tests.api.world import World


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def client(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """Reads the world as it is when the first request comes: change it before."""
    async with httpx.AsyncClient(transport=Late(world), base_url="http://donewatch.test") as found:
        yield found


class Late(httpx.AsyncBaseTransport):
    """Makes the application with the first request, so that a test can still change the world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._inner: httpx.ASGITransport | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self._inner is None:
            app = create_app(self._world.ports(), self._world.settings)
            self._inner = httpx.ASGITransport(app)
        return await self._inner.handle_async_request(request)


@pytest.fixture
def html() -> dict[str, str]:
    """The headers of a browser."""
    return {"Accept": "text/html,application/xhtml+xml"}
