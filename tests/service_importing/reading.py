"""Reading a file as the import does, without sending it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from service.importing.batch import BEGINNING, Batch, Place, Refused
from service.importing.formats import Reading
from service.importing.source import Source

NOW = 1_790_000_000_000_000  # microseconds


@dataclass
class Read:
    """What a file has; rows as (line, event)."""

    batches: list[Batch] = field(default_factory=list)
    remarks: Sequence[str] = ()

    @property
    def texts(self) -> list[bytes]:
        return [text for batch in self.batches for text in batch.texts()]

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(text) for text in self.texts]

    @property
    def refused(self) -> list[Refused]:
        return [each for batch in self.batches for each in batch.refused]

    @property
    def errors(self) -> list[tuple[int, str]]:
        return [(each.line, each.error) for each in self.refused]


def read(path: Path, place: Place = BEGINNING, **reading: Any) -> Read:
    """The rows of a file, from ``place`` on."""
    source = Source(str(path))
    reader = Reading(**reading).reader(source)
    with source.open(alone=False) as opened:
        start = reader.begin(opened.stream)
        if place != BEGINNING:
            opened.skip(place.offset)
            start = place
        return Read(list(reader.batches(opened.stream, start)), reader.remarks)
