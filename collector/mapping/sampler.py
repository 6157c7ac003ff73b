"""Of what mappings could not make, a few to look at: it may be thousands a second."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from collector.mapping.mapper import Lacking
from collector.records import Refusal

_MINUTE: Final = 60_000_000  # microseconds


class Sampler:
    """Lets so many a minute through of each event of a mapping and field that it lacks."""

    def __init__(self, per_minute: int = 10) -> None:
        self._most = per_minute
        self._minute = -1
        self._seen: Counter[tuple[str, int, str]] = Counter()

    def __call__(self, lacking: Sequence[Lacking], now: int) -> list[Refusal]:
        """Those to keep; ``now`` in microseconds."""
        if not lacking:
            return []
        minute = now // _MINUTE
        if minute != self._minute:
            self._minute = minute
            self._seen.clear()
        kept = []
        for each in lacking:
            key = (each.mapping, each.place, each.field)
            if self._seen[key] < self._most:
                self._seen[key] += 1
                kept.append(each.refusal)
        return kept
