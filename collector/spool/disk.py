"""Files that survive a power cut: what is written, synced, renamed and removed, and in which order.

All of it raises ``OSError``.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

# POSIX: with it goes all that is needed to read the data back, the file's size included
_sync: Final[Callable[[int], None]] = getattr(os, "fdatasync", os.fsync)


def create(path: Path) -> int:
    """A new, empty file for writing; its directory is still to be synced."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)


def write_at(fd: int, data: bytes, offset: int) -> None:
    """Write all of it, at ``offset`` bytes from the beginning."""
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        view = view[written:]
        offset += written


def sync(fd: int) -> None:
    """Return once what was written is on the disk.

    After an error the same file must not be trusted: the kernel may have dropped what it could not
    write, and a second sync would succeed without it.
    """
    _sync(fd)


def sync_directory(folder: Path) -> None:
    """Return once files created, renamed and removed in ``folder`` stay so."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_whole(path: Path, data: bytes) -> None:
    """Replace a file's content: all of it or nothing, whatever happens meanwhile."""
    draft = path.with_name(f"{path.name}.draft")
    draft.unlink(missing_ok=True)
    fd = create(draft)
    try:
        write_at(fd, data, 0)
        sync(fd)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    finally:
        os.close(fd)
    draft.replace(path)
    sync_directory(path.parent)


def remove(path: Path) -> None:
    """Remove a file for good; harmless where there is none."""
    path.unlink(missing_ok=True)
    sync_directory(path.parent)


def free_bytes(folder: Path) -> int:
    """Bytes that may still be written to the disk under ``folder``."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize
