"""Columns in ClickHouse's Native format, for the types that events have.

Format: https://clickhouse.com/docs/interfaces/formats/Native. Nothing here depends on a schema: the
reader goes by the types that the bytes name.
"""

import struct
import sys
from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from clickhouse_connect.driver.ctypes import data_conv

_LOW_CARDINALITY_VERSION: Final = 1
_NEW_KEYS: Final = 0x600  # a dictionary of this block's own
_INDEX_TYPES: Final = ("B", "H", "I")


def varint(number: int) -> bytes:
    """An unsigned number as LEB128."""
    data = bytearray()
    while number > 0x7F:
        data.append(0x80 | number & 0x7F)
        number >>= 7
    data.append(number)
    return bytes(data)


def column_head(name: str, kind: str) -> bytes:
    """What precedes the values of a column."""
    return _text(name) + _text(kind)


def write_column(
    data: bytearray, name: str, kind: str, values: Sequence[Any] | None, rows: int
) -> None:
    """Append a column; ``None`` for values: empty strings, or NULLs, in every row.

    Times are integers in the type's own unit.
    """
    data += column_head(name, kind)
    if rows:
        _WRITERS[kind](data, values, rows)


def _text(value: str) -> bytes:
    encoded = value.encode()
    return varint(len(encoded)) + encoded


def _write_texts(data: bytearray, values: Sequence[str]) -> None:
    if data_conv.write_str_col(values, False, "utf-8", data):
        raise ValueError("a column of strings has a value that is none")


def _write_strings(data: bytearray, values: Sequence[str] | None, rows: int) -> None:
    if values is None or not any(values):
        data += bytes(rows)
    else:
        _write_texts(data, values)


def _write_low_cardinality(data: bytearray, values: Sequence[str] | None, rows: int) -> None:
    distinct = [""] if values is None else list(dict.fromkeys(values))
    width = 0 if len(distinct) <= 0x100 else 1 if len(distinct) <= 0x10000 else 2
    data += struct.pack("<QQQ", _LOW_CARDINALITY_VERSION, _NEW_KEYS | width, len(distinct))
    _write_texts(data, distinct)
    data += struct.pack("<Q", rows)
    if values is None or len(distinct) == 1:
        data += bytes(rows << width)
        return
    index = {value: number for number, value in enumerate(distinct)}
    keys = map(index.__getitem__, values)
    data += bytes(keys) if width == 0 else _packed(_INDEX_TYPES[width], list(keys))


def _write_integers(code: str) -> Callable[[bytearray, Sequence[int] | None, int], None]:
    def write(data: bytearray, values: Sequence[int] | None, rows: int) -> None:
        if values is None:
            raise ValueError("a column that is not nullable has no values")
        data += _packed(code, values)

    return write


def _write_nullable(data: bytearray, values: Sequence[int | None] | None, rows: int) -> None:
    if values is None or (missing := values.count(None)) == rows:
        data += b"\x01" * rows + bytes(8 * rows)
    elif not missing:
        data += bytes(rows) + _packed("q", values)
    else:
        data += bytes([value is None for value in values])
        data += _packed("q", [value or 0 for value in values])


def _packed(code: str, values: Sequence[Any]) -> bytes:
    packed = array(code, values)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()


_TIME: Final = "DateTime64(6, 'UTC')"
_WRITERS: Final[dict[str, Callable[[bytearray, Any, int], None]]] = {
    "String": _write_strings,
    "LowCardinality(String)": _write_low_cardinality,
    "Nullable(Int64)": _write_nullable,
    f"Nullable({_TIME})": _write_nullable,
    _TIME: _write_integers("q"),
    "UInt64": _write_integers("Q"),
    "UInt32": _write_integers("I"),
}


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at a place, and the place behind it."""
    number, shift = 0, 0
    while data[at] > 0x7F:
        number |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
    return number | data[at] << shift, at + 1


def read_numbers_before(
    data: bytes, end: int, name: str, kind: str, rows: int
) -> tuple["array[int]", int]:
    """The column of numbers that ends there, and the place where it begins.

    :raises ValueError: it is another column.
    """
    numbers = array(_READ[kind])
    begin = end - rows * numbers.itemsize
    numbers.frombytes(data[begin:end])
    if sys.byteorder == "big":
        numbers.byteswap()
    head = column_head(name, kind)
    if not data.endswith(head, 0, begin):
        raise ValueError(f"there is no column {name} of {kind} where it should end")
    return numbers, begin - len(head)


class NativeReader:
    """Reads blocks back, as columns by name; times are integers in their type's own unit."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def blocks(self) -> Iterator[tuple[int, dict[str, Sequence[Any]]]]:
        """Each block's number of rows and its columns."""
        while self._at < len(self._data):
            columns, rows = self._varint(), self._varint()
            found: dict[str, Sequence[Any]] = {}
            for _ in range(columns):
                name, kind = self._string(), self._string()
                found[name] = self._column(kind, rows) if rows else ()
            yield rows, found

    def _varint(self) -> int:
        number, self._at = read_varint(self._data, self._at)
        return number

    def _string(self) -> str:
        size = self._varint()
        self._at += size
        return self._data[self._at - size : self._at].decode()

    def _column(self, kind: str, rows: int) -> Sequence[Any]:
        if kind == "String":
            return [self._string() for _ in range(rows)]
        if kind == "LowCardinality(String)":
            _, flags, count = self._numbers("Q", 3)
            distinct = [self._string() for _ in range(count)]
            self._numbers("Q", 1)
            keys = self._numbers(_INDEX_TYPES[flags & 0xFF], rows)
            return [distinct[key] for key in keys]
        if kind.startswith("Nullable("):
            missing = self._numbers("B", rows)
            values = self._column(kind[9:-1], rows)
            return [None if no else value for no, value in zip(missing, values, strict=True)]
        return self._numbers(_READ[kind], rows)

    def _numbers(self, code: str, count: int) -> "array[int]":
        numbers = array(code)
        size = count * numbers.itemsize
        numbers.frombytes(self._data[self._at : self._at + size])
        if sys.byteorder == "big":
            numbers.byteswap()
        self._at += size
        return numbers


_READ: Final = {_TIME: "q", "Int64": "q", "UInt64": "Q", "UInt32": "I", "UInt8": "B"}
