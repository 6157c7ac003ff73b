"""Segment numbers: each is used once in the life of a collector, and only ever grows."""

from pathlib import Path
from typing import Final

from collector.spool import disk

_FILE: Final = "next_segment"
_AHEAD: Final = 1_000  # numbers that one write to the disk sets aside


class SegmentNumbers:
    """Gives out numbers below one that is durably on disk; after a crash the rest is left unused.

    Not for several threads at once.
    """

    def __init__(self, folder: Path, at_least: int) -> None:
        """``at_least``: where to begin if nothing says otherwise."""
        self._file = folder / _FILE
        self._set_aside = int(self._file.read_text()) if self._file.exists() else 0
        self._next = max(1, at_least, self._set_aside)

    @staticmethod
    def kept(folder: Path) -> bool:
        """Whether the folder knows how far its numbers have gone."""
        return (folder / _FILE).exists()

    @property
    def upcoming(self) -> int:
        """What ``take`` gives next."""
        return self._next

    def raise_to(self, number: int) -> None:
        """Give no number below this one from now on."""
        self._next = max(self._next, number)

    def take(self) -> int:
        """A number that nobody has had.

        :raises OSError: it could not be set aside on the disk.
        """
        if self._next >= self._set_aside:
            ahead = self._next + _AHEAD
            disk.write_whole(self._file, f"{ahead}\n".encode())
            self._set_aside = ahead
        self._next += 1
        return self._next - 1
