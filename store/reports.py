"""How a collector fares, told with each of its marks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from store.connection import to_microseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Counters since ``started_at``; what is pending or waits, and ``…_at``, are of this moment.

    ``limit_bytes``: what the spool may hold. ``resent_since``: producers were told to send again
    what they sent since then. ``trouble``: why inserts fail now; empty while they do not.
    """

    started_at: datetime
    accepted: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)  # by reason
    quarantined: Mapping[str, int] = field(default_factory=dict)  # by kind of record
    quarantine_files: int = 0
    pending: int = 0
    pending_bytes: int = 0
    limit_bytes: int = 0
    waiting_segments: int = 0
    oldest_at: datetime | None = None
    resent_since: datetime | None = None
    segments: int = 0
    failed_inserts: int = 0
    failed_writes: int = 0
    damaged: int = 0
    torn_bytes: int = 0
    trouble: str = ""

    def columns(self) -> dict[str, Any]:
        """The values as the store takes them, by column."""
        return {name: _stored(getattr(self, name)) for name in REPORT_COLUMNS}


def _stored(value: Any) -> Any:
    return to_microseconds(value) if isinstance(value, datetime) else value


REPORT_COLUMNS: Final = tuple(Report.__dataclass_fields__)
