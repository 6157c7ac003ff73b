"""A file or standard input, plain or gzip, read forward."""

import fcntl
import gzip
import io
import stat
import sys
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO, Final

from lifecycle.errors import SettingsError

STDIN: Final = "-"
_GZIP: Final = b"\x1f\x8b"
_HEAD: Final = 65_536  # bytes that, with size and time of change, tell a file from another
_BUFFER: Final = 1 << 18
# what people have at hand instead of text in UTF-8, by its first bytes
_OTHERS: Final[Mapping[bytes, str]] = {
    b"\xff\xfe": "is text in UTF-16; convert it: iconv -f UTF-16 -t UTF-8",
    b"\xfe\xff": "is text in UTF-16; convert it: iconv -f UTF-16 -t UTF-8",
    b"PK\x03\x04": "is a zip archive or a spreadsheet; unpack it, or save it as CSV",
    b"\x28\xb5\x2f\xfd": "is compressed with zstd; decompress it and pipe it in: zstd -dc FILE | "
    "donewatch import --format … -",
    b"BZh": "is compressed with bzip2; decompress it and pipe it in: bzip2 -dc FILE | "
    "donewatch import --format … -",
}
BROKEN: Final = (EOFError, zlib.error, gzip.BadGzipFile)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Tells whether a file is still the one it was."""

    size: int
    modified: int  # nanoseconds since the Unix epoch
    head: str  # a digest of its first bytes


@dataclass(slots=True)
class Opened:
    """An open source; ``stream`` is decompressed."""

    stream: BinaryIO
    _raw: BinaryIO
    _seekable: bool

    def skip(self, offset: int) -> None:
        """Go on at ``offset`` bytes of the decompressed stream."""
        self.stream.seek(offset)

    def read_share(self, size: int | None) -> float | None:
        """The share of the source that is read, 0 to 1; ``None`` where its size is unknown."""
        if not size or not self._seekable:
            return None
        return min(1.0, self._raw.tell() / size)


class Source:
    """One FILE of the command.

    :raises SettingsError: it cannot be read, or is plainly no text.
    """

    def __init__(self, name: str) -> None:
        self.path = None if name == STDIN else Path(name)
        self.name = "standard input" if self.path is None else name
        self.fingerprint: Fingerprint | None = None
        if self.path is not None:
            self.fingerprint = self._seen(self.path)

    @property
    def size(self) -> int | None:
        """Bytes as they are on disk; ``None`` for a pipe."""
        return self.fingerprint.size if self.fingerprint else None

    def _seen(self, path: Path) -> Fingerprint | None:
        with self._readable():
            found = path.stat()
            if stat.S_ISDIR(found.st_mode):
                raise SettingsError(f"{self.name} is a folder; name the files in it")
            if not stat.S_ISREG(found.st_mode):
                return None  # a pipe: it can be read once
            with path.open("rb") as file:
                head = blake2b(file.read(_HEAD), digest_size=16).hexdigest()
        return Fingerprint(found.st_size, found.st_mtime_ns, head)

    @contextmanager
    def open(self, *, alone: bool) -> Iterator[Opened]:
        """The source from its beginning; ``alone``: nobody else may import it meanwhile.

        :raises SettingsError: it cannot be read, is no text, or another import reads it.
        """
        with self._readable():
            raw: Any = self.path.open("rb", _BUFFER) if self.path else sys.stdin.buffer
            if not hasattr(raw, "peek"):  # standard input that somebody has replaced
                raw = io.BufferedReader(raw)
        try:
            if alone and self.fingerprint is not None:
                self._lock(raw)
            with self._readable():
                head = raw.peek(4)[:4]
            for begins, told in _OTHERS.items():
                if head.startswith(begins):
                    raise SettingsError(f"{self.name} {told}")
            stream = raw
            if head.startswith(_GZIP):
                # the reader's own buffer is small; a larger one halves the cost of lines
                stream = io.BufferedReader(gzip.GzipFile(fileobj=raw), _BUFFER)
            yield Opened(stream, raw, self.fingerprint is not None)
        except BROKEN as error:
            raise SettingsError(
                f"{self.name} is damaged or cut short: {error}; copy it again"
            ) from error
        finally:
            if self.path is not None:
                raw.close()

    def _lock(self, raw: BinaryIO) -> None:
        """Two imports of one file would write over each other's progress."""
        try:
            fcntl.flock(raw, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SettingsError(
                f"{self.name} is being imported by another process; wait for it, or end it"
            ) from None
        except OSError:
            return  # a file system without locks

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise SettingsError(f"{self.name} cannot be read: {error.strerror}") from error
