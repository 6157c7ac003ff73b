"""OTLP logs in protobuf through the embedded engine, a window of bodies at a time.

It takes bodies whose every record is perfectly ordinary, and says which are not: these go through
``otlp`` and ``check``, which name what is wrong. Both must give the same rows.
"""

from collections.abc import Iterable
from importlib.resources import files
from string import Template
from typing import Final

from collector.identity import CONTENT_COLUMNS, DIGITS, SEPARATOR
from collector.limits import Limits
from collector.values import EARLIEST
from lifecycle.events import FIELDS, EventKind, Field, FieldType
from store.blocks import BLOCK_TYPES
from store.engine import SOURCE

_PREFIX: Final = "donewatch."
_KINDS: Final = tuple(f"{_PREFIX}{kind}" for kind in EventKind)
_OWN: Final = tuple(field for field in FIELDS if not field.resource)
_RESOURCE: Final = tuple(field for field in FIELDS if field.resource)
_CODES: Final = {field.column: number for number, field in enumerate(_OWN, 1)}
_ALWAYS: Final = ("workflow_type", "instance_id")  # a heartbeat may name them as well
_OLDER: Final = {"deployment.environment.name": "deployment.environment"}
_DEFAULTS: Final = {"outcome": "committed", "class_": "normal"}
_STRUCTURE: Final = (
    "bodies Array(Tuple(tenant String, received_at UInt64, number UInt64, request Tuple("
    "resource_logs Array(Tuple(resource Tuple(attributes {pairs}), scope_logs Array(Tuple("
    "log_records Array(Tuple(time_unix_nano UInt64, observed_time_unix_nano UInt64,"
    " trace_id String, span_id String, event_name String, attributes {pairs})))))))))"
).format(
    pairs="Array(Tuple(key String, value Tuple("
    "string_value Nullable(String), int_value Nullable(Int64))))"
)
# beside the columns of a block
TAIL: Final = {"flaw": "UInt8", "number": "UInt64"}
_CONTROL: Final = r"[\x00-\x1f\x7f-\x{9f}]"
ODD, WITHOUT_ID = 1, 2


def window_query(limits: Limits, *, derive_ids: bool) -> str:
    """The query for a ``Transform``. Deriving ids takes time, even where there are some."""
    folder = files("collector").joinpath("sql")
    return Template(folder.joinpath("otlp_logs.sql").read_text(encoding="utf-8")).substitute(
        source=SOURCE,
        # of a schema given as text the engine keeps a copy in the working directory
        schema=_quoted(f"{folder.joinpath('otlp_logs.proto')}:Window"),
        structure=_quoted(_STRUCTURE),
        attributes=_list(_quoted(field.attribute) for field in _OWN),
        codes=_list(f"{code}::UInt8" for code in _CODES.values()),
        fields=_lines(f"{_sent(field)} AS sent_{field.column}" for field in _OWN),
        resource=_lines(f"{_sent_by_resource(field)} AS {field.column}" for field in _RESOURCE),
        resource_columns=", ".join(field.column for field in _RESOURCE),
        resource_flaws=_any(_resource_flaws()),
        columns=_lines(
            f"CAST({_column(name, derive_ids)}, {_quoted(kind)}) AS {name}"
            for name, kind in BLOCK_TYPES.items()
        ),
        flaws=_any(_flaws(limits)),
        without_id="0" if derive_ids else f"if(sent_event_id = '', {WITHOUT_ID}, 0)",
    )


def _sent(field: Field) -> str:
    place = f"indexOf(codes, {_CODES[field.column]}::UInt8)"
    if field.type is not FieldType.STRING:
        return f"if({place} = 0, NULL, numbers[{place}])"
    return _as_stored(field, f"texts[{place}]")


def _as_stored(field: Field, text: str) -> str:
    # early, so that all that follows is done once for each distinct value
    low = BLOCK_TYPES[field.column].startswith("LowCardinality")
    return f"toLowCardinality({text})" if low else text


def _sent_by_resource(field: Field) -> str:
    place = f"indexOf(resource_keys, {_quoted(field.attribute)})"
    if older := _OLDER.get(field.attribute):
        place = f"if({place} = 0, indexOf(resource_keys, {_quoted(older)}), {place})"
    return _as_stored(field, f"resource_texts[{place}]")


def _column(name: str, derive_ids: bool) -> str:
    if name == "event_id" and derive_ids:
        return f"if(sent_event_id = '', {_derived_id()}, sent_event_id)"
    if name == "occurred_at":
        return _moment("if(at = 0, received_at, toInt64(intDiv(at, 1000)))")
    if name == "received_at":
        return _moment("received_at")
    return _said(name)


def _said(name: str) -> str:
    """A column as the producer said it, before it has the column's type."""
    match name:
        case "event":
            return f"toLowCardinality(substring(name, {len(_PREFIX) + 1}))"
        case "outcome" | "class_":
            default = f"name = {_quoted(_KINDS[0])} AND sent_{name} = ''"
            return f"if({default}, {_quoted(_DEFAULTS[name])}, sent_{name})"
        case "entered_at" | "scheduled_at":
            return _moment(f"intDiv(sent_{name}, 1000)")
        case "trace_id":
            return _hexadecimal("trace", 16)
        case "span_id":
            return _hexadecimal("span", 8)
        case "attributes":
            return "concat('{', further, '}')"
        case _ if name in _CODES:
            return f"sent_{name}"
        case _:
            return name


def _moment(microseconds: str) -> str:
    return f"fromUnixTimestamp64Micro({microseconds}, 'UTC')"


def _hexadecimal(name: str, size: int) -> str:
    return f"if({name} = repeat('\\0', {size}), '', lower(hex({name})))"


def _derived_id() -> str:
    """As ``identity.derived_id``."""
    texts = []
    for name in CONTENT_COLUMNS:
        kind = BLOCK_TYPES[name]
        if name == "occurred_at":
            texts.append("if(at = 0, '', toString(intDiv(at, 1000)))")
        elif kind.startswith("Nullable"):
            number = f"intDiv(sent_{name}, 1000)" if "DateTime" in kind else f"sent_{name}"
            texts.append(f"ifNull(toString({number}), '')")
        else:
            texts.append(f"toString({_said(name)})")
    separator = f"char({ord(SEPARATOR)})"
    text = f"concatWithSeparator({separator}, {', '.join(texts)})"
    return f"lower(hex(substring(SHA256({text}), 1, {DIGITS // 2})))"


def _flaws(limits: Limits) -> Iterable[str]:
    yield "resource_flaw"
    for kind, name in zip(EventKind, _KINDS, strict=True):
        allowed = [f for f in _OWN if not f.kinds or kind in f.kinds or f.name in _ALWAYS]
        missing = [f"sent_{f.column} = ''" for f in _OWN if f.required and kind in f.kinds]
        wrong = [f"bitAnd(seen, {~_bits(allowed) & 2**64 - 1}) != 0", *missing]
        yield f"name = {_quoted(name)} AND {_any(wrong)}"
    yield f"name NOT IN ({', '.join(map(_quoted, _KINDS))})"
    # sums of equal bits have fewer bits
    yield "bitCount(seen) + length(further_keys) != length(keys)"
    yield "arrayUniq(further_keys) != length(further_keys)"
    yield "arrayCount(isNull, maybe_texts) + arrayCount(isNull, maybe_numbers) != length(keys)"
    texts = _bits(field for field in _OWN if field.type is FieldType.STRING)
    yield f"bitAnd(seen, {texts}) != seen_as_text"
    yield f"at != 0 AND (at < {EARLIEST} OR at >= {2**63})"
    yield "length(trace) NOT IN (0, 16) OR length(span) NOT IN (0, 8)"
    for field in _OWN:
        yield from _flaws_of(field, f"sent_{field.column}")
    yield f"NOT isValidUTF8(said) OR multiMatchAny(said, [{_quoted(_CONTROL)}])"
    # where a record says these, they are meant for columns as well
    elsewhere = _list(map(_quoted, ("event.name", *(field.attribute for field in _RESOURCE))))
    yield f"hasAny(further_keys, {elsewhere})"
    yield f"length(further_keys) > {limits.attributes}"
    yield f"length(further) + 2 > {limits.attributes_bytes}"
    # what JSON has to escape: beside the quotes around keys and texts there are none
    yield "position(further, '\\\\') != 0"
    quotes = (
        "2 * length(further_keys) + 2 * arrayCount(text -> startsWith(text, '\"'), further_values)"
    )
    yield f"countSubstrings(further, '\"') != {quotes}"


def _flaws_of(field: Field, value: str) -> Iterable[str]:
    """What may be flawed in one value; lengths in bytes, of which there are no fewer."""
    if field.type is FieldType.TIME:
        yield f"ifNull({value} < {EARLIEST}, 0)"
    elif field.choices:
        yield f"{value} NOT IN ('', {', '.join(map(_quoted, field.choices))})"
    elif field.type is FieldType.STRING:
        yield f"length({value}) > {field.max_length}"
        if field.name == "workflow_type":
            yield f"match({value}, '[^A-Za-z0-9._:-]')"


def _resource_flaws() -> Iterable[str]:
    for field in _RESOURCE:
        yield f"length({field.column}) > {field.max_length}"
        yield f"match({field.column}, '[^ -~]')"
        for name in filter(None, (field.attribute, _OLDER.get(field.attribute))):
            no_text = f"(key, text) -> key = {_quoted(name)} AND isNull(text)"
            yield f"countEqual(resource_keys, {_quoted(name)}) > 1"
            yield f"arrayExists({no_text}, resource_keys, maybe_resource_texts)"


def _bits(fields: Iterable[Field]) -> int:
    return sum(1 << _CODES[field.column] for field in fields)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _list(items: Iterable[str]) -> str:
    return f"[{', '.join(items)}]"


def _lines(items: Iterable[str]) -> str:
    return ",\n    ".join(items)


def _any(conditions: Iterable[str]) -> str:
    return f"({' OR '.join(f'({each})' for each in conditions)})"
