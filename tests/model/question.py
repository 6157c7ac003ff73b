"""A question about one workflow type in some environments, and the units of its answer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any, overload

from tests.model.instance import Instance
from tests.model.judging import Judge
from tests.model.runs import Life, life

Row = dict[str, Any]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def microseconds(at: datetime) -> int:
    """Since the Unix epoch."""
    return (at - EPOCH) // timedelta(microseconds=1)


def instant(at: int | None) -> datetime | None:
    """What ``microseconds`` came from."""
    return None if at is None else EPOCH + timedelta(microseconds=at)


@overload
def seconds(duration: int) -> float: ...
@overload
def seconds(duration: None) -> None: ...
def seconds(duration: int | None) -> float | None:
    """Of microseconds."""
    return None if duration is None else duration / 1_000_000


def longer(duration: int, limit: float) -> bool:
    """Whether so many microseconds are strictly more than so many seconds."""
    return Fraction(duration, 1_000_000) > Fraction(str(limit))


@dataclass(frozen=True, slots=True)
class Question:
    """What a figure is about; probes are still among the instances."""

    judge: Judge
    instances: Sequence[Instance]

    def lives(self, *, probes: bool = False, settled: int | None = None) -> list[Life]:
        """Those that have moved; ``settled`` for live figures, see ``order.path``."""
        found = (
            life(instance, self.judge, settled)
            for instance in self.instances
            if probes or not instance.probe
        )
        return [each for each in found if each is not None]
