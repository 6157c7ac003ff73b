"""Rules of one tenant: evaluated, kept, told to receivers, and shown."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final

import httpx

from api.paths import alert_path, instance_path
from api.ports import AlertView, HistoryEntry, RuleView
from lifecycle.definitions import DEFAULT_LATENESS
from lifecycle.errors import StoreUnavailable
from notify.alertmanager import Alertmanager
from notify.delivery import Delivery
from notify.notification import Notification, NotifiedMember
from notify.webhook import Webhook
from rules.alert import AlertState, Change, Phase, from_json, to_json
from rules.evaluator import Evaluation
from rules.register import AlertRegister
from rules.rule import Rule, RuleGroup
from rules.sample import Query
from rules.scheduler import Scheduler
from service.alert_views import alert_view, history_views, problem_view, rule_view, unit
from service.clock import now
from service.documents import Documents
from service.settings import Settings
from service.verdicts import Lines, RuleLine, VerdictWriter
from service.watermark import Watermark
from store.alerts import AlertTable, SavedAlert, SavedChange
from store.verdicts import VerdictTable

_LOG: Final = logging.getLogger(__name__)
_STORE_RETRY: Final = 2.0  # seconds between attempts to read the alerts back


class _KeptAlerts:
    """The engine's states and changes as the table's texts."""

    def __init__(self, table: AlertTable) -> None:
        self._table = table

    def load(self) -> list[AlertState]:
        return [from_json(text) for text in self._table.load()]

    def save(self, states: Sequence[AlertState], history: Sequence[Change]) -> None:
        self._table.save(
            [
                SavedAlert(each.fingerprint, to_json(each), each.phase is Phase.INACTIVE)
                for each in states
            ],
            [SavedChange(each.fingerprint, each.alert, each.at, to_json(each)) for each in history],
            now(),
        )


class Ruling:
    """The rule engine of one tenant."""

    def __init__(
        self,
        query: Query,
        table: AlertTable,
        watermark: Callable[[], Watermark],
        settings: Settings,
        external_url: str,
        http: httpx.AsyncClient,
        verdicts: VerdictTable | None = None,
    ) -> None:
        """``verdicts``: where to keep them for other processes, if there may be any."""
        self._table = table
        self._verdicts = None if verdicts is None else VerdictWriter(verdicts, self._lines)
        self._url = external_url.rstrip("/")
        self._documents = Documents()
        webhooks = [Webhook(url, http, external_url=self._url) for url in settings.notify.webhooks]
        self.delivery = Delivery(webhooks, settled=self._told)
        self.alertmanagers = [
            Alertmanager(
                url,
                http,
                current=self._current,
                told=self._told,
                clock=now,
                resend=settings.notify.resend,
            )
            for url in settings.notify.alertmanagers
        ]
        receivers = [*self.delivery.names, *(each.name for each in self.alertmanagers)]
        self.register = AlertRegister(_KeptAlerts(table), receivers)
        self.scheduler = Scheduler(
            query=query,
            watermark=watermark,
            register=self.register,
            clock=now,
            evaluated=self._evaluated,
            watermark_limit=settings.rules.watermark_limit,
            interval=settings.rules.interval,
        )

    async def load(self) -> None:
        """Take over what was kept; waits for the store: without it alerts would be forgotten."""
        while True:
            try:
                await asyncio.to_thread(self.register.load)
            except StoreUnavailable as error:
                _LOG.warning("alerts cannot be read back yet: %s", error)
                await asyncio.sleep(_STORE_RETRY)
            else:
                self._tell()
                return

    def replace(self, documents: Documents) -> None:
        """Put definitions and rules in force; on the event loop."""
        self._documents = documents
        self.scheduler.replace(
            documents.groups, documents.definitions, complete=not documents.problems
        )
        self._write_verdicts()

    async def run(self) -> None:
        """Evaluate and tell until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.scheduler.run())
            tasks.create_task(self.delivery.run())
            for each in self.alertmanagers:
                tasks.create_task(each.run())
            if self._verdicts is not None:
                tasks.create_task(self._verdicts.run())

    def _evaluated(self, group: RuleGroup, evaluations: list[Evaluation]) -> None:
        self._tell()
        self._write_verdicts()

    def _write_verdicts(self) -> None:
        if self._verdicts is not None:
            self._verdicts.wake()

    def _tell(self) -> None:
        # from what each receiver has been told, not from what has changed: a restart loses nothing
        for name in self.delivery.names:
            for state in self.register.due(name):
                self.delivery.submit(name, self._notification(state))
        for each in self.alertmanagers:
            if self.register.due(each.name):
                each.wake()

    def _told(self, receiver: str, fingerprint: str, episode: str) -> None:
        self.register.notified(receiver, fingerprint, episode)

    def _current(self) -> Sequence[Notification]:
        return [self._notification(state) for state in self.register.alerts() if state.status]

    def _notification(self, state: AlertState) -> Notification:
        return Notification(
            fingerprint=state.fingerprint,
            episode=state.episode,
            status=state.status,
            labels=state.labels,
            annotations=state.annotations,
            value=state.value,
            starts_at=state.firing_since or state.pending_since,
            ends_at=state.resolved_at if state.status == "resolved" else None,
            generator_url=f"{self._url}{alert_path(state.fingerprint)}",
            members=tuple(
                NotifiedMember(
                    workflow=each.workflow,
                    environment=each.environment,
                    instance_id=each.instance_id,
                    since=each.since,
                    detail=each.detail,
                    url=self._url
                    + instance_path(each.workflow, each.instance_id, each.environment),
                )
                for each in state.members
            ),
            total=state.total,
        )

    def alerts(self) -> Sequence[AlertView]:
        """Every alert, for the API."""
        units = {rule.id: unit(rule) for group in self.scheduler.groups for rule in group.rules}
        return [alert_view(each, units.get(each.rule_id, "")) for each in self.register.alerts()]

    def history(self, fingerprint: str) -> Sequence[HistoryEntry]:
        """The changes of one alert, oldest first, for the API."""
        return history_views(self._table.history(fingerprint))

    def rules(self) -> Sequence[RuleView]:
        """Every rule with its last verdict, for the API; a broken file is a rule in error."""
        return [line.view for lines in self._lines().values() for line in lines]

    def _lines(self) -> Lines:
        verdicts = {each.rule.id: each for each in self.register.verdicts()}
        found = {
            group.key: [
                RuleLine(
                    rule.id,
                    rule_view(rule, group.name, verdicts.get(rule.id), self._lateness(rule)),
                )
                for rule in group.rules
            ]
            for group in self.scheduler.groups
        }
        problems = [RuleLine("", problem_view(each)) for each in self._documents.problems]
        return found | ({"": problems} if problems else {})

    def _lateness(self, rule: Rule) -> float:
        newest = self._documents.definitions.newest(rule.kind.workflow)
        return DEFAULT_LATENESS if newest is None else newest.lateness
