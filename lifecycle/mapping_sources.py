"""Where a mapping says that the value of a field comes from, with every mistake located."""

import re
from typing import Final

from lifecycle.document import Fields, Value, did_you_mean
from lifecycle.events import Field, FieldType
from lifecycle.mapping import OWN, Key, Place, Signal, Source

PLACE_KEYS: Final = ("attribute", "resource", *Signal, "template")
CHANGE_KEYS: Final = ("after", "before", "map", "plus", "default", "required")
_LARGEST: Final = 2**31 - 1
_PLACEHOLDER: Final = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")


def source_of(value: Value, signal: Signal, field: Field) -> tuple[Source | None, bool]:
    """One source of a field, ``None`` if it is wrong; and whether the field is required."""
    if value.type != "map":
        return Source(literal=_literal(value, field)), False
    before = len(value.document.problems)
    fields = value.fields((*PLACE_KEYS, *CHANGE_KEYS))
    if fields is None or len(value.document.problems) > before:
        return None, False
    given = [name for name in PLACE_KEYS if name in fields]
    if len(given) != 1:
        what = "several places" if given else "no place"
        fix = f"write one of {', '.join(PLACE_KEYS)}"
        value.problem(f"{field.name} names {what} where its value comes from", fix)
        return None, False
    if given[0] in tuple(Signal) and given[0] != signal:
        value.problem(f"this is a mapping of {signal}s, it has no {given[0]}", f"write {signal}")
        return None, False
    default = fields.get("default")
    source = Source(
        key=_key(fields, signal, given[0]),
        template=_template(fields.get("template"), signal),
        after=fields.text("after"),
        before=fields.text("before"),
        table=_table(fields.get("map"), field),
        plus=_plus(fields.get("plus"), field),
        default=_literal(default, field) if default else None,
    )
    required = fields.boolean("required")
    if required and default is not None:
        default.problem(f"{field.name} has a default, so it is never missing", "remove required")
    return source, required


def _key(fields: Fields, signal: Signal, place: str) -> Key | None:
    if place == "template":
        return None
    name = fields.word(place)
    value = fields.get(place)
    if place == signal and name and value is not None and name not in OWN[signal]:
        value.problem(f"a {signal} has no {name!r}", did_you_mean(name, OWN[signal]))
    return Key(Place(place) if place != signal else Place.OWN, name)


def _template(value: Value | None, signal: Signal) -> tuple[str | Key, ...]:
    text = value.text() if value else None
    if value is None or text is None:
        return ()
    parts: list[str | Key] = []
    end = 0
    for found in _PLACEHOLDER.finditer(text):
        parts.append(text[end : found.start()])
        end = found.end()
        whole, name = found.group(), found.group(1)
        if whole in ("{{", "}}"):
            parts.append(whole[0])
        elif name is None:
            value.problem(f"template: a lone {whole!r}", f"write {whole * 2} for the sign itself")
        else:
            parts.append(_placeholder(value, name, signal))
    parts.append(text[end:])
    if not any(isinstance(each, Key) for each in parts) and not value.document.problems:
        value.problem("template has no placeholder", "write {attribute.name}, or the text alone")
    return tuple(each for each in parts if each != "")


def _placeholder(value: Value, name: str, signal: Signal) -> Key:
    """``{order.id}`` is an attribute, ``{resource:service.name}`` and ``{span:name}`` say where."""
    where, colon, rest = name.partition(":")
    if not name.strip() or (colon and not rest.strip()):
        value.problem("template: an empty placeholder", "write the name of an attribute into it")
    if where == "resource" and colon:
        return Key(Place.RESOURCE, rest)
    if where == signal and colon:
        if rest not in OWN[signal]:
            value.problem(f"a {signal} has no {rest!r}", did_you_mean(rest, OWN[signal]))
        return Key(Place.OWN, rest)
    return Key(Place.ATTRIBUTE, name)


def _table(value: Value | None, field: Field) -> dict[str, str] | None:
    if value is None:
        return None
    table: dict[str, str] = {}
    for key, to in value.pairs():
        from_, literal = key.word(), _literal(to, field)
        if from_ is not None and literal is not None:
            table[from_] = str(literal)
    if value.type == "map" and not value.pairs():
        value.problem("map is empty", "write VALUE: BECOMES")
    return table


def _plus(value: Value | None, field: Field) -> int:
    if value is None:
        return 0
    if field.type is not FieldType.INTEGER:
        value.problem(f"plus belongs to integers, {field.name} is none", "remove it")
    return value.integer(least=-_LARGEST) or 0


def _literal(value: Value, field: Field) -> str | int | None:
    """What is written in the file itself, checked as what a producer sends is."""
    if field.type is FieldType.INTEGER:
        return value.integer(least=-_LARGEST)
    word = value.word(field.max_length)
    if word is None:
        return None
    if field.type is FieldType.TIME:
        fix = f"write where it comes from, for example {{attribute: {field.name}}}"
        value.problem(f"{field.name} is a time, which cannot be the same for all", fix)
    if field.choices and word not in field.choices:
        value.problem(f"{field.name} cannot be {word!r}", did_you_mean(word, field.choices))
    return word
