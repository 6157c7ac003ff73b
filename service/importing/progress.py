"""How far the import of a file came: written after every batch, so that it can go on from there."""

import os
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Final

import msgspec

from lifecycle.errors import SettingsError
from service.importing.batch import BEGINNING, Place
from service.importing.source import Fingerprint

SUFFIX: Final = ".progress"


@dataclass(frozen=True, slots=True)
class Purpose:
    """What an import does: with another file, target or way of reading it begins anew."""

    file: Fingerprint
    to: str
    how: str  # a digest: options that change what is sent, and whose token it is


@dataclass(frozen=True, slots=True)
class State:
    """How far it came: everything before ``place`` is taken or set aside."""

    place: Place = BEGINNING
    accepted: int = 0
    reasons: dict[str, int] = field(default_factory=dict)  # of rows set aside, how many
    aside: int = 0  # bytes of the set-aside file that belong to it
    finished: bool = False

    @property
    def rejected(self) -> int:
        """Rows set aside."""
        return sum(self.reasons.values())


class _Kept(msgspec.Struct, frozen=True):
    purpose: Purpose
    state: State


def how_of(*parts: object) -> str:
    """A digest of what shapes the events of a file."""
    return blake2b(repr(parts).encode(), digest_size=12).hexdigest()


class Progress:
    """The file beside an imported one. ``path`` is ``None`` for a pipe: nothing is kept."""

    def __init__(self, path: Path | None, purpose: Purpose | None) -> None:
        self._path = path if purpose else None
        self._purpose = purpose

    def load(self) -> tuple[State, str]:
        """Where to go on, and why it is the beginning although an import stopped midway.

        Half a file of progress, or another program's, is none.
        """
        if self._path is None or self._purpose is None:
            return State(), ""
        try:
            kept = msgspec.json.decode(self._path.read_bytes(), type=_Kept)
        except FileNotFoundError:
            return State(), ""
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            return State(), f"{self._path} cannot be read ({error})"
        if kept.purpose.file != self._purpose.file:
            return State(), "the file has changed since"
        if kept.purpose.to != self._purpose.to:
            return State(), f"the last import went to {kept.purpose.to}"
        if kept.purpose.how != self._purpose.how:
            return State(), "the last import had other options or another token"
        return kept.state, ""

    def save(self, state: State) -> None:
        """Replace what was kept, whole or not at all.

        :raises SettingsError: it cannot be written.
        """
        if self._path is None or self._purpose is None:
            return
        draft = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        try:
            draft.write_bytes(msgspec.json.encode(_Kept(self._purpose, state)) + b"\n")
            draft.replace(self._path)
        except OSError as error:
            raise SettingsError(
                f"{self._path}, where progress is kept, cannot be written: {error.strerror};"
                " name another folder with --aside"
            ) from error

    def remove(self) -> None:
        """It is done: the next import begins anew."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)
