"""Alerts, rules and definitions as another process last wrote them into the store."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from api.ports import AlertView, HistoryEntry, RuleView
from lifecycle.definition_files import read_definition
from lifecycle.definitions import Definitions
from lifecycle.durations import format_duration
from lifecycle.errors import DocumentError, StoreError
from rules.alert import Phase, Verdict, from_json
from service.alert_views import alert_view, history_views
from service.pages import allowed_silence
from service.verdicts import RuleLine, read_lines
from store.alerts import AlertTable
from store.connection import Connection
from store.definitions import load_definitions
from store.verdicts import VerdictTable

_LOG: Final = logging.getLogger(__name__)


class RecordedAlerts:
    """Alerts and rules of one tenant, read anew whenever asked. All raise ``StoreError``."""

    def __init__(
        self, alerts: AlertTable, verdicts: VerdictTable, clock: Callable[[], datetime]
    ) -> None:
        self._alerts = alerts
        self._verdicts = verdicts
        self._clock = clock

    def alerts(self) -> Sequence[AlertView]:
        """Every alert that is not inactive, as last saved."""
        units = {line.id: line.view.unit for line in self._lines()}
        states = [from_json(text) for text in self._alerts.load()]
        return [
            alert_view(state, units.get(state.rule_id, ""))
            for state in states
            if state.phase is not Phase.INACTIVE
        ]

    def history(self, fingerprint: str) -> Sequence[HistoryEntry]:
        """The changes of one alert, oldest first."""
        return history_views(self._alerts.history(fingerprint))

    def rules(self) -> Sequence[RuleView]:
        """Every rule in force; one that is no longer evaluated says so instead of a verdict."""
        return [self._present(line.view) for line in self._lines()]

    def _lines(self) -> Sequence[RuleLine]:
        return [line for lines in read_lines(self._verdicts).values() for line in lines]

    def _present(self, rule: RuleView) -> RuleView:
        if rule.last_evaluation is None:
            return rule
        seconds = (self._clock() - rule.last_evaluation).total_seconds()
        if seconds <= allowed_silence([rule]):
            return rule
        reason = f"not evaluated for {format_duration(seconds)}: is `donewatch rules` running?"
        return replace(rule, verdict=Verdict.UNKNOWN.value, reason=reason)


class RecordedDefinitions:
    """The definitions in force, as the process that reads the files has saved them."""

    def __init__(self, connection: Connection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant
        self._current = Definitions()
        self._trouble = ""

    def __call__(self) -> Definitions:
        """Those read last."""
        return self._current

    def reload(self) -> None:
        """Read them again; what cannot be read leaves those in force that were."""
        try:
            self._current = load_definitions(self._connection, self._tenant, read_definition)
            self._trouble = ""
        except (DocumentError, StoreError) as error:
            if str(error) != self._trouble:
                _LOG.warning("definitions cannot be read from the store: %s", error)
            self._trouble = str(error)
