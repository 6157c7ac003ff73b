"""The figures' SQL against histories computed by hand, and against the independent model."""

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from lifecycle.definitions import Definitions
from lifecycle.events import Event
from store import Database, TenantStore
from store.definitions import save_definitions
from store.events import insert_events
from tests.histories import loader
from tests.model.case import Case
from tests.model.compare import compare
from tests.model.strategies import cases

EXAMPLES = int(os.environ.get("DONEWATCH_TEST_EXAMPLES", "6"))


class _Filled:
    """A tenant's store filled with events, in one batch or in several of one's own choosing."""

    def __init__(self, database: Database) -> None:
        self._connection = database.connect()

    def __call__(
        self, tenant: str, definitions: Definitions, events: list[Event]
    ) -> Callable[..., list[Mapping[str, Any]]]:
        save_definitions(self._connection, tenant, definitions, datetime.now(UTC))
        by_segment: dict[tuple[str, int], list[Event]] = {}
        for event in events:
            # a collector never uses a segment's number twice
            mine = replace(event, collector=f"{tenant}/{event.collector}")
            by_segment.setdefault((mine.collector, mine.segment), []).append(mine)
        for (collector, segment), batch in by_segment.items():
            insert_events(self._connection, batch, f"{collector}/{segment}")
        return TenantStore(self._connection, tenant, "events").query


@pytest.mark.parametrize("name", loader.names())
def test_history_computed_by_hand(embedded_database: Database, tenant: str, name: str) -> None:
    """On one store; those at random below are asked of both."""
    history = loader.load(name, tenant=tenant)
    definitions = Definitions(tuple(history.case.definitions))
    filled = _Filled(embedded_database)
    loader.check(filled(tenant, definitions, list(history.case.events)), history)


@pytest.mark.parametrize("backend", ["embedded", "server"])
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
)
@given(case=cases(most=8))
def test_every_figure_equals_the_model(
    request: pytest.FixtureRequest, new_tenant: Callable[[], str], backend: str, case: Case
) -> None:
    database: Database = request.getfixturevalue(f"{backend}_database")
    tenant = new_tenant()
    query = _Filled(database)(
        tenant, Definitions(tuple(case.definitions)), list(case.of_tenant(tenant).events)
    )
    compare(query, case, thorough=False)
