"""What an evaluation looks at and what it finds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from lifecycle.definitions import DEFAULT_LATENESS, Definitions

LONGEST_UNSEEN: Final = timedelta(days=1)
MEMBER_LIMIT: Final = 100  # members that an alert lists; ``total`` says how many there are


class Query(Protocol):
    """A named query of the store, bound to one tenant.

    Raises ``lifecycle.errors.StoreUnavailable`` or ``StoreRefused``.
    """

    def __call__(self, name: str, /, **parameters: Any) -> list[dict[str, Any]]:
        """The rows, in the order the query gives them."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One point of a timeline: the present, and how far the stored events reach.

    ``flushed``: everything received up to here is in the store (``None``: nobody knows). ``blind``
    says why that is not enough to tell what has not happened; empty when it is. ``looked``: how far
    they reached at the last look that could see, as far as is known.
    """

    now: datetime
    flushed: datetime | None
    definitions: Definitions = field(default_factory=Definitions)
    blind: str = ""
    looked: datetime | None = None

    @property
    def proven(self) -> datetime:
        """The flushed watermark where there is one; no rule on events is evaluated without."""
        if self.flushed is None:
            raise ValueError("there is no watermark to evaluate against")
        return self.flushed

    def settled(self, workflow: str) -> datetime:
        """Up to here order and rates are final: flushed less the accepted lateness."""
        return self.proven - self._lateness(workflow)

    def settled_window(self, workflow: str, seconds: float) -> tuple[datetime, datetime]:
        """The last ``seconds`` that are final, and what has become so since the last look.

        After a watermark that stood still the window alone would step over what is in between; of
        that at most a day is looked at.
        """
        settled = self.settled(workflow)
        start = settled - timedelta(seconds=seconds)
        if self.looked is not None:
            unseen = max(self.looked - self._lateness(workflow), settled - LONGEST_UNSEEN)
            start = min(start, unseen)
        return start, settled

    def _lateness(self, workflow: str) -> timedelta:
        newest = self.definitions.newest(workflow)
        return timedelta(seconds=DEFAULT_LATENESS if newest is None else newest.lateness)


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One instance that an alert is about; the same fact keeps its ``identity``."""

    workflow: str
    environment: str
    instance_id: str
    since: datetime
    detail: str = ""
    identity: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One figure of one environment, judged. ``oldest`` in seconds, ``rate`` from 0 to 1.

    ``members`` are the first of ``total``. ``extra`` are more variables for annotations.
    """

    labels: Mapping[str, str]
    value: float
    threshold: float
    firing: bool
    count: int = 0
    oldest: float | None = None
    rate: float | None = None
    members: tuple[Member, ...] = ()
    total: int = 0
    extra: Mapping[str, object] = field(default_factory=dict)

    @property
    def truncated(self) -> bool:
        """Whether there are more members than listed."""
        return self.total > len(self.members)
