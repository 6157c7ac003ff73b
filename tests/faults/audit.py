"""Compares a journal of what was sent with what a store holds and what its figures say.

Run as a module, because the embedded store takes one process: ``python -m tests.faults.audit DSN
JOURNAL`` settles what waits and prints its findings as JSON.
"""

import json
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from lifecycle.definition_files import read_definition
from lifecycle.definitions import Definitions
from lifecycle.events import FIELD_BY_NAME, Event
from store import Database, TenantStore
from store.connection import Connection
from store.definitions import save_definitions
from store.settling import Settler
from store.settling.types import Types
from tests.faults.load import DEFINITION
from tests.model.case import Case
from tests.model.compare import difference
from tests.peers.donewatch import ROOT

FIGURES: Final = (
    "edges",
    "completion_lag",
    "stuck",
    "open_by_state",
    "outbox_lag",
    "retry_exhaustion",
    "dwell",
    "illegal_transitions",
)
QUADRATIC: Final = ("completion_lag",)  # for the model, so it is asked place by place
_MANY: Final = 1_000_000
_TELL: Final = 10  # of what differs


@dataclass(slots=True)
class Count:
    """Events by id. ``counted`` are transitions in figures that should be ``moves``."""

    sent: int = 0
    acknowledged: int = 0
    stored: int = 0
    copies: int = 0  # more rows than ids, which figures must not see
    lost: int = 0  # acknowledged, not stored
    moves: int = 0
    counted: int = 0


@dataclass(slots=True)
class Audit:
    """What was found; ``wrong`` is empty if all is as it must be."""

    places: dict[str, Count] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    @property
    def total(self) -> Count:
        """Of all places together."""
        counters = [Counter(asdict(each)) for each in self.places.values()]
        return Count(**sum(counters, Counter()))


def audit(dsn: str, journal: Path) -> Audit:
    """Audit a store that no other process settles now; an embedded one must have been let go."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.audit", dsn, str(journal)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    places = {name: Count(**each) for name, each in found["places"].items()}
    return Audit(places, found["wrong"])


def _audit(dsn: str, journal: Path) -> Audit:
    found = Audit()
    batches = [json.loads(line) for line in journal.read_text().splitlines()]
    database = Database.open(dsn)
    try:
        connection = database.connect()
        _settle(connection, found)
        stored = _stored(connection)
        events = [event for batch in batches for event in _count(batch, stored, found)]
        for event_id in sorted(stored)[:_TELL]:
            found.wrong.append(f"{event_id} is stored and was never sent")
        _compare(connection, events, found)
    finally:
        database.close()
    return found


def _settle(connection: Connection, found: Audit) -> None:
    """Settle the last second; nobody else does. Without an engine nobody knew the definition."""
    if not Types.read(connection).fingerprints:
        known = Definitions((read_definition(DEFINITION, "order.yaml"),))
        save_definitions(connection, "default", known, datetime.now(UTC))
    settler = Settler(connection)
    while (settlement := settler.settle(datetime.now(UTC))).behind:
        pass
    for row in connection.query(
        "SELECT collector, max(segment) AS segment FROM events GROUP BY collector", {}
    ):
        if settlement.collectors.get(row["collector"], 0) < row["segment"]:
            found.wrong.append(f"{row} is beyond what is settled: {settlement.collectors}")


def _stored(connection: Connection) -> dict[str, int]:
    rows = connection.query(
        "SELECT event_id, count() AS copies FROM events WHERE event != 'heartbeat'"
        " GROUP BY instance_id, event_id",
        {},
    )
    return {row["event_id"]: row["copies"] for row in rows}


def _count(batch: Mapping[str, Any], stored: dict[str, int], found: Audit) -> list[Event]:
    """Those of a batch that are stored, taken out of ``stored``."""
    taken = []
    for sent in batch["events"]:
        place = found.places.setdefault(sent["environment"], Count())
        place.sent += 1
        place.acknowledged += batch["acknowledged"]
        copies = stored.pop(sent["event_id"], 0)
        if copies:
            place.stored += 1
            place.copies += copies - 1
            place.moves += sent["event"] == "transition"
            taken.append(_event(sent))
        elif batch["acknowledged"]:
            place.lost += 1
            found.wrong.append(
                f"{sent['event_id']} of {sent['environment']} was acknowledged, and is lost"
            )
    if 0 < len(taken) < len(batch["events"]):
        found.wrong.append(f"of one body {len(taken)} of {len(batch['events'])} events are stored")
    return taken


def _event(sent: Mapping[str, Any]) -> Event:
    occurred_at = sent["occurred_at"] // 1000
    values = {
        FIELD_BY_NAME[name].column: value for name, value in sent.items() if name in FIELD_BY_NAME
    }
    values |= {"event": sent["event"], "occurred_at": occurred_at, "received_at": occurred_at + 1}
    if sent["event"] == "transition":
        values["outcome"] = "committed"
    return Event(tenant="default", **values)


def _compare(connection: Connection, events: Sequence[Event], found: Audit) -> None:
    now = datetime.now(UTC)
    case = Case(
        definitions=[read_definition(DEFINITION, "order.yaml")],
        events=events,
        flushed=now,
        settled=now,
        from_=now - timedelta(days=1),
        to=now,
    )
    settled = TenantStore(connection, "default").query
    plain = TenantStore(connection, "default", "events").query
    for figure in FIGURES:
        choices: list[list[str]] = [[]]
        if figure in QUADRATIC:
            choices = [[name] for name in found.places]
        for environments in choices:
            parameters = case.parameters(figure, "order", limit=_MANY, environments=environments)
            expected = case.model(figure, **parameters)
            # each of the two against the model, which knows of no copies, crashes and settlements
            for source, query in (("settled", settled), ("events", plain)):
                lines = _difference(figure, expected, query(figure, **parameters))
                found.wrong += [f"{figure} from {source}: {line}" for line in lines[:_TELL]]
    for name, place in found.places.items():
        parameters = case.parameters("edges", "order", environments=[name])
        place.counted = sum(row["count"] for row in settled("edges", **parameters))
        if place.counted != place.moves:
            found.wrong.append(f"{name}: {place.counted} moves counted of {place.moves}")


def _difference(figure: str, expected: Sequence[Any], actual: Sequence[Any]) -> list[str]:
    """As the model's comparison, which tries each row with each: first rows of one instance."""
    if not expected or "instance_id" not in expected[0]:
        return difference(figure, expected, actual)
    groups: dict[str, tuple[list[Any], list[Any]]] = defaultdict(lambda: ([], []))
    for side, rows in enumerate((expected, actual)):
        for row in rows:
            groups[row["instance_id"]][side].append(row)
    return [line for mine, theirs in groups.values() for line in difference(figure, mine, theirs)]


if __name__ == "__main__":
    print(json.dumps(asdict(_audit(sys.argv[1], Path(sys.argv[2])))))
