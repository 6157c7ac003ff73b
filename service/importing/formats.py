"""Which reader a file needs."""

from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

from lifecycle.document import did_you_mean
from lifecycle.errors import SettingsError
from service.importing.columns import Wishes
from service.importing.csv_file import CsvReader
from service.importing.importer import Reader
from service.importing.ndjson import NdjsonReader
from service.importing.snapshot import Seeding
from service.importing.source import Source

FORMATS: Final = ("ndjson", "csv")
_BY_SUFFIX: Final = {
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".json": "ndjson",
    ".csv": "csv",
    ".tsv": "csv",
}
_COMPRESSED: Final = (".gz", ".gzip")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How files are to be read. ``format`` and ``delimiter`` are found out unless given."""

    format: str = ""
    delimiter: str = ""
    wishes: Wishes = Wishes()  # noqa: RUF009 - frozen
    seeding: Seeding | None = None

    def reader(self, source: Source) -> Reader:
        """The reader of one file.

        :raises SettingsError: its format is not known, or something is asked of it that it cannot.
        """
        if self._format(source) == "csv":
            return CsvReader(
                source, wishes=self.wishes, delimiter=self.delimiter, seeding=self.seeding
            )
        if self.wishes or self.delimiter:
            raise SettingsError(
                f"{source.name} is NDJSON: --column, --set, --ignore, --zone and --delimiter are"
                " for CSV; its lines have the fields of events (docs/events.md)"
            )
        return NdjsonReader(source, seeding=self.seeding)

    def _format(self, source: Source) -> str:
        if self.format:
            if self.format not in FORMATS:
                raise SettingsError(
                    f"--format: there is no {self.format!r} ({did_you_mean(self.format, FORMATS)})"
                )
            return self.format
        suffixes = [] if source.path is None else PurePath(source.path.name.lower()).suffixes
        if suffixes and suffixes[-1] in _COMPRESSED:
            suffixes.pop()
        known = _BY_SUFFIX.get(suffixes[-1]) if suffixes else None
        if known is None:
            raise SettingsError(
                f"{source.name}: its name does not tell the format; say --format ndjson or"
                " --format csv"
            )
        return known


def delimiter_of(text: str) -> str:
    """The delimiter that ``--delimiter`` names.

    :raises SettingsError: it is none.
    """
    found = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";"}.get(text.lower(), text)
    if found and (len(found) != 1 or found in '"\r\n' or not found.isascii()):
        raise SettingsError(f"--delimiter: {text!r} is none; write one sign, such as ';', or tab")
    return found
