"""One field's value, from what was sent to what is stored, or the flaw in it."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from collector.records import Flaw, Reason
from lifecycle.events import Field, FieldType

Reader = Callable[[Any], Any]

_INT64: Final = 2**63
CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
CONTROL_IN_TEXT: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
WORKFLOW: Final = re.compile(r"[A-Za-z0-9._:-]+")
FREE_TEXT: Final = frozenset({"reason"})  # written for people, over several lines
_DIGITS: Final = re.compile(r"[0-9]{1,20}")
_LONG_FRACTION: Final = re.compile(r"(\.\d{6})\d+")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
EARLIEST: Final = 946_684_800_000_000_000  # 2000-01-01, in nanoseconds
_UNITS: Final = ((1_000_000_000, "seconds"), (1_000_000, "milliseconds"), (1_000, "microseconds"))


def reader_of(field: Field) -> Reader:
    """A function that takes a value sent for ``field`` and gives the value of its column.

    It raises ``Flaw`` without a field name; neither ``None`` nor an empty string is passed to it.
    """
    if field.type is FieldType.INTEGER:
        return _integer
    if field.type is FieldType.TIME:
        return microseconds
    if field.choices:
        return _choice(field.choices)
    return _string(field)


def type_name(value: object) -> str:
    """What JSON calls it, with its article."""
    if value is None:
        return "null"
    names = {
        bool: "a boolean",
        int: "an integer",
        float: "a number with a fraction",
        str: "a string",
        list: "an array",
    }
    return names.get(type(value), "an object")


def _string(field: Field) -> Reader:
    longest = field.max_length
    control = CONTROL_IN_TEXT if field.name in FREE_TEXT else CONTROL

    def read(value: Any) -> str:
        if type(value) is not str:
            raise Flaw(Reason.TYPE, "", f"is {type_name(value)}; it must be a string")
        if len(value) > longest:
            raise Flaw(
                Reason.LENGTH, "", f"has {len(value)} characters; at most {longest} are kept"
            )
        # nearly all values are printable ASCII, which is much cheaper to see
        if not (value.isascii() and value.isprintable()) and (found := control.search(value)):
            raise Flaw(
                Reason.CHARACTERS,
                "",
                f"has the control character U+{ord(found.group()):04X} at {found.start()};"
                " send printable text",
            )
        return value

    def read_workflow(value: Any) -> str:
        text = read(value)
        if not WORKFLOW.fullmatch(text):
            raise Flaw(Reason.CHARACTERS, "", f"is {text!r}; only A-Z a-z 0-9 . _ : - may be in it")
        return text

    return read_workflow if field.name == "workflow_type" else read


def _choice(choices: tuple[str, ...]) -> Reader:
    allowed = frozenset(choices)

    def read(value: Any) -> str:
        if type(value) is not str:
            raise Flaw(Reason.TYPE, "", f"is {type_name(value)}; it must be a string")
        if value not in allowed:
            raise Flaw(
                Reason.CHOICE, "", f"is {value[:80]!r}; it must be one of {', '.join(choices)}"
            )
        return value

    return read


def _integer(value: Any) -> int:
    if type(value) is not int:  # a boolean is no integer here
        raise Flaw(Reason.TYPE, "", f"is {type_name(value)}; it must be an integer")
    if not -_INT64 <= value < _INT64:
        raise Flaw(Reason.RANGE, "", "does not fit 64 bits; send a smaller integer")
    return value


def microseconds(value: Any) -> int:
    """Microseconds since the Unix epoch, rounded down, of RFC 3339 text or integer nanoseconds.

    Nanoseconds may be text as well: JavaScript's numbers cannot hold them.

    :raises Flaw: neither of these, before 2000 or after 2261.
    """
    if type(value) is int:
        return _from_nanoseconds(value)
    if type(value) is not str:
        raise Flaw(
            Reason.TYPE,
            "",
            f"is {type_name(value)}; it must be RFC 3339 text or integer nanoseconds since 1970",
        )
    if _DIGITS.fullmatch(value):
        return _from_nanoseconds(int(value))
    try:
        moment = msgspec.convert(_LONG_FRACTION.sub(r"\1", value, count=1), datetime)
    except msgspec.ValidationError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise Flaw(
            Reason.TIME,
            "",
            f"is {value[:40]!r}; write RFC 3339 with its zone, for example 2026-03-01T12:00:00Z",
        )
    return _from_nanoseconds((moment - _EPOCH) // _MICROSECOND * 1000)


def _from_nanoseconds(value: int) -> int:
    if value < EARLIEST:
        for factor, unit in _UNITS:
            if EARLIEST <= value * factor < _INT64:
                raise Flaw(
                    Reason.TIME,
                    "",
                    f"lies before 2000: {value} looks like {unit} instead of nanoseconds;"
                    f" multiply it by {factor:,}",
                )
        raise Flaw(
            Reason.TIME, "", "lies before 2000; send nanoseconds since 1970, or RFC 3339 text"
        )
    if value >= _INT64:
        raise Flaw(
            Reason.TIME, "", "lies after 2261; send nanoseconds since 1970, or RFC 3339 text"
        )
    return value // 1000
