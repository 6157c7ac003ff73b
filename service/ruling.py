"""Rules of one tenant: evaluated, kept, told to receivers, and shown."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

import httpx
import msgspec

from api.paths import alert_path, instance_path
from api.ports import AlertView, HistoryEntry, MemberView, RuleView
from lifecycle.definitions import DEFAULT_LATENESS
from lifecycle.errors import StoreUnavailable
from notify.alertmanager import Alertmanager
from notify.delivery import Delivery
from notify.notification import Notification, NotifiedMember
from notify.webhook import Webhook
from rules.alert import AlertState, Change, Phase, Verdict, from_json, to_json
from rules.blind import Blind
from rules.evaluator import Evaluation
from rules.kind import MoreThan
from rules.register import AlertRegister
from rules.rule import Rule, RuleGroup
from rules.scheduler import Scheduler
from service.clock import now
from service.documents import Documents
from service.settings import Settings
from service.watermark import Watermark
from store import TenantStore
from store.alerts import AlertTable, SavedAlert, SavedChange

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
        store: TenantStore,
        table: AlertTable,
        watermark: Callable[[], Watermark],
        settings: Settings,
        external_url: str,
        http: httpx.AsyncClient,
    ) -> None:
        self._table = table
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
            query=store.query,
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
        self.scheduler.replace(documents.groups, documents.definitions)

    async def run(self) -> None:
        """Evaluate and tell until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.scheduler.run())
            tasks.create_task(self.delivery.run())
            for each in self.alertmanagers:
                tasks.create_task(each.run())

    def _evaluated(self, group: RuleGroup, evaluations: list[Evaluation]) -> None:
        self._tell()

    def _tell(self) -> None:
        # from what each receiver has been told, not from what has changed: a restart loses nothing
        for name in self.delivery.names:
            for state in self.register.due(name):
                self.delivery.submit(name, self._notification(state))
        for each in self.alertmanagers:
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
        units = {rule.id: _unit(rule) for group in self.scheduler.groups for rule in group.rules}
        return [_alert_view(each, units.get(each.rule_id, "")) for each in self.register.alerts()]

    def history(self, fingerprint: str) -> Sequence[HistoryEntry]:
        """The changes of one alert, oldest first, for the API."""
        changes = [
            msgspec.json.decode(text, type=Change) for text in self._table.history(fingerprint)
        ]
        return [
            HistoryEntry(
                at=each.at,
                alert=each.alert,
                labels=each.labels,
                state=each.after.value,
                value=each.value,
                members_total=each.total,
                reason=each.reason,
            )
            for each in changes
        ]

    def rules(self) -> Sequence[RuleView]:
        """Every rule with its last verdict, for the API; a broken file is a rule in error."""
        verdicts = {each.rule.id: each for each in self.register.verdicts()}
        found = []
        for group in self.scheduler.groups:
            for rule in group.rules:
                verdict = verdicts.get(rule.id)
                found.append(
                    RuleView(
                        name=rule.alert,
                        group=group.name,
                        kind=rule.kind.name,
                        workflow=rule.kind.workflow,
                        verdict=(verdict.verdict if verdict else Verdict.UNKNOWN).value,
                        reason=verdict.reason if verdict else "not evaluated yet",
                        value=verdict.value if verdict else None,
                        threshold=verdict.threshold if verdict else None,
                        unit=_unit(rule),
                        last_evaluation=verdict.at if verdict else None,
                        evaluation_seconds=verdict.seconds if verdict else None,
                        interval=rule.interval,
                        for_=rule.hold,
                        labels=rule.labels,
                        source=rule.source,
                        alert_delay_seconds=self._delay(rule),
                    )
                )
        found += [
            RuleView(
                name=problem.file,
                group="files that are not in force",
                kind="file",
                workflow="",
                verdict=Verdict.ERROR.value,
                reason=str(problem),
                source=f"{problem.file}:{problem.line}",
            )
            for problem in self._documents.problems
        ]
        return found

    def _delay(self, rule: Rule) -> float:
        newest = self._documents.definitions.newest(rule.kind.workflow)
        lateness = DEFAULT_LATENESS if newest is None else newest.lateness
        return lateness + rule.interval + rule.hold

    def last_evaluation(self) -> datetime | None:
        """When a group was evaluated last."""
        return self.scheduler.last_evaluation


def _unit(rule: Rule) -> str:
    """What the value of a rule is: ``seconds``, a ``share``, or a number of things."""
    kind = rule.kind
    if kind.name.endswith("_lag") or kind.name == Blind.name:
        return "seconds"
    more_than = getattr(kind, "more_than", None)
    return "share" if isinstance(more_than, MoreThan) and more_than.share is not None else ""


def _alert_view(state: AlertState, unit: str) -> AlertView:
    return AlertView(
        fingerprint=state.fingerprint,
        name=state.alert,
        state=state.phase.value,
        labels=state.labels,
        annotations=state.annotations,
        value=state.value,
        threshold=state.threshold,
        unit=unit,
        pending_since=state.pending_since,
        firing_since=state.firing_since,
        resolved_at=state.resolved_at if state.phase is Phase.RESOLVED else None,
        members=[
            MemberView(
                workflow=each.workflow,
                environment=each.environment,
                instance_id=each.instance_id,
                since=each.since,
                detail=each.detail,
            )
            for each in state.members
        ],
        members_total=state.total,
        unknown=state.verdict in (Verdict.UNKNOWN, Verdict.ERROR),
        reason=state.reason,
    )
