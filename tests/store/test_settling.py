"""What settlements write against the oracle, whatever happens in between.

The oracle is the independent model, which knows nothing of collectors, batches or settlements.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from lifecycle.definitions import Definitions
from lifecycle.events import Event
from store import Database, TenantStore
from store.connection import Bounds, Connection, to_microseconds
from store.definitions import save_definitions
from store.events import insert_events
from store.settling import Settler
from store.settling.settler import Pace
from store.watermark import Mark, publish_mark
from tests.histories import loader
from tests.model.case import Case
from tests.model.compare import compare
from tests.model.strategies import cases
from tests.settled import settle

EXAMPLES = int(os.environ.get("DONEWATCH_TEST_EXAMPLES", "6"))
# whatever has ended departs with the next settlement, and whatever comes for it after is late
HASTY = Pace(grace=0.0, between_departures=0.0)
MUCH_LATER = timedelta(days=2)


class CutOff(Exception):
    """The process ended here."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens: a batch is stored, or again by another collector; a settlement.

    A collector is retired, and joins again with what it stores next. ``clock``: how many seconds
    the clock of whoever settles is off.
    """

    events: int = 0
    collector: str = "a"
    again: bool = False
    retire: bool = False
    settle: bool = False
    clock: int = 0
    new_process: bool = False
    cut_off_at: str = ""


STEPS = ("removed", "staged", "updated", "departing", "visits", "written", "committed")


@st.composite
def plans(draw: st.DrawFn) -> list[Step]:
    """A few batches of any size, some of them stored twice, with settlements anywhere between."""
    return draw(
        st.lists(
            st.one_of(
                st.builds(Step, events=st.integers(1, 4), collector=st.sampled_from("abc")),
                st.builds(Step, again=st.just(True), collector=st.sampled_from("abc")),
                st.builds(Step, retire=st.just(True), collector=st.sampled_from("abc")),
                st.builds(
                    Step,
                    settle=st.just(True),
                    clock=st.sampled_from((0, 0, -3600, 3600, -7 * 86400)),
                    new_process=st.booleans(),
                    cut_off_at=st.sampled_from(("", "", *STEPS)),
                ),
            ),
            min_size=2,
            max_size=12,
        )
    )


class Life:
    """One tenant's events through collectors and settlements."""

    def __init__(self, connection: Connection, tenant: str, case: Case) -> None:
        self._connection = connection
        self._tenant = tenant
        self._case = case
        self._waiting = list(case.of_tenant(tenant).events)
        self._sent: list[list[Event]] = []
        self._stored: list[Event] = []
        self._segments: dict[str, int] = {}
        self._retired: set[str] = set()
        self._settler: Settler | None = None
        self._cut_off_at = ""
        connection.command("TRUNCATE TABLE collector_marks")
        save_definitions(
            connection, tenant, Definitions(tuple(case.definitions)), datetime.now(UTC)
        )

    def run(self, plan: Sequence[Step]) -> None:
        for step in plan:
            if step.settle:
                self.settle(
                    new_process=step.new_process, cut_off_at=step.cut_off_at, clock=step.clock
                )
            elif step.retire:
                self._retired.add(f"{self._tenant}/{step.collector}")
            elif step.again:
                if self._sent:
                    later = [
                        replace(event, received_at=event.received_at + 1_000_000)
                        for event in self._sent[-1]
                    ]
                    self._store(later, step.collector)
            else:
                batch, self._waiting = self._waiting[: step.events], self._waiting[step.events :]
                self._store(batch, step.collector)
                self._sent.append(batch)
        self._store(self._waiting, "a")
        self.settle()
        self.settle()

    def settle(self, *, new_process: bool = False, cut_off_at: str = "", clock: int = 0) -> None:
        present = datetime.now(UTC)
        for name, segment in self._segments.items():
            mark = Mark(name, present, self._case.flushed, segment, name in self._retired)
            publish_mark(self._connection, mark)
        if new_process or self._settler is None:
            self._settler = Settler(self._connection, pace=HASTY, reach=self._reached)
        self._cut_off_at = cut_off_at
        try:
            self._settler.settle(present + MUCH_LATER + timedelta(seconds=clock))
        except CutOff:
            self._settler = None
        self._cut_off_at = ""

    @property
    def case(self) -> Case:
        """The case as it was stored, copies and all."""
        return replace(self._case, events=self._stored)

    def _reached(self, step: str) -> None:
        if step == self._cut_off_at:
            raise CutOff(step)

    def _store(self, batch: Sequence[Event], collector: str) -> None:
        if not batch:
            return
        name = f"{self._tenant}/{collector}"
        segment = self._segments.get(name, 0) + 1
        self.store(
            [
                replace(event, collector=name, segment=segment, position=position)
                for position, event in enumerate(batch)
            ]
        )

    def store(self, rows: Sequence[Event]) -> None:
        """Rows of one collector and one segment, higher than any it had."""
        name, segment = rows[0].collector, rows[0].segment
        self._segments[name] = segment
        self._retired.discard(name)
        insert_events(self._connection, rows, f"{name}/{segment}")
        self._stored += rows


@pytest.mark.parametrize("name", loader.names())
def test_history_computed_by_hand(embedded_database: Database, tenant: str, name: str) -> None:
    """On one store; those at random below are settled on both."""
    history = loader.load(name, tenant=tenant)
    connection = embedded_database.connect()
    life = Life(connection, tenant, history.case)
    by_segment: dict[tuple[int, str], list[Event]] = {}
    for event in history.case.events:
        mine = replace(event, collector=f"{tenant}/{event.collector}")
        by_segment.setdefault((mine.segment, mine.collector), []).append(mine)
    for _, batch in sorted(by_segment.items()):
        life.store(batch)
        life.settle()
    life.settle()
    loader.check(TenantStore(connection, tenant).query, history)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("backend", ["embedded", "server"])
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
@given(case=cases(most=8), plan=plans())
def test_every_figure_equals_the_model(
    request: pytest.FixtureRequest,
    new_tenant: Callable[[], str],
    backend: str,
    case: Case,
    plan: list[Step],
) -> None:
    database: Database = request.getfixturevalue(f"{backend}_database")
    tenant = new_tenant()
    connection = database.connect()
    lateness = (case.flushed - case.settled).total_seconds()
    definitions = [replace(each, lateness=lateness) for each in case.definitions]
    life = Life(connection, tenant, replace(case, definitions=definitions))
    life.run(plan)
    query = TenantStore(connection, tenant).query
    compare(query, life.case, thorough=False, leave_out=UNRIPE if unripe(life.case) else ())


# under sequence order what has no number appears in windows at once only to who asks all events
UNRIPE = ("dwell", "edges", "completion_lag", "completion_members")


def unripe(case: Case) -> bool:
    """Whether a transition waits for the settled watermark."""
    newest = Definitions(tuple(case.definitions)).newest
    settled = to_microseconds(case.settled)
    return any(
        event.event == "transition"
        and event.sequence is None
        and min(event.occurred_at, event.received_at) >= settled
        and (definition := newest(event.workflow_type)) is not None
        and definition.order_by == "sequence"
        for event in case.events
    )


def test_a_thousand_at_one_instant_hold_nobody_up(embedded_database: Database, tenant: str) -> None:
    connection = embedded_database.connect(Bounds(seconds=20))
    moment = to_microseconds(datetime.now(UTC))
    rows = [
        Event(
            tenant=tenant,
            event="transition",
            event_id=f"{place:04}",
            workflow_type="order",
            instance_id="bomb",
            occurred_at=moment,
            received_at=moment,
            from_state="" if place == 0 else f"s{place - 1}",
            to_state=f"s{place}",
            outcome="committed",
            collector=tenant,
            segment=1,
            position=place,
        )
        for place in range(1000)
    ]
    insert_events(connection, rows, tenant)
    settle(connection)
    now = datetime.now(UTC)
    (row,) = TenantStore(connection, tenant).query(
        "open_by_state", workflow="order", flushed=now, settled=now
    )
    assert (row["state"], row["open"]) == ("s999", 1)
