"""What is kept of rules between a process that evaluates and one that shows."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from store import Database
from store.verdicts import VerdictTable

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
Saves = list[tuple[dict[str, str | None], timedelta]]

SAVED = [
    pytest.param([], {}, id="nothing"),
    pytest.param([({"a": "1", "b": "2"}, timedelta())], {"a": "1", "b": "2"}, id="two groups"),
    pytest.param(
        [({"a": "1", "b": "1"}, timedelta()), ({"a": "2"}, timedelta())],
        {"a": "2", "b": "1"},
        id="the later of one moment",
    ),
    pytest.param(
        [({"a": "1"}, timedelta()), ({"a": "2"}, -timedelta(hours=1))],
        {"a": "2"},
        id="a clock stepped back",
    ),
    pytest.param(
        [({"a": "1", "": "broken é\n"}, timedelta()), ({"a": None}, timedelta())],
        {"": "broken é\n"},
        id="one is removed",
    ),
    pytest.param(
        [({"a": None}, timedelta()), ({"a": "1"}, timedelta()), ({}, timedelta())],
        {"a": "1"},
        id="one comes back",
    ),
]


@pytest.mark.parametrize(("saves", "kept"), SAVED)
def test_the_latest_of_each_group(
    database: Database, new_tenant: Callable[[], str], saves: Saves, kept: dict[str, str]
) -> None:
    connection, tenant = database.connect(), new_tenant()
    table = VerdictTable(connection, tenant)
    for groups, later in saves:
        table.save(groups, NOW + later)
    assert VerdictTable(connection, tenant).load() == kept
    assert VerdictTable(connection, new_tenant()).load() == {}


def test_after_a_restart_a_clock_stepped_back_changes_nothing(
    database: Database, tenant: str
) -> None:
    connection = database.connect()
    VerdictTable(connection, tenant).save({"a": "1"}, NOW)
    again = VerdictTable(connection, tenant)
    again.load()
    again.save({"a": "2"}, NOW - timedelta(hours=1))
    assert again.load() == {"a": "2"}
