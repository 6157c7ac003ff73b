"""What donewatch says in the application's log: little, on the logger ``donewatch``."""

import logging
import math
import time

_logger = logging.getLogger("donewatch")

_MOST_KEYS = 256


class Complaints:
    """Says each thing once, or again only after ``every`` seconds: an event stream must not become
    a log stream. Keys beyond a bound share one entry, so that hostile input cannot fill memory."""

    def __init__(self) -> None:
        self._said: dict[str, float] = {}

    def say(self, key: str, message: str, *values: object, every: float = math.inf) -> None:
        """Log ``message % values`` as a warning unless ``key`` was logged within ``every``
        seconds."""
        if key not in self._said and len(self._said) >= _MOST_KEYS:
            key = "and more"
        now = time.monotonic()
        said = self._said.get(key)
        if said is not None and now - said < every:
            return
        self._said[key] = now
        _logger.warning(message, *values)
