"""Where the store is, read from its DSN."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lifecycle.errors import SettingsError

DATABASE = "donewatch"


@dataclass(frozen=True, slots=True)
class Location:
    """A parsed DSN. ``path`` is the embedded data directory, ``None`` for memory and servers."""

    dsn: str
    embedded: bool
    path: Path | None
    database: str

    @property
    def shown(self) -> str:
        """The DSN without its password, for messages."""
        parts = urlsplit(self.dsn)
        if parts.password is None:
            return self.dsn
        user = f"{parts.username}:***@" if parts.username else ""
        port = f":{parts.port}" if parts.port else ""
        return parts._replace(netloc=f"{user}{parts.hostname}{port}").geturl()


def parse_dsn(dsn: str) -> Location:
    """Read ``chdb:///path``, ``chdb://memory``, ``http://user@host:8123/db`` or ``https://…``.

    :raises SettingsError: the DSN is none of these.
    """
    parts = urlsplit(dsn)
    if parts.scheme == "chdb":
        if parts.netloc == "memory" and parts.path in ("", "/"):
            return Location(dsn, True, None, DATABASE)
        if parts.netloc == "" and len(parts.path) > 1:
            return Location(dsn, True, Path(unquote(parts.path)), DATABASE)
    if parts.scheme in ("http", "https") and parts.hostname:
        return Location(dsn, False, None, parts.path.strip("/") or DATABASE)
    raise SettingsError(
        f"store dsn {dsn!r} is not understood; write chdb:///absolute/path, chdb://memory, "
        "http://user:password@host:8123/database or https://…"
    )
