from collections.abc import AsyncIterator

import pytest

from tests.collector.running import Service, collecting


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with collecting() as running:
        yield running
