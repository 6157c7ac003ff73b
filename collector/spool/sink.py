"""Where segments go."""

from collections.abc import Sequence
from typing import Protocol

from store.blocks import Block
from store.events import RejectedEvent


class Sink(Protocol):
    """The store, as the spool needs it; every method blocks and is called from one thread.

    They raise ``StoreUnavailable`` where a second attempt may succeed, else ``StoreRefused``. The
    same token again adds nothing.
    """

    def insert_blocks(
        self, blocks: Sequence[Block], *, segment: int, first: int, token: str
    ) -> None:
        """Insert all or nothing; the rows' positions in the segment count from ``first``."""
        ...

    def insert_rejected(self, rows: Sequence[RejectedEvent], token: str) -> None:
        """Keep what was refused, all or nothing."""
        ...

    def check(self) -> None:
        """Insert nothing, into both: raises if the store would refuse whatever comes."""
        ...
