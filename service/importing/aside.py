"""Rows that were not taken, kept beside their file with the reason, ready to be mended."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from collector.records import Flaw, Reason
from lifecycle.errors import SettingsError
from service.importing.batch import Refused

# columns of ours in a set-aside CSV file; an import of that file leaves them out
OUR_COLUMNS: Final = (
    "donewatch_line",
    "donewatch_field",
    "donewatch_reason",
    "donewatch_error",
    "donewatch_text",
)


class AsideForm(Protocol):
    """How set-aside rows are written."""

    def head(self) -> bytes:
        """What the file begins with."""

    def row(self, row: Refused) -> bytes:
        """One row, with its line break."""


class LineAside:
    """``{"line", "field", "reason", "error", "row"}``, or ``text`` where the line is no JSON."""

    def head(self) -> bytes:
        """Nothing."""
        return b""

    def row(self, row: Refused) -> bytes:
        """One line."""
        assert isinstance(row.original, bytes)
        told: dict[str, Any] = {
            "line": row.line,
            "field": row.field,
            "reason": row.reason.value,
            "error": row.error,
        }
        try:
            told["row"] = msgspec.json.decode(row.original)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            told["text"] = row.original.decode("utf-8", "backslashreplace")
        return msgspec.json.encode(told) + b"\n"


def taken_back(line: bytes) -> bytes:
    """The row in a line that was set aside.

    :raises Flaw: there is none.
    """
    try:
        kept = msgspec.json.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Flaw(Reason.MALFORMED, "", f"is not JSON: {error}") from None
    if type(kept) is dict and "row" in kept:
        return msgspec.json.encode(kept["row"])
    if type(kept) is dict and type(kept.get("text")) is str:
        # one line, whatever it was: a break in it would make two of it
        return str(kept["text"]).replace("\n", " ").encode("utf-8", "replace")
    raise Flaw(Reason.MALFORMED, "", "was not set aside by an import: it has neither row nor text")


class CellAside:
    """The file's own columns, then ours."""

    def __init__(self, header: Sequence[str], delimiter: str) -> None:
        self._header = [name for name in header if name not in OUR_COLUMNS]
        self._kept = [index for index, name in enumerate(header) if name not in OUR_COLUMNS]
        self._width = len(header)
        self._delimiter = delimiter

    def head(self) -> bytes:
        """The header."""
        return self._line([*self._header, *OUR_COLUMNS])

    def row(self, row: Refused) -> bytes:
        """The row's cells; its text where they could not be told apart."""
        cells: Sequence[str] = ()
        text = ""
        if isinstance(row.original, bytes):
            text = row.original.decode("utf-8", "backslashreplace").rstrip("\r\n")
        elif len(row.original) == self._width:
            cells = [row.original[index] for index in self._kept]
        else:
            text = self._line(row.original).decode().rstrip("\r\n")
        cells = cells or [""] * len(self._kept)
        return self._line([*cells, str(row.line), row.field, row.reason.value, row.error, text])

    def _line(self, cells: Sequence[str]) -> bytes:
        out = io.StringIO()
        csv.writer(out, delimiter=self._delimiter, lineterminator="\n").writerow(cells)
        return out.getvalue().encode("utf-8", "backslashreplace")


class Aside:
    """The file of one import; made when the first row is set aside.

    What is beyond ``keep`` bytes was written by an import that ended before it could say so, and
    is written again.

    :raises SettingsError: the file cannot be written.
    """

    def __init__(self, path: Path, form: AsideForm, keep: int) -> None:
        self.path = path
        self._form = form
        try:
            # somebody may have taken away or shortened what was set aside so far
            self.size = min(keep, path.stat().st_size) if path.exists() else 0
            if self.size:
                with path.open("r+b") as file:
                    file.truncate(self.size)
            elif path.exists():
                # somebody may be mending what another import has left there
                path.replace(path.with_name(f"{path.name}.old"))
        except OSError as error:
            raise self._trouble(error) from error

    def write(self, rows: Sequence[Refused]) -> None:
        """Add rows; they are with the operating system when this returns."""
        try:
            with self.path.open("ab") as file:
                if self.size == 0:
                    self.size += file.write(self._form.head())
                for row in rows:
                    self.size += file.write(self._form.row(row))
        except OSError as error:
            raise self._trouble(error) from error

    def _trouble(self, error: OSError) -> SettingsError:
        return SettingsError(
            f"{self.path}, where rows are set aside, cannot be written: {error.strerror};"
            " name another folder with --aside"
        )
