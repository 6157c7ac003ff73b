"""A segment that the store refuses: halved again and again until what is bad stands alone.

The parts go in under tokens made of the segment's id and the range of rows. Which ranges were
refused is written down before their halves are tried: after a crash in between the same ranges are
tried under the same tokens, also by a version that would now insert the whole, so that nothing goes
in twice.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, TypeVar

import msgspec

from collector.spool import disk
from lifecycle.errors import StoreError, StoreRefused, StoreUnavailable
from store.blocks import Block
from store.events import RejectedEvent

_LOG: Final = logging.getLogger(__name__)

Piece = TypeVar("Piece", Block, Sequence[RejectedEvent])


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Rows ``first`` to ``last`` (without) of one kind, refused together, and why."""

    kind: str
    first: int
    last: int
    reason: str


class Ledger:
    """The ranges refused of one segment, in a file beside it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._found: dict[tuple[str, int, int], Refused] = {}
        for line in path.read_bytes().splitlines() if path.exists() else ():
            try:
                found = msgspec.json.decode(line, type=Refused)
            except msgspec.MsgspecError:
                break  # cut off by a crash, so its halves were not tried
            self._found[found.kind, found.first, found.last] = found

    def __bool__(self) -> bool:
        return bool(self._found)

    def get(self, kind: str, first: int, last: int) -> Refused | None:
        """Whether this range was refused."""
        return self._found.get((kind, first, last))

    def add(self, found: Refused) -> None:
        """Return once it is on disk. :raises OSError: it is not."""
        self._found[found.kind, found.first, found.last] = found
        # the whole file: it has a few lines, and a torn one would hide those after it
        lines = (msgspec.json.encode(each) + b"\n" for each in self._found.values())
        disk.write_whole(self._path, b"".join(lines))

    def single(self, kind: str) -> Iterator[Refused]:
        """The rows that were refused alone, in order."""
        yield from sorted(
            (
                each
                for each in self._found.values()
                if each.last - each.first == 1 and each.kind == kind
            ),
            key=lambda each: each.first,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Bisection(Generic[Piece]):
    """How rows of one kind are inserted.

    ``insert`` is given pieces and the number of the first row; ``check`` raises if the store
    refuses whatever comes; ``refused`` is given the piece and place of a row refused alone.
    """

    kind: str
    ledger: Ledger
    rows: Callable[[Piece], int]
    halve: Callable[[Piece], tuple[Piece, Piece]]
    insert: Callable[[Sequence[Piece], int, int], None]
    check: Callable[[], None]
    refused: Callable[[Piece, Refused], None]

    def run(self, pieces: Sequence[Piece], first: int = 0) -> None:
        """Insert what the store takes; what it does not take is handed to ``refused``.

        :raises StoreUnavailable: run it again later. :raises OSError: likewise.
        """
        count = sum(map(self.rows, pieces))
        if not count:
            return
        found = self.ledger.get(self.kind, first, first + count)
        if found is None:
            try:
                self.insert(pieces, first, first + count)
            except StoreRefused as error:
                self._blame(error)
                found = Refused(kind=self.kind, first=first, last=first + count, reason=str(error))
                if count == 1:
                    self.refused(pieces[0], found)
                else:
                    _LOG.warning("rows %s to %s are refused: %s", first, first + count, error)
                self.ledger.add(found)
            else:
                return
        if count > 1:
            left, right = self._halved(pieces)
            self.run(left, first)
            self.run(right, first + sum(map(self.rows, left)))

    def _halved(self, pieces: Sequence[Piece]) -> tuple[Sequence[Piece], Sequence[Piece]]:
        pieces = [each for each in pieces if self.rows(each)]
        if len(pieces) == 1:
            left, right = self.halve(pieces[0])
            return [left], [right]
        middle = len(pieces) // 2
        return pieces[:middle], pieces[middle:]

    def _blame(self, error: StoreRefused) -> None:
        """Is it these rows, or would the store refuse any? Then they wait for it to be mended."""
        try:
            self.check()
        except StoreError as general:
            raise StoreUnavailable(f"it refuses whatever comes: {general}") from error


def halved_rows(
    rows: Sequence[RejectedEvent],
) -> tuple[Sequence[RejectedEvent], Sequence[RejectedEvent]]:
    """Two halves of a list."""
    middle = len(rows) // 2
    return rows[:middle], rows[middle:]
