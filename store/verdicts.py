"""What was last found of each group of rules, for processes that show it and do not evaluate."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from store.connection import Connection, to_microseconds
from store.queries import query_text

_COLUMNS: Final = ("tenant", "rule_group", "saved_at", "removed", "verdicts")


class VerdictTable:
    """The verdicts of one tenant: a text that its owner understands for each group."""

    def __init__(self, connection: Connection, tenant: str) -> None:
        self._connection = connection
        self._tenant = tenant
        self._last = 0

    def load(self) -> dict[str, str]:
        """The latest text of every group that was not removed, in the order of their keys."""
        rows = self._connection.query(query_text("rule_verdicts"), {"tenant": self._tenant})
        self._last = max([self._last, *(row["saved_at"] for row in rows)])
        return {row["rule_group"]: row["verdicts"] for row in rows}

    def save(self, groups: Mapping[str, str | None], now: datetime) -> None:
        """Keep these texts in place of older ones; ``None`` removes a group."""
        if not groups:
            return
        # two saves within a microsecond, or a clock stepped back, must not revive the older
        self._last = max(to_microseconds(now), self._last + 1)
        columns: list[list[object]] = [
            [self._tenant] * len(groups),
            list(groups),
            [self._last] * len(groups),
            [int(text is None) for text in groups.values()],
            [text or "" for text in groups.values()],
        ]
        self._connection.insert("rule_verdicts", _COLUMNS, columns)
