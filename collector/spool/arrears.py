"""What was received and is not yet in the store: it holds the watermark."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Arrears:
    """The moments of receipt of everything not yet stored, in microseconds; from any thread.

    Something is held under a key of its own from before the key that held it until then is let go,
    so that at no moment it is forgotten.
    """

    def __init__(self, resend_seconds: float) -> None:
        self._resend = resend_seconds * 1e6
        self._lock = threading.Lock()
        self._held: dict[object, int] = {}
        # since when producers were told to send again, and when the last of them was
        self._turned_away: tuple[int, int] | None = None

    def hold(self, key: object, received_at: int) -> None:
        """Nothing received at this moment or later is known to be stored, until ``let_go``."""
        with self._lock:
            self._held[key] = received_at

    def let_go(self, key: object) -> None:
        """What was held under this key is stored, refused for good, or held under another key."""
        with self._lock:
            self._held.pop(key, None)

    def turn_away(self, since: int, now: int) -> None:
        """A producer was told at ``now`` to send again what it has sent at ``since``."""
        with self._lock:
            before = self._turned_away
            self._turned_away = min(since, before[0] if before else since), now

    def flushed_at(self, now: int) -> int:
        """Everything received before this moment is stored or was refused for good.

        While producers are told to send again, and for as long as they may take for it after the
        last was told so, what they sent first counts as not stored, or all that went on meanwhile
        would look stuck. ``now`` must have been read from the clock before the call.
        """
        with self._lock:
            oldest = min(self._held.values(), default=now)
            if self._turned_away is None:
                return min(oldest, now)
            since, last = self._turned_away
            if abs(now - last) < self._resend:
                return min(since, oldest, now)
            self._turned_away = None  # also when the clock was stepped back
            return min(oldest, now)

    @property
    def oldest(self) -> int | None:
        """The earliest moment held, if there is any."""
        with self._lock:
            return min(self._held.values(), default=None)

    @property
    def resent_since(self) -> int | None:
        """The earliest moment of what producers were told to send again, while they may do so."""
        with self._lock:
            return self._turned_away[0] if self._turned_away else None

    @contextmanager
    def receiving(self, now: int) -> Iterator[None]:
        """Hold what comes with one body until the block is left."""
        key = object()
        self.hold(key, now)
        try:
            yield
        finally:
            self.let_go(key)
