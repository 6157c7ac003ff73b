"""The file of a segment: a header, then frames, each of them readable without the others.

Header, 256 bytes: magic and version (8), id (16), number (8), ``BLOCK_FORMAT`` of its events (4),
length of the collector's name (2), the name, zeros, CRC-32 (4). Frame: the segment's id (16), kind
(1), zeros (3), rows (4), moment of receipt in microseconds (8), length of the data (4), CRC-32 of
all that and the data (4), the data. Integers are little-endian.

Each frame begins with the segment's id, which is random: nobody outside can send data that would be
taken for a frame when one before it is damaged and reading goes on at the next.
"""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Final

_MAGIC: Final = b"DWSPOOL\x01"
HEADER_BYTES: Final = 256
_HEAD: Final = struct.Struct("<8s16sQIH")
_FRAME: Final = struct.Struct("<16sBxxxIqI")
_CRC: Final = struct.Struct("<I")
FRAME_BYTES: Final = _FRAME.size + _CRC.size  # of a frame beside its data
LONGEST_NAME: Final = HEADER_BYTES - _HEAD.size - _CRC.size


class FrameKind(IntEnum):
    """What the rows of a frame are."""

    EVENTS = 1  # a Block
    REJECTED = 2  # refused records, a JSON array


@dataclass(frozen=True, slots=True)
class Frame:
    """Rows of one kind that came with one body; ``received_at`` in microseconds."""

    kind: FrameKind
    rows: int
    received_at: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes of a file that cannot be read."""

    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Scan:
    """What is in a file. ``id`` is empty where nothing could be read at all.

    ``format`` is ``BLOCK_FORMAT`` of who wrote it, ``None`` where the header is damaged. ``end`` is
    where the last readable frame ends, ``torn`` how many bytes follow it.
    """

    id: bytes
    format: int | None
    frames: Sequence[Frame]
    damages: Sequence[Damage]
    end: int
    torn: int


@dataclass(frozen=True, slots=True)
class Contents:
    """What frames hold together: rows, the earliest moment of receipt (microseconds), bytes."""

    rows: int
    received_at: int
    size: int


def encode_header(id_: bytes, number: int, collector: str, format_: int) -> bytes:
    """The first bytes of a segment's file."""
    name = collector.encode()
    head = (_HEAD.pack(_MAGIC, id_, number, format_, len(name)) + name).ljust(
        HEADER_BYTES - 4, b"\0"
    )
    return head + _CRC.pack(zlib.crc32(head))


def encode_frame(id_: bytes, frame: Frame) -> tuple[bytes, bytes]:
    """Head and data of a frame; the second is not copied."""
    head = _FRAME.pack(id_, frame.kind, frame.rows, frame.received_at, len(frame.data))
    return head + _CRC.pack(zlib.crc32(frame.data, zlib.crc32(head))), frame.data


def scan(data: bytes) -> Scan:
    """Every frame that can be read; what lies between is damage, what follows the last is torn."""
    for id_ in _candidates(data):
        found = _scan(data, id_)
        if found.frames:
            return found
    end = HEADER_BYTES if _header_is_whole(data) else 0
    return Scan(data[8:24] if end else b"", _format(data), (), (), end, len(data) - end)


def contents(path: Path) -> Contents | None:
    """What a whole file holds, by the heads of its frames alone; ``None`` if they do not add up."""
    size = path.stat().st_size
    rows, first, offset = 0, 2**63, HEADER_BYTES
    with path.open("rb") as file:
        header = file.read(HEADER_BYTES)
        if not _header_is_whole(header):
            return None
        while offset < size:
            file.seek(offset)
            head = file.read(FRAME_BYTES)
            if len(head) < FRAME_BYTES:
                return None
            id_, kind, count, received_at, length = _FRAME.unpack_from(head)
            if id_ != header[8:24] or kind not in _KINDS:
                return None
            rows += count
            first = min(first, received_at)
            offset += FRAME_BYTES + length
    return Contents(rows, first, size) if offset == size and rows else None


_KINDS: Final = frozenset(FrameKind)


def _header_is_whole(data: bytes) -> bool:
    return (
        len(data) >= HEADER_BYTES
        and data[:8] == _MAGIC
        and _CRC.unpack_from(data, HEADER_BYTES - 4)[0] == zlib.crc32(data[: HEADER_BYTES - 4])
    )


def _format(data: bytes) -> int | None:
    if not _header_is_whole(data):
        return None
    found: int = _HEAD.unpack_from(data)[3]
    return found


def _candidates(data: bytes) -> list[bytes]:
    """What the segment's id may be: as the header says, or if that is damaged, the first frame."""
    return [data[start : start + 16] for start in (8, HEADER_BYTES) if len(data) >= start + 16]


def _scan(data: bytes, id_: bytes) -> Scan:
    frames: list[Frame] = []
    damages: list[Damage] = []
    if not _header_is_whole(data):
        damages.append(Damage(0, HEADER_BYTES))
    offset = HEADER_BYTES
    while offset < len(data):
        frame = _frame_at(data, offset, id_)
        if frame is None:
            following = _next(data, offset + 1, id_)
            if following is None:
                break
            damages.append(Damage(offset, following - offset))
            offset = following
        else:
            frames.append(frame)
            offset += FRAME_BYTES + len(frame.data)
    return Scan(id_, _format(data), frames, damages, offset, len(data) - offset)


def _next(data: bytes, offset: int, id_: bytes) -> int | None:
    while (offset := data.find(id_, offset)) >= 0:
        if _frame_at(data, offset, id_) is not None:
            return offset
        offset += 1
    return None


def _frame_at(data: bytes, offset: int, id_: bytes) -> Frame | None:
    begin = offset + FRAME_BYTES
    if begin > len(data):
        return None
    found, kind, rows, received_at, length = _FRAME.unpack_from(data, offset)
    if found != id_ or kind not in _KINDS or begin + length > len(data):
        return None
    payload = data[begin : begin + length]
    (crc,) = _CRC.unpack_from(data, begin - _CRC.size)
    if crc != zlib.crc32(payload, zlib.crc32(data[offset : begin - _CRC.size])):
        return None
    return Frame(FrameKind(kind), rows, received_at, payload)
