"""The stretch of time that a request asks about."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from api.problems import bad_parameter
from lifecycle.durations import parse_duration

HOUR = 3600.0
_TIME = "write RFC 3339 with a zone, for example 2026-03-01T12:00:00Z"


@dataclass(frozen=True, slots=True)
class Period:
    """Half-open: ``from_ <= t < to``."""

    from_: datetime
    to: datetime

    @property
    def seconds(self) -> float:
        """How long it is."""
        return (self.to - self.from_).total_seconds()


def moment(name: str, text: str) -> datetime:
    """Read an RFC 3339 time.

    :raises Problem: it is not one, or has no zone.
    """
    try:
        # An unencoded "+01:00" in a query arrives with a space for the plus sign.
        at = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
    except ValueError:
        raise bad_parameter(name, f"{text!r} is not a time", _TIME) from None
    if at.tzinfo is None:
        raise bad_parameter(name, f"{text!r} has no zone", _TIME)
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise bad_parameter(name, f"{text!r} is out of range", _TIME) from None


def seconds(name: str, text: str) -> float:
    """Read a duration: a number of seconds, or as in definition files (``15m``).

    :raises Problem: it is neither, or not positive, or beyond a hundred years.
    """
    try:
        value = float(text)
    except ValueError:
        try:
            value = parse_duration(text)
        except ValueError as error:
            fix = "give seconds (90) or a duration (90s, 15m, 4h, 30d)"
            raise bad_parameter(name, str(error), fix) from None
    if not 0 <= value <= 3.2e9:  # also refuses nan and infinity
        raise bad_parameter(name, f"{text!r} is out of range", "give a duration from 0s to 36500d")
    return value


def period(from_: str, to: str, window: str, now: datetime) -> Period:
    """The period of a request: ``from`` and ``to``, or a ``window`` up to ``to``; else an hour.

    :raises Problem: a text cannot be read, or the period is empty.
    """
    end = moment("to", to) if to else now
    if from_ and window:
        raise bad_parameter("window", "contradicts from", "give from or window, not both")
    if from_:
        start = moment("from", from_)
    else:
        length = seconds("window", window) if window else HOUR
        try:
            start = end - timedelta(seconds=length)
        except OverflowError:
            raise bad_parameter("window", "reaches before year 1", "give a shorter one") from None
    if start >= end:
        raise bad_parameter("from", "is not before to", "give a from earlier than to")
    return Period(start, end)
