"""A service of one's own, whose orders and rules every test knows."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.peers.donewatch import Donewatch
from tests.peers.webhook import Webhook
from tests.service import story

Make = Callable[..., Donewatch]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Prepares a service that watches orders; the test starts it. All are killed at the end."""
    made: list[Donewatch] = []

    def prepare(rules: str = story.STUCK, name: str = "service", **settings: Any) -> Donewatch:
        service = Donewatch(tmp_path / name, **settings)
        made.append(service)
        (service.workflows / "order.yaml").write_text(story.DEFINITION)
        if rules:
            (service.rules / "orders.yaml").write_text(rules)
        return service

    yield prepare
    for service in made:
        service.close()


@pytest.fixture
def hook() -> Iterator[Webhook]:
    """Somebody who is told of alerts."""
    with Webhook() as found:
        yield found
