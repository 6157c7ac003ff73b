"""Which column of a CSV file gives which field of an event."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any, Final

import msgspec

from collector.records import Flaw, Reason
from lifecycle.document import did_you_mean
from lifecycle.errors import SettingsError
from lifecycle.events import FIELD_BY_NAME, FIELDS, EventKind, FieldType
from service.importing.aside import OUR_COLUMNS

ATTRIBUTES: Final = "attributes"
_OWN_ATTRIBUTE: Final = "attributes."
_RECORD: Final = ("event", "occurred_at", "trace_id", "span_id", ATTRIBUTES)
EVENT_FIELDS: Final = (*_RECORD, *FIELD_BY_NAME)
_INTEGER: Final = re.compile(r"\s*[+-]?[0-9]+\s*")

Convert = Callable[[str], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the command line says about columns; pairs as (name, value)."""

    renamed: Sequence[tuple[str, str]] = ()  # column, field
    constants: Sequence[tuple[str, str]] = ()  # field, value
    left_out: Sequence[str] = ()  # columns
    zone: tzinfo | None = None  # of times that do not say theirs

    def __bool__(self) -> bool:
        return bool(self.renamed or self.constants or self.left_out or self.zone)


@dataclass(slots=True)
class Columns:
    """Makes cells into the fields of an event, as the native endpoint takes them."""

    header: Sequence[str]
    _cells: list[tuple[int, str]] = field(default_factory=list)  # texts as they are
    _converted: list[tuple[int, str, Convert]] = field(default_factory=list)
    _own: list[tuple[int, str]] = field(default_factory=list)  # to attributes
    _nameless: list[int] = field(default_factory=list)
    _constants: dict[str, Any] = field(default_factory=dict)
    _constant_attributes: dict[str, str] = field(default_factory=dict)
    _json: int | None = None  # the column with attributes as JSON

    @property
    def fields(self) -> set[str]:
        """The fields that some column or constant gives."""
        return {name for _, name in self._given()} | self._constants.keys()

    @property
    def kind(self) -> object:
        """The kind of every event, where no column gives it."""
        return self._constants.get("event")

    def remarks(self) -> list[str]:
        """What a person should know of how the columns were understood."""
        names = [
            f"{self.header[index]} → {name}"
            for index, name in self._given()
            if self.header[index] != name
        ]
        if self._own:
            own = ", ".join(self.header[index] for index, _ in self._own)
            names.append(f"to attributes: {own}")
        return names

    def __call__(self, row: Sequence[str]) -> dict[str, Any]:
        """The fields of one row; an empty cell gives none.

        :raises Flaw: a cell cannot be what its field is, or there are more or fewer than columns.
        """
        if len(row) != len(self.header):
            raise Flaw(
                Reason.MALFORMED,
                "",
                f"has {len(row)} cells, the header has {len(self.header)}; is a delimiter missing,"
                ' or one in a text without "quotes"?',
            )
        found: dict[str, Any] = {name: cell for index, name in self._cells if (cell := row[index])}
        found |= self._constants
        for index, name, convert in self._converted:
            if cell := row[index]:
                found[name] = convert(cell)
        for index in self._nameless:
            if row[index]:
                raise Flaw(
                    Reason.UNKNOWN_FIELD,
                    f"column {index + 1}",
                    f"is {row[index][:80]!r}, but has no name in the header; give it one",
                )
        if self._own or self._json is not None or self._constant_attributes:
            attributes = self._attributes(row)
            if attributes:
                found[ATTRIBUTES] = attributes
        return found

    def _given(self) -> list[tuple[int, str]]:
        """Every column that gives a field."""
        return sorted(self._cells + [(index, name) for index, name, _ in self._converted])

    def _attributes(self, row: Sequence[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self._json is not None and (cell := row[self._json]):
            try:
                found = msgspec.json.decode(cell, type=dict[str, Any])
            except (msgspec.MsgspecError, RecursionError) as error:
                raise Flaw(Reason.MALFORMED, ATTRIBUTES, f"is no JSON object: {error}") from None
        found |= self._constant_attributes
        for index, name in self._own:
            if cell := row[index]:
                found[name] = cell
        return found


def columns_of(header: Sequence[str], wishes: Wishes, known: Iterable[str], place: str) -> Columns:
    """How ``header`` is understood; ``known`` are the fields there are, ``place`` names the file.

    A column is a field by its name, whatever its case, with spaces, dashes and dots as
    underscores; any other goes to attributes.

    :raises SettingsError: a wish cannot be fulfilled, or two columns give the same field.
    """
    fields = dict.fromkeys(known)
    names = [name.strip() for name in header]
    _check_names(names, wishes, place)
    columns = Columns(names)
    given: dict[str, str] = {}  # field: what gives it

    def gives(target: str, what: str) -> None:
        # a field and its alias are one
        key = FIELD_BY_NAME[target].name if target in FIELD_BY_NAME else target
        if key in given:
            raise SettingsError(
                f"{place}: {given[key]} and {what} both give {target}; leave one out with --ignore"
            )
        given[key] = what

    renamed = dict(wishes.renamed)
    for index, name in enumerate(names):
        if name in wishes.left_out or name in OUR_COLUMNS:
            continue
        if not name:
            columns._nameless.append(index)
            continue
        target = _target(renamed[name], fields, place) if name in renamed else _field(name, fields)
        what = f"column {name!r}"
        if target == ATTRIBUTES:
            gives(target, what)
            columns._json = index
        elif target.startswith(_OWN_ATTRIBUTE):
            gives(target, what)
            columns._own.append((index, target.removeprefix(_OWN_ATTRIBUTE)))
        else:
            gives(target, what)
            convert = _converter(target, wishes.zone)
            if convert is None:
                columns._cells.append((index, target))
            else:
                columns._converted.append((index, target, convert))
    for name, value in wishes.constants:
        target = _target(name, fields, place)
        gives(target, f"--set {name}")
        if target.startswith(_OWN_ATTRIBUTE):
            columns._constant_attributes[target.removeprefix(_OWN_ATTRIBUTE)] = value
            continue
        convert = _converter(target, wishes.zone)
        try:
            columns._constants[target] = value if convert is None else convert(value)
        except Flaw as flaw:
            raise SettingsError(f"--set {name}: {flaw.field} {flaw.error}") from None
    return columns


def require(columns: Columns, needed: Sequence[str], place: str) -> None:
    """Whether every event can have what it must.

    :raises SettingsError: neither a column nor a constant gives a field.
    """
    for name in needed:
        if name not in columns.fields:
            own = [columns.header[index] for index, _ in columns._own]
            fix = did_you_mean(name, own, "-")
            guess = (
                f" ({fix.replace('?', '')}: --column {_quoted(fix)}={name})" if fix != "-" else ""
            )
            raise SettingsError(
                f"{place}: no column gives {name}{guess}; its columns are"
                f" {', '.join(filter(None, columns.header)) or 'none'}. Name the one that does with"
                f" --column NAME={name}, or one value for all rows with --set {name}=VALUE"
            )


def needed_of(kind: object) -> list[str]:
    """What an event of this kind must have; of an unknown kind, what nearly all must."""
    kinds = [each for each in EventKind if each == kind] or [EventKind.VISIBLE]
    return [each.name for each in FIELDS if each.required and kinds[0] in each.kinds]


def _quoted(fix: str) -> str:
    found = re.search(r"'(.*)'", fix)
    return found.group(1) if found else "NAME"


def _check_names(names: Sequence[str], wishes: Wishes, place: str) -> None:
    for option, wished in (
        ("--column", [name for name, _ in wishes.renamed]),
        ("--ignore", wishes.left_out),
    ):
        for name in wished:
            if name not in names:
                fix = did_you_mean(name, filter(None, names))
                raise SettingsError(f"{option}: {place} has no column {name!r} ({fix})")
            if wished.count(name) > 1:
                raise SettingsError(f"{option}: column {name!r} is named twice")
    for name in filter(None, names):
        if names.count(name) > 1:
            raise SettingsError(f"{place} has two columns {name!r}; rename one in its header")


def _target(name: str, fields: Mapping[str, None], place: str) -> str:
    if name in fields or (name.startswith(_OWN_ATTRIBUTE) and name != _OWN_ATTRIBUTE):
        return name
    fix = did_you_mean(name, fields, "docs/events.md has the fields")
    raise SettingsError(
        f"{place}: there is no field {name!r} ({fix}); what is your own goes to"
        f" {_OWN_ATTRIBUTE}{name}"
    )


def _field(name: str, fields: Mapping[str, None]) -> str:
    plain = re.sub(r"[\s.-]+", "_", name.lower()).removeprefix("donewatch_")
    return plain if plain in fields else _OWN_ATTRIBUTE + name


def _converter(name: str, zone: tzinfo | None) -> Convert | None:
    known = FIELD_BY_NAME.get(name)
    if known is not None and known.type is FieldType.INTEGER:
        return lambda cell: _integer(name, cell)
    time = name in ("occurred_at", "since") or (known and known.type is FieldType.TIME)
    if time:
        return lambda cell: _time(name, cell, zone)
    return None


def _integer(name: str, cell: str) -> int:
    if not _INTEGER.fullmatch(cell):
        raise Flaw(Reason.TYPE, name, f"is {cell[:80]!r}; write a whole number")
    try:
        return int(cell)
    except ValueError:  # thousands of digits
        raise Flaw(Reason.RANGE, name, "does not fit 64 bits; send a smaller integer") from None


def _time(name: str, cell: str, zone: tzinfo | None) -> str:
    """A time with its zone; ``zone`` is that of one that does not say its own."""
    text = cell.strip()
    if text.isdecimal():
        return text  # nanoseconds
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text  # the check says what is wrong
    if moment.tzinfo is not None:
        return text
    if zone is None:
        raise Flaw(
            Reason.TIME, name, f"is {text[:40]!r}, which has no zone; say which one, as --zone UTC"
        )
    return moment.replace(tzinfo=zone).isoformat()
