"""Rows of a file on their way to the collector: some thousand at once."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from collector.records import Flaw, Reason

BATCH_ROWS: Final = 5_000
BATCH_BYTES: Final = 1 << 20
LONGEST_LINE: Final = 4 << 20  # bytes; no event that a collector takes is nearly as long

Original = bytes | Sequence[str]  # a line, or the cells of a row


@dataclass(frozen=True, slots=True)
class Place:
    """A place between two rows: decompressed bytes and lines before it."""

    offset: int = 0
    line: int = 0


BEGINNING: Final = Place()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """One row that is not taken: its first line (from 1), what is wrong, and the row itself."""

    line: int
    field: str
    reason: Reason
    error: str
    original: Original


def refused(line: int, flaw: Flaw, original: Original) -> Refused:
    """A row that is no event, in the collector's way of saying so."""
    return Refused(
        line=line,
        field=flaw.field,
        reason=flaw.reason,
        error=f"{flaw.field or 'the row'} {flaw.error}",
        original=original,
    )


class Batch(Protocol):
    """Rows in the order of the file. ``refused`` are those found wrong while reading."""

    @property
    def end(self) -> Place:
        """Where the next row begins."""

    @property
    def refused(self) -> Sequence[Refused]:
        """Rows of it that cannot be events."""

    def texts(self) -> Sequence[bytes]:
        """The others, each an event as one line of JSON."""

    def before(self, line: int) -> Sequence[bytes]:
        """Those of them that begin before a line of the file."""

    def refuse(self, index: int, reason: Reason, field: str, error: str) -> Refused:
        """Row ``index`` of ``texts`` is not taken."""


@dataclass(frozen=True, slots=True)
class LineBatch:
    """Lines that are sent as they are; ``first`` is the number of the first, from 1."""

    first: int
    lines: Sequence[bytes]
    end: Place
    refused: Sequence[Refused] = ()

    def texts(self) -> Sequence[bytes]:
        """Every line that is not blank."""
        return _filled(self.lines)

    def before(self, line: int) -> Sequence[bytes]:
        """Those before it."""
        return _filled(self.lines[: line - self.first])

    def refuse(self, index: int, reason: Reason, field: str, error: str) -> Refused:
        """The line is found again by counting: nearly all are taken."""
        seen = -1
        for number, line in enumerate(self.lines, self.first):
            if line and not line.isspace():
                seen += 1
                if seen == index:
                    return Refused(
                        line=number, field=field, reason=reason, error=error, original=line
                    )
        raise IndexError(index)


def _filled(lines: Sequence[bytes]) -> list[bytes]:
    return [line for line in lines if line and not line.isspace()]


@dataclass(slots=True)  # not frozen: that doubles the cost of making one, of which there are many
class Row:
    """One row as read: an event as JSON (``text``), or the flaw in it.

    ``line`` is its first, from 1, ``last`` its last; ``offset`` the byte after it.
    """

    line: int
    original: Original
    last: int
    offset: int
    text: bytes = b""
    flaw: Flaw | None = None


@dataclass(slots=True)
class RowBatch:
    """Rows that were made into events here."""

    end: Place
    rows: list[Row] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)

    def texts(self) -> Sequence[bytes]:
        """The events."""
        return [row.text for row in self.rows]

    def before(self, line: int) -> Sequence[bytes]:
        """Those before it."""
        return [row.text for row in self.rows if row.line < line]

    def refuse(self, index: int, reason: Reason, field: str, error: str) -> Refused:
        """One of them."""
        row = self.rows[index]
        return Refused(
            line=row.line, field=field, reason=reason, error=error, original=row.original
        )


def grouped(rows: Iterable[Row], start: Place) -> Iterator[RowBatch]:
    """Rows as batches of bounded count and size; ``start`` is the place before the first."""
    batch, size, count = RowBatch(start), 0, 0
    row = None
    for row in rows:
        count += 1
        if row.flaw is None:
            batch.rows.append(row)
            size += len(row.text)
        else:
            batch.refused.append(refused(row.line, row.flaw, row.original))
        if size >= BATCH_BYTES or count >= BATCH_ROWS:
            batch.end = Place(row.offset, row.last)
            yield batch
            batch, size, count = RowBatch(batch.end), 0, 0
    if row is not None and count:
        batch.end = Place(row.offset, row.last)
        yield batch
