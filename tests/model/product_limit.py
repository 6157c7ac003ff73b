"""Percentiles of durations some of which are still running.

Kaplan and Meier, Nonparametric estimation from incomplete observations, 1958; with delayed entry.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

TOLERANCE = Fraction(1, 10**9)


@dataclass(frozen=True, slots=True)
class Interval:
    """From which age to which something was watched, and whether it ended there (µs)."""

    start: int
    end: int
    exited: bool


def percentile(intervals: Sequence[Interval], share: float) -> int | None:
    """The age by which ``share`` (0 to 1) have ended, in microseconds; ``None`` if not reached."""
    surviving = Fraction(1)
    for age in sorted({each.end for each in intervals if each.exited}):
        at_risk = sum(each.start <= age <= each.end for each in intervals)
        exits = sum(each.exited and each.end == age for each in intervals)
        surviving *= 1 - Fraction(exits, at_risk)
        if surviving <= 1 - Fraction(str(share)) + TOLERANCE:
            return age
    return None


def oldest(intervals: Iterable[Interval]) -> int | None:
    """The greatest age watched: the lower bound of what was not reached."""
    return max((each.end for each in intervals), default=None)


def watched(
    *, start: int, end: int | None, exits: bool, window: tuple[int, int], flushed: int
) -> Interval:
    """What a window sees of something that began at ``start`` and ended at ``end`` (instants).

    An interval that ends before it starts is skewed, and not for ``percentile``.
    """
    begin, stop = window
    ended = end is not None and end < stop
    last = end if end is not None and ended else min(stop, flushed)
    return Interval(max(0, begin - start), last - start, exits and ended)
