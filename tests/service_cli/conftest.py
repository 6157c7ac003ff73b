"""A running service that knows some orders, and commands that ask it."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from service.cli import app
from tests.peers.donewatch import Donewatch
from tests.service_cli.orders import DEFINITION, orders


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Donewatch]:
    """A running service that has stored all orders."""
    service = Donewatch(tmp_path_factory.mktemp("service"))
    (service.workflows / "order.yaml").write_text(DEFINITION)
    try:
        service.start().take(*orders())
        service.wait_counted()
        yield service
    finally:
        service.close()


@pytest.fixture
def run(service: Donewatch, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs a command against the service, in this process."""
    for name in [name for name in os.environ if name.startswith("DONEWATCH_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DONEWATCH_URL", service.pages)
    monkeypatch.setenv("DONEWATCH_ENDPOINT", service.otlp)

    def invoke(*arguments: str, text: str | bytes | None = None, **environment: str) -> Result:
        found = CliRunner().invoke(app, arguments, input=text, env=environment)
        if found.exception is not None and not isinstance(found.exception, SystemExit):
            raise found.exception
        return found

    return invoke


@pytest.fixture
def workdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
