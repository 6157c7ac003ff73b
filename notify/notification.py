"""What a receiver is told about one alert."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from lifecycle.errors import DonewatchError


@dataclass(frozen=True, slots=True, kw_only=True)
class NotifiedMember:
    """One instance that the alert is about, with the page that shows its history."""

    workflow: str
    environment: str
    instance_id: str
    since: datetime
    detail: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One alert as it stands: ``status`` is ``firing`` or ``resolved``.

    ``episode`` names this status of this firing, so that nobody is told it twice. ``members`` are
    the first of ``total``.
    """

    fingerprint: str
    episode: str
    status: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str] = field(default_factory=dict)
    value: float = 0.0
    starts_at: datetime
    ends_at: datetime | None = None  # of a resolved one
    generator_url: str = ""
    members: tuple[NotifiedMember, ...] = ()
    total: int = 0


class DeliveryError(DonewatchError):
    """A receiver did not take what it was sent.

    ``permanent``: it will not take it later either. ``retry_after``: seconds it asks to be left
    alone, if it does.
    """

    def __init__(self, message: str, *, permanent: bool, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.retry_after = retry_after


class Receiver(Protocol):
    """Somebody who is told of changes, each once. ``name`` is kept with what it was told."""

    @property
    def name(self) -> str:
        """Unique among the receivers and the same after a restart."""
        ...

    async def send(self, notifications: list[Notification]) -> None:
        """Tell of alerts that have the same ``alertname``.

        :raises DeliveryError: they were not taken.
        """
        ...


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds."""
    text = moment.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
