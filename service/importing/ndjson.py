"""NDJSON: one event a line."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

import msgspec

from collector.records import Flaw, Reason
from lifecycle.errors import SettingsError
from service.importing.aside import LineAside, taken_back
from service.importing.batch import (
    BATCH_BYTES,
    BATCH_ROWS,
    LONGEST_LINE,
    Batch,
    LineBatch,
    Place,
    Row,
    grouped,
    refused,
)
from service.importing.snapshot import Seeding
from service.importing.source import Source

_MARK: Final = b"\xef\xbb\xbf"  # some editors begin a file with it
_SHOWN: Final = 4_096  # bytes kept of a line that is far too long


@dataclass(frozen=True, slots=True)
class Piece:
    """Some whole lines without their breaks; ``first`` is the number of the first, from 1."""

    first: int
    lines: list[bytes]
    end: Place
    too_long: bool = False  # one line, and only its beginning


class NdjsonReader:
    """Reads lines; with ``seeding`` each is an open instance of a snapshot, not an event.

    A file that an earlier import set aside is taken for what it keeps.
    """

    aside_suffix: Final = ".rejected.ndjson"

    def __init__(self, source: Source, *, seeding: Seeding | None) -> None:
        self._source = source
        set_aside = source.name.endswith(self.aside_suffix)
        self._convert: Callable[[bytes], bytes] | None = None
        if set_aside and seeding:
            self._convert = lambda line: _seed(taken_back(line), seeding)
        elif set_aside:
            self._convert = taken_back
        elif seeding:
            self._convert = lambda line: _seed(line, seeding)
        self.aside = LineAside()
        self.remarks: list[str] = []

    def begin(self, stream: BinaryIO) -> Place:
        """Look at the beginning; where the first line begins.

        :raises SettingsError: it is plainly no file of lines.
        """
        head = stream.peek(1)  # type: ignore[attr-defined]
        mark = len(_MARK) if head.startswith(_MARK) else 0
        if head.removeprefix(_MARK).lstrip().startswith(b"["):
            raise SettingsError(
                f"{self._source.name} is one JSON array; make it one event a line"
                " (jq -c '.[]' FILE), or send it with `donewatch emit`"
            )
        stream.read(mark)
        return Place(mark)

    def batches(self, stream: BinaryIO, place: Place) -> Iterator[Batch]:
        """The rows from ``place`` on, where ``stream`` stands."""
        if self._convert is not None:
            yield from grouped(self._rows(stream, place, self._convert), place)
            return
        for piece in pieces(stream, place):
            if piece.too_long:
                flaw = (refused(piece.first, too_long(), piece.lines[0]),)
                yield LineBatch(piece.first, [], piece.end, flaw)
            else:
                yield LineBatch(piece.first, piece.lines, piece.end)

    @staticmethod
    def _rows(stream: BinaryIO, place: Place, convert: Callable[[bytes], bytes]) -> Iterator[Row]:
        offset = place.offset
        for piece in pieces(stream, place):
            if piece.too_long:
                number, offset = piece.first, piece.end.offset
                yield Row(number, piece.lines[0], number, offset, flaw=too_long())
                continue
            for number, line in enumerate(piece.lines, piece.first):
                # the last line of a file may have no break
                offset = min(offset + len(line) + 1, piece.end.offset)
                if not line or line.isspace():
                    continue
                try:
                    yield Row(number, line, number, offset, convert(line))
                except Flaw as flaw:
                    yield Row(number, line, number, offset, flaw=flaw)


def _seed(line: bytes, seeding: Seeding) -> bytes:
    try:
        row = msgspec.json.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Flaw(Reason.MALFORMED, "", f"is not JSON: {error}") from None
    if type(row) is not dict:
        raise Flaw(Reason.MALFORMED, "", "is not a JSON object; an open instance is one")
    return seeding.event(row)


def too_long() -> Flaw:
    """What is wrong with a line beyond all measure."""
    return Flaw(
        Reason.TOO_LARGE,
        "",
        f"has more than {LONGEST_LINE:,} bytes in one line; is this a file of lines?",
    )


def pieces(stream: BinaryIO, place: Place) -> Iterator[Piece]:
    """Whole lines, of bounded count and size together; never more than a few of them in memory."""
    offset, number, rest = place.offset, place.line, b""
    while True:
        block = stream.read(BATCH_BYTES)
        data = rest + block
        cut = data.rfind(b"\n") + 1 if block else len(data)
        for lines, size in _split(data[:cut]):
            offset, before = offset + size, number
            number += len(lines)
            yield Piece(before + 1, lines, Place(offset, number))
        if not block:
            return
        rest = data[cut:]
        if len(rest) > LONGEST_LINE:
            size, tail = _skip_line(stream)
            offset, number = offset + len(rest) + size, number + 1
            yield Piece(number, [rest[:_SHOWN]], Place(offset, number), too_long=True)
            rest = tail


def _split(data: bytes) -> Iterator[tuple[list[bytes], int]]:
    """Lines without their breaks, and how many bytes they have with them."""
    lines = data.split(b"\n")
    if not lines[-1]:
        lines.pop()
        last_break = 1
    else:
        last_break = 0  # the last line of a file may have none
    for start in range(0, len(lines), BATCH_ROWS):
        some = lines[start : start + BATCH_ROWS]
        last = start + BATCH_ROWS >= len(lines)
        yield some, sum(map(len, some)) + len(some) - 1 + (last_break if last else 1)


def _skip_line(stream: BinaryIO) -> tuple[int, bytes]:
    """Read to the end of a line: how many bytes of it there were, and what follows it."""
    size = 0
    while block := stream.read(BATCH_BYTES):
        cut = block.find(b"\n") + 1
        if cut:
            return size + cut, block[cut:]
        size += len(block)
    return size, b""
