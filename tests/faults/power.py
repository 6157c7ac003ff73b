"""A disk that forgets: what a power cut leaves of a directory, as far as syncing has promised.

Run as a module it is ``python -m service`` with ``os.fsync`` and ``os.fdatasync`` watched: each of
them copies the content of the file, or the names in the directory, to where only synced things are.
``cut`` then makes a directory anew from these copies alone, or with any of what was not synced.
Nothing of the product is asked what it has synced.
"""

import json
import os
import random
import runpy
import shutil
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

WATCHED: Final = "FAULTS_WATCHED"  # the directory whose files are watched
SYNCED: Final = "FAULTS_SYNCED"  # where the copies go
HELD: Final = "FAULTS_HELD"  # while this file exists, no sync of a file returns

_LOCK: Final = threading.Lock()


def cut(watched: Path, synced: Path, chosen: random.Random | None = None) -> None:
    """Make ``watched`` what a power cut leaves. Its process is dead.

    Without ``chosen`` nothing survives that was not synced. With it any of that may: a part of what
    was appended, zeros where it was, files created, renamed or removed and not synced.
    """
    for entries in sorted(synced.glob("*.entries")):
        found = json.loads(entries.read_text())
        folder = Path(found["path"])
        actual = {each.name: each for each in folder.iterdir() if each.is_file()}
        kept: dict[str, bytes] = {}
        for name, inode in found["names"].items():
            if name not in actual and chosen is not None and chosen.random() < 0.5:
                continue  # its removal had reached the disk after all
            kept[name] = _content(synced, inode, actual.get(name), chosen)
        for name, path in actual.items():
            if name not in found["names"] and chosen is not None and chosen.random() < 0.5:
                kept[name] = _content(synced, path.stat().st_ino, path, chosen)
        for path in actual.values():
            path.unlink()
        for name, content in kept.items():
            (folder / name).write_bytes(content)
    shutil.rmtree(synced)


def _content(synced: Path, inode: int, actual: Path | None, chosen: random.Random | None) -> bytes:
    copy = synced / f"{inode}.content"
    sure = copy.read_bytes() if copy.exists() else b""
    if chosen is None or actual is None or actual.stat().st_ino != inode:
        return sure
    perhaps = actual.read_bytes()[len(sure) :]
    perhaps = perhaps[: chosen.randint(0, len(perhaps))]
    if chosen.random() < 0.3:
        perhaps = bytes(len(perhaps))  # its length was written, and not what is in it
    return sure + perhaps


def _watch(watched: Path, synced: Path, sync: Callable[[int], None]) -> Callable[[int], None]:
    def watching(fd: int) -> None:
        path = Path(f"/proc/self/fd/{fd}").readlink()
        held = os.environ.get(HELD)
        if watched not in (path, *path.parents):
            sync(fd)
            return
        status = os.fstat(fd)
        while held and stat.S_ISREG(status.st_mode) and Path(held).exists():
            time.sleep(0.01)
        sync(fd)
        with _LOCK:
            if stat.S_ISDIR(status.st_mode):
                _keep_names(path, synced)
            else:
                _keep_content(path, synced)

    return watching


def _keep_names(folder: Path, synced: Path) -> None:
    names = {each.name: each.inode() for each in os.scandir(folder) if each.is_file()}
    told = json.dumps({"path": str(folder), "names": names}).encode()
    _replace(synced / f"{folder.stat().st_ino}.entries", told)


def _keep_content(path: Path, synced: Path) -> None:
    inode = path.stat().st_ino
    _replace(synced / f"{inode}.content", path.read_bytes())
    # a second name, so that no other file is ever given this inode
    alive = synced / f"{inode}.alive"
    if not alive.exists():
        os.link(path, alive)


def _keep_all(watched: Path, synced: Path) -> None:
    """What was there before it started stays."""
    for folder in [watched, *watched.rglob("*/")]:
        if folder.is_dir():
            _keep_names(folder, synced)
            for each in folder.iterdir():
                if each.is_file():
                    _keep_content(each, synced)


def _replace(path: Path, data: bytes) -> None:
    draft = path.with_suffix(".draft")
    draft.write_bytes(data)
    draft.replace(path)


if __name__ == "__main__":
    places = Path(os.environ[WATCHED]), Path(os.environ[SYNCED])
    places[1].mkdir(exist_ok=True)
    if places[0].exists():
        _keep_all(*places)
    os.fsync = _watch(*places, os.fsync)  # type: ignore[assignment]
    os.fdatasync = _watch(*places, os.fdatasync)
    runpy.run_module("service", run_name="__main__", alter_sys=True)
