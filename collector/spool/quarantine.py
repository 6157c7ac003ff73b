"""Records that the store refused, each in a file with the reason, so that they can be tried again.

A file is JSON: ``kind`` (``event`` or ``rejection``), ``segment``, ``position``, ``refused_at``
(microseconds), ``reason`` (the store's words) and ``record`` (every column).
"""

import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from collector.spool import disk
from lifecycle.events import Event
from store.events import RejectedEvent

_LOG: Final = logging.getLogger(__name__)
_WANTED: Final = "retry"  # a file of this name asks the collector to try again
_SUFFIX: Final = ".json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """One record that the store refused."""

    kind: str
    segment: int
    position: int
    refused_at: int
    reason: str
    record: dict[str, Any]

    @classmethod
    def of(
        cls, record: Event | RejectedEvent, *, segment: int, position: int, now: int, reason: str
    ) -> "Quarantined":
        """A record that was just refused."""
        kind = "event" if isinstance(record, Event) else "rejection"
        return cls(
            kind=kind,
            segment=segment,
            position=position,
            refused_at=now,
            reason=reason,
            record=asdict(record),
        )

    def restored(self) -> Event | RejectedEvent:
        """The record. :raises TypeError: another version of donewatch had other columns."""
        return Event(**self.record) if self.kind == "event" else RejectedEvent(**self.record)


class Quarantine:
    """The folder of such files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, found: Quarantined) -> None:
        """Keep a record; the same one again replaces it. :raises OSError: it is not kept."""
        name = f"{found.segment:020d}-{found.kind}-{found.position:06d}{_SUFFIX}"
        disk.write_whole(self._folder / name, msgspec.json.encode(found))

    def __len__(self) -> int:
        return sum(1 for _ in self._paths())

    def entries(self) -> Iterator[tuple[Path, Quarantined]]:
        """Every file that can be read, the oldest first."""
        for path in sorted(self._paths()):
            try:
                yield path, msgspec.json.decode(path.read_bytes(), type=Quarantined)
            except (OSError, msgspec.MsgspecError) as error:
                _LOG.warning("%s cannot be read and stays: %s", path, error)

    def remove(self, path: Path) -> None:
        """A record has gone into the spool again."""
        disk.remove(path)

    def ask(self) -> int:
        """Ask the collector of this folder to try every record again; how many there are."""
        disk.write_whole(self._folder / _WANTED, b"")
        return len(self)

    def asked(self) -> bool:
        """Whether somebody has asked since the last look."""
        path = self._folder / _WANTED
        try:
            path.unlink()
        except OSError:
            return False
        return True

    def _paths(self) -> Iterator[Path]:
        if self._folder.is_dir():
            yield from self._folder.glob(f"*{_SUFFIX}")
