"""Printing: colours and tables in a terminal, plain lines into a pipe, JSON for machines."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lifecycle.durations import format_duration

STYLES: Final = {"good": "green", "bad": "bold red", "muted": "dim", "plain": ""}
NONE: Final = "–"


@dataclass(frozen=True, slots=True)
class Cell:
    """A text and how it looks in a terminal."""

    text: str
    style: str = ""


class Printer:
    """Writes answers to ``out`` and remarks beside them to ``notes``, so that pipes stay clean."""

    def __init__(self, out: IO[str] | None = None, notes: IO[str] | None = None) -> None:
        self._out = out or sys.stdout
        self._notes = notes or sys.stderr
        for stream in (self._out, self._notes):
            if hasattr(stream, "reconfigure"):  # a terminal without arrows is no reason to fail
                stream.reconfigure(errors="backslashreplace")
        self._console = Console(file=self._out, highlight=False, soft_wrap=True)
        self.pretty = self._console.is_terminal

    def json(self, value: Any) -> None:
        """One JSON value on a line of its own; characters beyond ASCII are escaped."""
        self._write(json.dumps(value))

    def line(self, *cells: str | Cell, indent: int = 0) -> None:
        """One line of cells; empty ones are left out."""
        shown = [each for each in map(_cell, cells) if each.text]
        if self.pretty:
            parts = [Text(clean(each.text), each.style) for each in shown]
            self._console.print(Text(" " * indent) + Text("  ").join(parts))
        else:
            self._write(" " * indent + "  ".join(clean(each.text) for each in shown))

    def heading(self, text: str) -> None:
        """The name of what follows, after an empty line."""
        self._write("")
        self.line(Cell(text, "bold"))

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str | Cell]]) -> None:
        """Rows under their columns; a column without any text is left out."""
        cells = [[_cell(each) for each in row] for row in rows]
        kept = [number for number in range(len(columns)) if any(row[number].text for row in cells)]
        names = [columns[number] for number in kept]
        cells = [[row[number] for number in kept] for row in cells]
        if self.pretty:
            self._console.print(_drawn(names, cells), soft_wrap=False)
            return
        lines = [names, *([clean(each.text) or NONE for each in row] for row in cells)]
        widths = [max(len(line[number]) for line in lines) for number in range(len(names))]
        for line in lines:
            padded = (text.ljust(width) for text, width in zip(line, widths, strict=True))
            self._write("  ".join(padded).rstrip())

    def note(self, text: str) -> None:
        """A remark for the person, beside the answer."""
        self._notes.write(f"donewatch: {clean(text)}\n")
        self._notes.flush()

    def _write(self, text: str) -> None:
        self._out.write(text + "\n")
        self._out.flush()


def clean(text: str) -> str:
    """Without what would steer the terminal: ids and texts come from anywhere."""
    if text.isprintable():
        return text
    # printable: no controls, no breaks, nothing that turns the direction of writing
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


def span(seconds: float | None) -> str:
    """``41 min``; a dash where there is none."""
    return NONE if seconds is None else format_duration(seconds)


def when(text: str | None) -> str:
    """A time of the API to the second, in UTC: ``2026-03-01 12:00:00Z``."""
    if not text:
        return NONE
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M:%S}Z"


def clock(text: str) -> str:
    """A time of the API within its day, to the millisecond, in UTC."""
    return datetime.fromisoformat(text).strftime("%H:%M:%S.%f")[:-3]


def many(count: int, noun: str) -> str:
    """``1 instance``, ``3 instances``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _cell(value: str | Cell) -> Cell:
    return value if isinstance(value, Cell) else Cell(value)


def _drawn(columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for name in columns:
        # ids and links are copied: no letter of them may go missing
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(clean(each.text) or NONE, each.style) for each in row))
    return table
