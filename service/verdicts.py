"""Verdicts of rules as the table's texts: written where rules are evaluated, read where shown."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from api.ports import RuleView
from lifecycle.errors import StoreError
from service.clock import now
from store.verdicts import VerdictTable

_LOG: Final = logging.getLogger(__name__)
_PAUSE: Final = 1.0  # seconds between two writes: each is a part of the table
_STORE_RETRY: Final = 2.0  # seconds between attempts to write while the store is away


@dataclass(frozen=True, slots=True)
class RuleLine:
    """One rule as it is shown; ``id`` is what its alerts name it by."""

    id: str
    view: RuleView


Lines = Mapping[str, Sequence[RuleLine]]  # by the key of their group


def read_lines(table: VerdictTable) -> Lines:
    """The rules of every group in force, as last written.

    :raises StoreError: the store does not answer.
    """
    return {
        key: msgspec.json.decode(text, type=list[RuleLine]) for key, text in table.load().items()
    }


class VerdictWriter:
    """Writes what has changed whenever it is woken; what the store does not take is tried again."""

    def __init__(self, table: VerdictTable, current: Callable[[], Lines]) -> None:
        self._table = table
        self._current = current
        self._written: dict[str, str] | None = None  # None: not read yet
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Say that something may have changed; on the event loop."""
        self._wake.set()

    async def run(self) -> None:
        """Write until cancelled."""
        away = False
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await asyncio.to_thread(self.write)
                away = False
                await asyncio.sleep(_PAUSE)
            except StoreError as error:
                if not away:
                    _LOG.warning("verdicts of rules are not written: %s", error)
                away = True
                self._wake.set()
                await asyncio.sleep(_STORE_RETRY)

    def write(self) -> None:
        """Write every group that is not as it was written last; remove those no longer in force.

        :raises StoreError: the store does not answer; nothing counts as written.
        """
        if self._written is None:
            self._written = self._table.load()
        current = {
            key: msgspec.json.encode(lines).decode() for key, lines in self._current().items()
        }
        gone: dict[str, str | None] = dict.fromkeys(self._written.keys() - current.keys())
        changed = {key: text for key, text in current.items() if self._written.get(key) != text}
        self._table.save(gone | changed, now())
        self._written = current
