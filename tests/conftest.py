"""Stores that every test can use: the embedded engine and a real server, each once a session."""

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from store import Database
from tests.peers.clickhouse import clickhouse_server

_TENANTS = itertools.count()


@pytest.fixture(scope="session")
def embedded_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """The embedded engine; a process has one path, so tests share it, each as another tenant."""
    database = Database.open(f"chdb://{tmp_path_factory.mktemp('embedded')}")
    database.migrate(datetime.now(UTC))
    yield database
    database.close()


@pytest.fixture(scope="session")
def server_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="session")
def server_database(server_directory: Path) -> Iterator[Database]:
    """A real ClickHouse over HTTP."""
    with clickhouse_server(server_directory) as server:
        database = Database.open(server.dsn)
        database.migrate(datetime.now(UTC))
        yield database
        database.close()


@pytest.fixture(params=["embedded", "server"])
def database(request: pytest.FixtureRequest) -> Database:
    """Each store in turn."""
    found: Database = request.getfixturevalue(f"{request.param}_database")
    return found


@pytest.fixture
def new_tenant() -> Callable[[], str]:
    """Names of tenants that nobody has used: a store as good as empty."""
    return lambda: f"tenant-{next(_TENANTS)}"


@pytest.fixture
def tenant(new_tenant: Callable[[], str]) -> str:
    return new_tenant()
