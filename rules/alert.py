"""The state of one alert, as it is kept over a restart, and one line of its history."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import msgspec

from rules.sample import Member


class Phase(StrEnum):
    """Where an alert stands. An inactive one is forgotten."""

    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"
    RECOVERING = "recovering"  # no longer exceeded, kept firing for a while
    RESOLVED = "resolved"


class Verdict(StrEnum):
    """What is known now of a rule, or of one of its alerts."""

    OK = "ok"
    PENDING = "pending"
    FIRING = "firing"
    RECOVERING = "recovering"
    UNKNOWN = "unknown"  # the watermark has stopped or lags too far
    ERROR = "error"  # it could not be evaluated


VERDICT_OF = {
    Phase.INACTIVE: Verdict.OK,
    Phase.PENDING: Verdict.PENDING,
    Phase.FIRING: Verdict.FIRING,
    Phase.RECOVERING: Verdict.RECOVERING,
    Phase.RESOLVED: Verdict.OK,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertState:
    """One alert: a rule and one set of labels. Serialised by ``to_json`` and ``from_json``.

    ``held``: seconds of known time for which the present phase has lasted, pending or recovering;
    the clock of ``for`` and ``keep_firing_for``. ``sighted``: the last evaluation could see, so
    the time since then counts. ``notified``: by receiver, the ``episode`` that it was last told.
    """

    fingerprint: str
    rule_id: str
    alert: str
    group: str = ""
    labels: Mapping[str, str]
    annotations: Mapping[str, str] = field(default_factory=dict)
    phase: Phase
    verdict: Verdict
    reason: str = ""  # why it is unknown, in error or resolved
    value: float = 0.0
    threshold: float = 0.0
    members: tuple[Member, ...] = ()
    total: int = 0
    pending_since: datetime
    firing_since: datetime | None = None
    recovering_since: datetime | None = None
    resolved_at: datetime | None = None
    evaluated_at: datetime
    held: float = 0.0
    sighted: bool = True
    notified: Mapping[str, str] = field(default_factory=dict)

    @property
    def status(self) -> str:
        """What receivers are told: ``firing``, ``resolved``, or empty: nothing.

        An alert that is pending again is still resolved for those who heard that it fired.
        """
        if self.phase in (Phase.FIRING, Phase.RECOVERING):
            return "firing"
        return "resolved" if self.resolved_at is not None else ""

    @property
    def episode(self) -> str:
        """The status and when this firing began: what a receiver has been told, or not yet."""
        since = self.firing_since.isoformat() if self.firing_since else ""
        return f"{self.status}@{since}" if self.status else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One line of history: the verdict of an alert changed, or (no fingerprint) that of a rule."""

    at: datetime
    rule_id: str
    alert: str
    fingerprint: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    before: Verdict
    after: Verdict
    value: float = 0.0
    total: int = 0
    reason: str = ""


def to_json(state: AlertState | Change) -> str:
    """Write a state, or a line of history, as a JSON object."""
    return msgspec.json.encode(state).decode()


def from_json(text: str | bytes) -> AlertState:
    """Read a state back.

    :raises msgspec.DecodeError: the text is not one.
    """
    return msgspec.json.decode(text, type=AlertState)
