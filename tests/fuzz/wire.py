"""Protobuf as it is on the wire, taken apart: one place can be broken and the rest stay."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

VARINT, FIXED64, BYTES, START, END, FIXED32 = range(6)

# Which fields hold messages, of the requests for logs and for spans: enough to find every place.
_ANY: dict[int, Any] = {}
_PAIR = {2: _ANY}
_ANY |= {5: {1: _ANY}, 6: {1: _PAIR}}
_RESOURCE = {1: _PAIR}
_SCOPE = {3: _PAIR}
LOGS: Mapping[int, Any] = {1: {1: _RESOURCE, 2: {1: _SCOPE, 2: {5: _ANY, 6: _PAIR}}}}
SPANS: Mapping[int, Any] = {
    1: {1: _RESOURCE, 2: {1: _SCOPE, 2: {9: _PAIR, 11: {3: _PAIR}, 13: {4: _PAIR}, 15: {}}}}
}


@dataclass(slots=True, eq=False)
class Place:
    """One field. ``content`` of a message are its fields; ``length`` is a lie about its size."""

    number: int
    wire: int
    content: "bytes | list[Place]"
    length: int | None = None

    @property
    def bytes(self) -> bytes:
        """As it goes on the wire."""
        key = varint(self.number << 3 | self.wire)
        if isinstance(self.content, list):
            inner = b"".join(each.bytes for each in self.content)
        else:
            inner = self.content
        if self.wire != BYTES:
            return key + inner
        return key + varint(len(inner) if self.length is None else self.length) + inner


@dataclass(slots=True)
class Message:
    """A request; ``places`` can be changed."""

    places: list[Place] = field(default_factory=list)

    @property
    def bytes(self) -> bytes:
        """As it goes on the wire."""
        return b"".join(each.bytes for each in self.places)

    def siblings(self) -> Iterator[list[Place]]:
        """The fields of every message in it, this one's first."""
        waiting = [self.places]
        while waiting:
            these = waiting.pop(0)
            yield these
            waiting += [each.content for each in these if isinstance(each.content, list)]


def parsed(data: bytes, shape: Mapping[int, Any]) -> Message:
    """Take a well-formed request apart."""
    return Message(_places(data, shape))


def _places(data: bytes, shape: Mapping[int, Any]) -> list[Place]:
    found, at = [], 0
    while at < len(data):
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        start = at
        if wire == VARINT:
            _, at = _varint(data, at)
        elif wire == BYTES:
            size, start = _varint(data, at)
            at = start + size
        else:
            at += 8 if wire == FIXED64 else 4
        content = data[start:at]
        inner = shape.get(number) if wire == BYTES else None
        found.append(Place(number, wire, content if inner is None else _places(content, inner)))
    return found


def varint(value: int) -> bytes:
    """Base 128, the lowest digits first."""
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
