"""How values leave the service: times RFC 3339 UTC with Z, durations in seconds."""

from datetime import UTC, datetime
from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, PlainSerializer

T = TypeVar("T")


def rfc3339(at: datetime) -> str:
    """``2026-03-01T12:00:00Z``; with microseconds when there are any."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


Moment = Annotated[datetime, PlainSerializer(rfc3339, return_type=str, when_used="json")]


class Shape(BaseModel):
    """An answer of the API; the pages are drawn from the same objects."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)


class Page(Shape, Generic[T]):
    """One page of a list; ``next_cursor`` is null on the last one."""

    items: list[T]
    next_cursor: str | None = None


class Percentiles(Shape):
    """Product-limit percentiles in seconds; null where not reached, then beyond ``oldest``."""

    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    oldest: float | None = None


class Watermarks(Shape):
    """Everything received up to ``flushed`` is stored; order and rates hold up to ``settled``."""

    flushed: Moment | None
    settled: Moment | None
    collector: str = ""
    reason: str = ""
