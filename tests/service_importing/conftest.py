"""The command, with small batches, so that small files have many; and a collector for it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import service.importing.batch
import service.importing.ndjson
from service.cli import app
from tests.service_importing.collector import FakeCollector
from tests.service_importing.events import Run


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of three rows or about two hundred bytes."""
    for module in (service.importing.batch, service.importing.ndjson):
        monkeypatch.setattr(module, "BATCH_ROWS", 3)
        monkeypatch.setattr(module, "BATCH_BYTES", 200)


@pytest.fixture
def collector() -> Iterator[FakeCollector]:
    with FakeCollector() as fake:
        yield fake


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: None) -> Run:
    for name in [name for name in os.environ if name.startswith("DONEWATCH_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)

    def invoke(fake: FakeCollector, *arguments: str, **environment: str) -> Result:
        environment = {"DONEWATCH_ENDPOINT": fake.url, **environment}
        found = CliRunner().invoke(app, ["import", *arguments], env=environment)
        if found.exception is not None and not isinstance(found.exception, SystemExit):
            raise found.exception
        return found

    return invoke
