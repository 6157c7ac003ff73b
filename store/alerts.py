"""What the rule engine keeps over a restart: alerts as JSON, and the history of their changes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from store.connection import Connection, to_microseconds
from store.queries import query_text

_STATE_COLUMNS = ("tenant", "fingerprint", "saved_at", "removed", "state")
_HISTORY_COLUMNS = ("tenant", "fingerprint", "alert", "at", "change")


@dataclass(frozen=True, slots=True)
class SavedAlert:
    """One alert's state, as text that its owner understands; ``removed`` ones are forgotten."""

    fingerprint: str
    state: str
    removed: bool = False


@dataclass(frozen=True, slots=True)
class SavedChange:
    """One line of history; ``change`` is text that its owner understands."""

    fingerprint: str
    alert: str
    at: datetime
    change: str


class AlertTable:
    """The alerts of one tenant."""

    def __init__(self, connection: Connection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant
        self._last = 0

    def load(self) -> list[str]:
        """The latest state of every alert that was not removed."""
        tenant = {"tenant": self._tenant}
        self._last = self._connection.query(query_text("last_saved_alert"), tenant)[0]["saved_at"]
        rows = self._connection.query(query_text("alert_states"), tenant)
        return [row["state"] for row in rows]

    def history(self, fingerprint: str) -> list[str]:
        """The changes of one alert, oldest first."""
        rows = self._connection.query(
            query_text("alert_history"), {"tenant": self._tenant, "fingerprint": fingerprint}
        )
        return [row["change"] for row in rows]

    def save(
        self, states: Sequence[SavedAlert], changes: Sequence[SavedChange], now: datetime
    ) -> None:
        """Write history first: after a crash between the two, a change is told again, not lost."""
        if changes:
            columns: list[list[object]] = [
                [self._tenant] * len(changes),
                [each.fingerprint for each in changes],
                [each.alert for each in changes],
                [to_microseconds(each.at) for each in changes],
                [each.change for each in changes],
            ]
            self._connection.insert("alert_history", _HISTORY_COLUMNS, columns)
        if states:
            # two saves within a microsecond, or a clock stepped back, must not revive the older
            self._last = max(to_microseconds(now), self._last + 1)
            self._connection.insert(
                "alert_states",
                _STATE_COLUMNS,
                [
                    [self._tenant] * len(states),
                    [each.fingerprint for each in states],
                    [self._last] * len(states),
                    [int(each.removed) for each in states],
                    [each.state for each in states],
                ],
            )
