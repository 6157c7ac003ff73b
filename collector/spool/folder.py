"""The files of a spool, by name.

::

    spool/00000000000000000017.sealed    whole, waits to be inserted
    spool/00000000000000000018.open      being written
    spool/00000000000000000017.refused   ranges of rows that the store refused, while it is bisected
    spool/quarantine/                    records that the store refused, one a file
    spool/damaged/                       bytes that could not be read any more
    spool/next_segment                   numbers below this one may have been used
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from collector.spool import disk
from collector.spool.segment import Contents, Frame

_DIGITS: Final = 20


@dataclass(frozen=True, slots=True)
class Sealed:
    """A segment that is written and waits to be inserted; ``frames`` unless it has to be read."""

    number: int
    path: Path
    contents: Contents
    id: bytes = b""
    frames: Sequence[Frame] | None = None


@dataclass(frozen=True, slots=True)
class SpoolFolder:
    """Where the files are."""

    path: Path

    def make(self) -> None:
        """Create what is missing."""
        for folder in (self.path, self.quarantine, self.damaged):
            folder.mkdir(parents=True, exist_ok=True)
        disk.sync_directory(self.path)

    @property
    def quarantine(self) -> Path:
        """Records that the store refused."""
        return self.path / "quarantine"

    @property
    def damaged(self) -> Path:
        """Bytes that could not be read."""
        return self.path / "damaged"

    def open(self, number: int) -> Path:
        """A segment that is being written."""
        return self.path / f"{number:0{_DIGITS}d}.open"

    def sealed(self, number: int) -> Path:
        """A segment that is whole."""
        return self.path / f"{number:0{_DIGITS}d}.sealed"

    def refused(self, number: int) -> Path:
        """What the store refused of a segment."""
        return self.path / f"{number:0{_DIGITS}d}.refused"

    def segments(self) -> Iterator[tuple[int, Path]]:
        """The segments there are, whole or not, by number."""
        found = [
            (int(path.stem), path)
            for path in self.path.iterdir()
            if path.suffix in (".open", ".sealed") and path.stem.isdecimal()
        ]
        yield from sorted(found)

    def set_aside(self, number: int, offset: int, data: bytes) -> None:
        """Keep bytes of a segment that could not be read, for a person to look at."""
        disk.write_whole(self.damaged / f"{number:0{_DIGITS}d}-{offset}.bin", data)
