"""Whether the disk has room left."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from collector.spool import disk
from collector.spool.errors import SpoolUnavailable

_FRESH: Final = 0.5  # seconds for which one look holds


class Space:
    """Free bytes of the disk under ``folder``, looked at now and then; from any thread."""

    def __init__(self, folder: Path, least: int, monotonic: Callable[[], float]) -> None:
        self._folder = folder
        self._least = least
        self._monotonic = monotonic
        self._seen = (float("-inf"), 0)

    def check(self) -> None:
        """Return if there is room.

        :raises SpoolUnavailable: there is not, or the disk does not say.
        """
        present = self._monotonic()
        at, free = self._seen
        if present - at > _FRESH:
            try:
                free = disk.free_bytes(self._folder)
            except OSError as error:
                raise SpoolUnavailable(f"{self._folder}: {error.strerror}") from error
            self._seen = present, free
        if free < self._least:
            raise SpoolUnavailable(
                f"the disk under {self._folder} has {free / 2**20:.0f} MiB left, and"
                f" {self._least / 2**20:.0f} MiB are kept free (DONEWATCH_COLLECTOR__FREE_BYTES)"
            )
