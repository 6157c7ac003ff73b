"""What a spool holds when a collector starts, whatever ended the one before."""

import logging
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from collector.spool import disk
from collector.spool.folder import Sealed, SpoolFolder
from collector.spool.segment import Contents, Frame, FrameKind, Scan, contents, scan
from collector.spool.tally import Tally
from store.blocks import BLOCK_FORMAT, Block, converted

_LOG: Final = logging.getLogger(__name__)


def recover(folder: SpoolFolder, tally: Tally) -> Sequence[Sealed]:
    """The segments to insert, in order. An unfinished one is cut after its last frame and sealed.

    :raises OSError: the disk fails.
    """
    found = []
    for number, path in list(folder.segments()):
        if path.suffix == ".open":
            sealed = folder.sealed(number)
            if not _finish(path, tally):
                continue
            path.replace(sealed)
            disk.sync_directory(folder.path)
            path = sealed
        held = contents(path) or _by_scan(path)
        found.append(Sealed(number, path, held))
    for path in folder.path.glob("*.draft"):
        path.unlink()
    return found


def _finish(path: Path, tally: Tally) -> bool:
    """Cut off what was not written to its end, and so never acknowledged; false if that is all."""
    found = scan(path.read_bytes())
    if found.torn:
        tally.add(torn_bytes=found.torn)
        _LOG.warning("%s: the last %s bytes were not acknowledged; cut off", path, found.torn)
    if not found.frames:
        disk.remove(path)
        return False
    fd = os.open(path, os.O_RDWR)
    try:
        os.ftruncate(fd, found.end)
        disk.sync(fd)  # also what was written to its end and not synced: it will be relied on
    finally:
        os.close(fd)
    return True


def _by_scan(path: Path) -> Contents:
    found = scan(path.read_bytes())
    return Contents(
        sum(each.rows for each in found.frames),
        min((each.received_at for each in found.frames), default=2**63 - 1),
        path.stat().st_size,
    )


def read(folder: SpoolFolder, sealed: Sealed, tally: Tally) -> tuple[bytes, Sequence[Frame]]:
    """Id and frames of a segment; what cannot be read of it is set aside, counted and told.

    :raises OSError: the disk fails.
    """
    if sealed.frames is not None:
        return sealed.id, sealed.frames
    data = sealed.path.read_bytes()
    found: Scan = scan(data)
    damages = [(each.offset, each.length) for each in found.damages]
    if found.torn:
        damages.append((found.end, found.torn))  # it was whole when it was sealed
    for offset, length in damages:
        folder.set_aside(sealed.number, offset, data[offset : offset + length])
        tally.add(damaged=1, damaged_bytes=length)
        _LOG.error(
            "%s: %s bytes at %s are damaged; they are set aside in %s, the rest is stored",
            sealed.path,
            length,
            offset,
            folder.damaged,
        )
    if found.format == BLOCK_FORMAT:
        return found.id, found.frames
    return found.id, [_converted(frame) for frame in found.frames]


def _converted(frame: Frame) -> Frame:
    """Another version of donewatch wrote it, or nobody knows which."""
    if frame.kind is not FrameKind.EVENTS:
        return frame
    return replace(frame, data=converted(Block(frame.rows, frame.data)).data)
