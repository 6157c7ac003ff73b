"""The id of an event that came without one: of its content alone, so that a copy has the same.

Every way of decoding must agree: here in Python, in ``engine`` the same in SQL.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from lifecycle.events import EVENT_COLUMNS

# All that a producer says. How and when it came is no content, nor a time that it did not say.
CONTENT_COLUMNS: Final[tuple[str, ...]] = tuple(
    name
    for name in EVENT_COLUMNS
    if name not in ("tenant", "event_id", "received_at", "collector", "segment", "position")
)
SEPARATOR: Final = "\x1f"  # no value has it: control characters are refused, or escaped in JSON
DIGITS: Final = 32  # hexadecimal


def derived_id(content: Mapping[str, Any]) -> str:
    """From the columns that have a value; times in microseconds, ``attributes`` as JSON text."""
    values = (content.get(name) for name in CONTENT_COLUMNS)
    text = SEPARATOR.join("" if value is None else str(value) for value in values)
    return sha256(text.encode()).hexdigest()[:DIGITS]
