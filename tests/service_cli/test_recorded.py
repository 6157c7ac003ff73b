"""What one process writes of its rules, and another one makes of it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from api.ports import RuleView
from lifecycle.definitions import Definition, Definitions
from lifecycle.errors import StoreUnavailable
from rules.alert import AlertState, Phase, Verdict, to_json
from service.recorded import RecordedAlerts, RecordedDefinitions
from service.verdicts import Lines, RuleLine, VerdictWriter
from store import Database
from store.alerts import AlertTable, SavedAlert
from store.connection import Connection
from store.definitions import save_definitions
from store.verdicts import VerdictTable
from tests.service_cli.orders import DEFINITION

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
RULE = RuleView(
    name="Late",
    group="orders",
    kind="outbox_lag",
    workflow="order",
    verdict="firing",
    value=40.5,
    threshold=30.0,
    unit="seconds",
    last_evaluation=NOW,
    evaluation_seconds=0.02,
    interval=15.0,
    for_=60.0,
    labels={"severity": "page", "note": "é\u2028"},
    source="orders.yaml:3",
    alert_delay_seconds=105.0,
)
BROKEN = RuleView(name="x.yaml", group="files", kind="file", workflow="", verdict="error")


class Place:
    """Tables of one tenant in a store."""

    def __init__(self, connection: Connection, tenant: str) -> None:
        self.connection, self.tenant = connection, tenant
        self.alerts = AlertTable(connection, tenant)
        self.verdicts = VerdictTable(connection, tenant)
        self.lines: Lines = {}
        self.writer = VerdictWriter(self.verdicts, lambda: self.lines)

    def shown(self, at: datetime = NOW) -> RecordedAlerts:
        """What a process that only shows makes of it."""
        alerts = AlertTable(self.connection, self.tenant)
        return RecordedAlerts(alerts, VerdictTable(self.connection, self.tenant), lambda: at)


@pytest.fixture
def place(embedded_database: Database, tenant: str) -> Place:
    return Place(embedded_database.connect(), tenant)


def test_rules_come_back_as_they_were(place: Place) -> None:
    place.lines = {"a": [RuleLine("1", RULE)], "": [RuleLine("", BROKEN)]}
    place.writer.write()
    assert list(place.shown().rules()) == [BROKEN, RULE]
    place.lines = {"b": [RuleLine("1", replace(RULE, verdict="ok"))]}
    place.writer.write()
    assert [rule.verdict for rule in place.shown().rules()] == ["ok"]


def test_groups_of_an_earlier_start_go(place: Place) -> None:
    place.lines = {"a": [RuleLine("1", RULE)], "b": [RuleLine("2", RULE)]}
    place.writer.write()
    again = VerdictWriter(place.verdicts, lambda: {"b": [RuleLine("2", RULE)]})
    again.write()
    assert len(place.shown().rules()) == 1


class Away(VerdictTable):
    """A table whose store does not answer at first."""

    failures = 2

    def save(self, groups: dict[str, str | None], now: datetime) -> None:  # type: ignore[override]
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("away")
        super().save(groups, now)


def test_what_the_store_did_not_take_is_written_later(place: Place) -> None:
    writer = VerdictWriter(
        Away(place.connection, place.tenant), lambda: {"a": [RuleLine("1", RULE)]}
    )
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            writer.write()
    assert place.shown().rules() == []
    writer.write()
    assert list(place.shown().rules()) == [RULE]


STALE = [
    pytest.param(timedelta(seconds=75), 15.0, "firing", id="five intervals are patience"),
    pytest.param(timedelta(seconds=76), 15.0, "unknown", id="longer is not"),
    pytest.param(timedelta(seconds=10), 0.2, "firing", id="ten seconds at least"),
    pytest.param(timedelta(seconds=11), 0.2, "unknown", id="longer than that is not"),
    pytest.param(timedelta(seconds=-5), 15.0, "firing", id="a clock that is ahead"),
]


@pytest.mark.parametrize(("age", "interval", "verdict"), STALE)
def test_a_rule_nobody_evaluates_is_unknown(
    place: Place, age: timedelta, interval: float, verdict: str
) -> None:
    place.lines = {"a": [RuleLine("1", replace(RULE, interval=interval))]}
    place.writer.write()
    (rule,) = place.shown(NOW + age).rules()
    assert rule.verdict == verdict
    assert ("donewatch rules" in rule.reason) == (verdict == "unknown")


def test_alerts_have_the_unit_of_their_rule(place: Place) -> None:
    def state(fingerprint: str, rule: str, phase: Phase) -> SavedAlert:
        found = AlertState(
            fingerprint=fingerprint,
            rule_id=rule,
            alert="Late",
            labels={"alertname": "Late"},
            phase=phase,
            verdict=Verdict.FIRING,
            value=40.5,
            pending_since=NOW,
            evaluated_at=NOW,
        )
        return SavedAlert(fingerprint, to_json(found))

    place.lines = {"a": [RuleLine("1", RULE)]}
    place.writer.write()
    saved = [
        state("f1", "1", Phase.FIRING),
        state("f2", "gone", Phase.PENDING),
        state("f3", "1", Phase.INACTIVE),
    ]
    place.alerts.save(saved, [], NOW)
    found = {each.fingerprint: each for each in place.shown().alerts()}
    assert {name: (each.state, each.unit) for name, each in found.items()} == {
        "f1": ("firing", "seconds"),
        "f2": ("pending", ""),
    }


def test_definitions_that_cannot_be_read_leave_those_in_force(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    definitions = RecordedDefinitions(place.connection, place.tenant)
    definitions.reload()
    assert definitions().all == ()

    def save(text: str, version: str, at: datetime) -> None:
        definition = Definition(workflow="order", version=version, states=(), edges=(), source=text)
        save_definitions(place.connection, place.tenant, Definitions((definition,)), at)

    save(DEFINITION, "1", NOW)
    definitions.reload()
    newest = definitions().newest("order")
    assert newest is not None and newest.version == "1" and newest.stuck_after == 3600.0
    save(DEFINITION + "colour: red\n", "1", NOW + timedelta(seconds=1))  # of a later version of us
    for _ in range(3):
        definitions.reload()
    assert definitions().newest("order") == newest
    assert len([record for record in caplog.records if "colour" in record.message]) == 1
    save(DEFINITION.replace('"1"', '"2"'), "2", NOW + timedelta(seconds=2))
    definitions.reload()
    newer = definitions().newest("order")
    assert newer is not None and newer.version == "2"


Ask = Callable[[RecordedAlerts], object]
ASKED = [
    pytest.param(lambda alerts: alerts.alerts(), id="alerts"),
    pytest.param(lambda alerts: alerts.rules(), id="rules"),
    pytest.param(lambda alerts: alerts.history("f"), id="history"),
]


@pytest.mark.parametrize("ask", ASKED)
def test_a_store_that_is_away_is_said(ask: Ask) -> None:
    database = Database.open("http://127.0.0.1:9/donewatch")
    connection = database.connect()
    recorded = RecordedAlerts(
        AlertTable(connection, "t"), VerdictTable(connection, "t"), lambda: NOW
    )
    with pytest.raises(StoreUnavailable):
        ask(recorded)
    database.close()
