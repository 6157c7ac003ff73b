"""The mappings in force: those of a folder, read again when they change, and shipped ones."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from collector.mapping import Mapper
from collector.mapping.shipped import SHIPPED
from lifecycle.errors import Problem
from lifecycle.mapping import Mapping
from lifecycle.mapping_files import read_mapping, repeated_mappings
from service.documents import read_each, stamps, texts

_LOG: Final = logging.getLogger(__name__)


class MappingFolder:
    """Mapping files of a folder, then those that come with donewatch. Of a record the first counts.

    A broken file keeps what it said in force. One with the name of a shipped mapping replaces it.
    """

    def __init__(self, folder: Path | None, shipped: Sequence[str] = ()) -> None:
        self._folder = folder
        self._shipped = [read_mapping(SHIPPED[name], f"{name}.yaml") for name in shipped]
        self._seen: dict[Path, tuple[int, int]] | None = None
        self._read: dict[str, Mapping] = {}
        self.mapper = Mapper()
        self.mappings: tuple[Mapping, ...] = ()
        self.problems: tuple[Problem, ...] = ()

    def reload(self) -> bool:
        """Read what has changed since the last time; returns whether anything had."""
        seen = stamps(self._folder) if self._folder else {}
        if seen == self._seen:
            return False
        found = texts(self._folder) if self._folder else {}
        # what could not be read may become readable with neither its time nor its size changed
        self._seen = seen if None not in found.values() else None
        problems: list[Problem] = []
        self._read = read_each(found, self._read, read_mapping, problems)
        repeated = repeated_mappings(self._read.values())
        for problem in repeated:
            self._read.pop(problem.file, None)
        names = {each.name for each in self._read.values()}
        mappings = (
            *self._read.values(),
            *(each for each in self._shipped if each.name not in names),
        )
        told = tuple(sorted([*problems, *repeated]))
        if (mappings, told) == (self.mappings, self.problems):
            return False
        self.mappings, self.problems = mappings, told
        self.mapper = Mapper(mappings)
        for each in told:
            _LOG.error("not in force: %s", each)
        _LOG.info("mappings in force: %s", ", ".join(each.name for each in mappings) or "none")
        return True
