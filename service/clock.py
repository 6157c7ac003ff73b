"""The only place that reads the clock."""

import time
from datetime import UTC, datetime


def now() -> datetime:
    """The present, aware, in UTC."""
    return datetime.now(UTC)


def now_us() -> int:
    """The present in microseconds since the Unix epoch."""
    return time.time_ns() // 1000
