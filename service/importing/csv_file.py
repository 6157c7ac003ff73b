"""CSV: one event a row, its fields named by the header."""

import csv
from collections import deque
from collections.abc import Iterator
from typing import BinaryIO, Final

import msgspec

from collector.records import Flaw, Reason
from lifecycle.errors import SettingsError
from service.importing.aside import CellAside
from service.importing.batch import LONGEST_LINE, Batch, Original, Place, Row, grouped
from service.importing.columns import (
    EVENT_FIELDS,
    Columns,
    Wishes,
    columns_of,
    needed_of,
    require,
)
from service.importing.snapshot import NEEDED, SNAPSHOT_FIELDS, Seeding
from service.importing.source import Source

_MARK: Final = b"\xef\xbb\xbf"
_DELIMITERS: Final = ",;\t|"
_ENCODER: Final = msgspec.json.Encoder()
_NOT_UTF8: Final = "is not UTF-8; convert it first, for example: iconv -f LATIN1 -t UTF-8"


class CsvReader:
    """Reads rows; with ``seeding`` each is an open instance of a snapshot, not an event.

    ``delimiter`` is found in the header unless given.
    """

    aside_suffix: Final = ".rejected.csv"

    def __init__(
        self, source: Source, *, wishes: Wishes, delimiter: str, seeding: Seeding | None
    ) -> None:
        self._name = source.name
        self._wishes = wishes
        self._delimiter = delimiter
        self._seeding = seeding
        self._columns = Columns([])
        self.aside = CellAside([], ",")
        self.remarks: list[str] = []

    def begin(self, stream: BinaryIO) -> Place:
        """Read the header; where the first row begins.

        :raises SettingsError: there is none, or it does not give what every event needs.
        """
        head = stream.peek(1)  # type: ignore[attr-defined]
        start = len(_MARK) if head.startswith(_MARK) else 0
        stream.read(start)
        feed = _Feed(stream, Place(start))
        header = self._header(feed)
        self.aside = CellAside([name.strip() for name in header], self._delimiter)
        if self._seeding:
            self._columns = columns_of(header, self._wishes, SNAPSHOT_FIELDS, self._name)
            require(self._columns, NEEDED, self._name)
        else:
            self._columns = self._event_columns(header)
        self.remarks = [*self._columns.remarks(), *self.remarks]
        return Place(feed.offset, feed.line)

    def _event_columns(self, header: list[str]) -> Columns:
        columns = columns_of(header, self._wishes, EVENT_FIELDS, self._name)
        if "event" not in columns.fields:
            constants = (*self._wishes.constants, ("event", "transition"))
            wishes = Wishes(
                renamed=self._wishes.renamed,
                constants=constants,
                left_out=self._wishes.left_out,
                zone=self._wishes.zone,
            )
            columns = columns_of(header, wishes, EVENT_FIELDS, self._name)
        require(columns, needed_of(columns.kind), self._name)
        if "occurred_at" not in columns.fields:
            self.remarks.append(
                "no column gives occurred_at: each event is taken to happen when it is received;"
                " name the column with --column NAME=occurred_at"
            )
        return columns

    def _header(self, feed: "_Feed") -> list[str]:
        for line in feed:
            if not line.strip():
                feed.record.clear()
                continue
            if not _is_utf8(feed.record):
                raise SettingsError(f"{self._name} {_NOT_UTF8}")
            if line.lstrip().startswith(("{", "[")):
                raise SettingsError(
                    f"{self._name} looks like JSON, not CSV; --format says what it is"
                )
            self._delimiter = self._delimiter or _sniffed(line)
            feed.put_back(0)
            try:
                return next(csv.reader(feed, delimiter=self._delimiter, strict=True))
            except csv.Error as error:
                raise SettingsError(
                    f"{self._name}: the header cannot be read: {_plain(error)}"
                ) from error
        raise SettingsError(f"{self._name} is empty: its first line must name the columns")

    def batches(self, stream: BinaryIO, place: Place) -> Iterator[Batch]:
        """The rows from ``place`` on, where ``stream`` stands."""
        yield from grouped(self._rows(_Feed(stream, place)), place)

    def _rows(self, feed: "_Feed") -> Iterator[Row]:
        reader = csv.reader(feed, delimiter=self._delimiter, strict=True)
        while True:
            line = feed.line + 1
            feed.record.clear()
            original: Original = b""
            try:
                try:
                    original = cells = next(reader)
                except csv.Error as error:
                    # what a quote that is never closed has swallowed is read again
                    feed.put_back(1)
                    original = feed.record[0]
                    reader = csv.reader(feed, delimiter=self._delimiter, strict=True)
                    raise Flaw(
                        Reason.MALFORMED, "", f"cannot be read as CSV: {_plain(error)}"
                    ) from None
                except StopIteration:
                    return
                if not cells or (len(cells) == 1 and not cells[0].strip()):
                    continue  # a blank line
                text = self._event(cells, feed)
            except Flaw as flaw:
                if not isinstance(original, bytes) and not _is_utf8(feed.record):
                    original = b"".join(feed.record)
                yield Row(line, original, feed.line, feed.offset, flaw=flaw)
            else:
                yield Row(line, original, feed.line, feed.offset, text)

    def _event(self, cells: list[str], feed: "_Feed") -> bytes:
        if feed.doubtful and not _is_utf8(feed.record):
            raise Flaw(Reason.CHARACTERS, "", _NOT_UTF8)
        fields = self._columns(cells)
        return self._seeding.event(fields) if self._seeding else _ENCODER.encode(fields)


class _Feed:
    """Lines for the CSV reader, which takes no more than a row needs; where the last one ended."""

    def __init__(self, stream: BinaryIO, place: Place) -> None:
        self._stream = stream
        self.offset, self.line = place.offset, place.line
        self._again: deque[bytes] = deque()
        self.record: list[bytes] = []  # lines of the row being read
        self.doubtful = False  # whether any line so far may be no UTF-8

    def put_back(self, kept: int) -> None:
        """Of the lines of this row only the first ``kept`` have been taken."""
        for line in reversed(self.record[kept:]):
            self._again.appendleft(line)
            self.offset -= len(line)
            self.line -= 1
        del self.record[kept:]

    def __iter__(self) -> "_Feed":
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else self._stream.readline(LONGEST_LINE)
        if not line:
            raise StopIteration
        self.offset += len(line)
        self.line += 1
        self.record.append(line)
        try:
            return line.decode()
        except UnicodeDecodeError:
            self.doubtful = True
            return line.decode("utf-8", "surrogateescape")


def _is_utf8(lines: list[bytes]) -> bool:
    try:
        b"".join(lines).decode()
    except UnicodeDecodeError:
        return False
    return True


def _sniffed(header: str) -> str:
    """The delimiter there is most of outside quotes; names of columns seldom have any."""
    outside = "".join(header.split('"')[::2])
    return max(_DELIMITERS, key=outside.count)


def _plain(error: csv.Error) -> str:
    """The reader's words, with what to do."""
    text = str(error)
    if "unexpected end of data" in text or "field larger" in text:
        return 'a quote (") is opened and not closed; close it, or write "" for a quote in a text'
    if "expected after" in text:
        return 'a quote (") stands within a quoted text; write "" for it'
    if "new-line character" in text:
        return "it has a line break of another kind (CR alone) outside quotes; convert those to LF"
    return text
