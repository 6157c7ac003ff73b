"""One process at a time holds an embedded data directory, and says which one it is."""

import fcntl
import os
import socket
from pathlib import Path
from typing import IO

from lifecycle.errors import SettingsError, StoreLocked


class DirectoryLock:
    """An advisory lock on ``<directory>/<name>.lock``.

    The kernel drops it when the process ends, however it ends: a crash leaves nothing to clean up.
    """

    def __init__(self, directory: Path, name: str = "donewatch") -> None:
        self._file_path = directory / f"{name}.lock"
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Take the lock.

        :raises StoreLocked: another process holds it; the message names that process.
        :raises SettingsError: the directory cannot be made or written.
        """
        try:
            self._file_path.parent.mkdir(parents=True, exist_ok=True)
            file = self._file_path.open("a+", encoding="utf-8")
        except OSError as error:
            raise SettingsError(
                f"the directory {self._file_path.parent} cannot be written: {error.strerror}. "
                "Give donewatch one that can (DONEWATCH_DATA_DIR)"
            ) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            holder = file.read().strip() or "a process that did not say who it is"
            file.close()
            raise StoreLocked(
                f"the data in {self._file_path.parent} is held by {holder}. Stop that process, or "
                "give this one a directory of its own (DONEWATCH_DATA_DIR) or a ClickHouse server "
                "(DONEWATCH_STORE__DSN)"
            ) from error
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        self._file = file

    def release(self) -> None:
        """Give the lock back; harmless when it is not held."""
        if self._file is not None:
            self._file.truncate(0)
            self._file.close()
            self._file = None
