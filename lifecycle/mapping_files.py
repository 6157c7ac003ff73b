"""Mapping files: text to a ``Mapping``, with every mistake located."""

from collections.abc import Iterable
from typing import Final

from lifecycle.document import Document, Fields, Value, did_you_mean, open_document
from lifecycle.errors import Problem
from lifecycle.events import EventKind, Field, fields_of, is_required
from lifecycle.mapping import (
    KINDS,
    OWN,
    STATUSES,
    TIMES,
    Cases,
    Condition,
    Emit,
    FieldRule,
    Key,
    Mapping,
    Place,
    Signal,
)
from lifecycle.mapping_sources import source_of
from lifecycle.patterns import Pattern

MAPPING_KEYS: Final = ("mapping", "on", "match", "fields", "emit", "otherwise")
EMIT_KEYS: Final = ("event", "when", "occurred_at", "fields", "keep")
TEST_KEYS: Final = ("exists", "equals", "not", "prefix", "matches")
MAX_EMITS: Final = 10  # a body of many spans must not become ten times as many events and more


def read_mapping(text: str, file: str) -> Mapping:
    """Read one mapping file.

    :raises DocumentError: with every problem of the file.
    """
    document = open_document(text, file)
    mapping = mapping_of(document)
    document.raise_problems()
    assert mapping is not None
    return mapping


def repeated_mappings(mappings: Iterable[Mapping]) -> list[Problem]:
    """A problem for each file whose mapping has the name of another one's.

    The ids of events are made with the name, so two of one name could make the same.
    """
    first: dict[str, str] = {}
    problems = []
    for mapping in mappings:
        if mapping.name in first:
            message = f"the mapping {mapping.name!r} is already in {first[mapping.name]}"
            problems.append(Problem(mapping.source, 1, 1, message, "give it another name"))
        else:
            first[mapping.name] = mapping.source
    return problems


def mapping_of(document: Document) -> Mapping | None:
    """The mapping in a composed document; ``None`` if the document has problems, then or now."""
    root = document.root
    required = ("mapping", "on", "match", "emit")
    fields = root.fields(MAPPING_KEYS, required=required) if root else None
    if fields is None:
        return None
    signal = Signal(fields.choice("on", tuple(Signal), Signal.SPAN))
    mapping = Mapping(
        name=fields.word("mapping", longest=128),
        signal=signal,
        match=_cases(fields, "match", signal),
        emit=_emits(fields, signal),
        ignores_others=_otherwise(fields, signal),
        source=document.file,
    )
    return None if document.problems else mapping


def _otherwise(fields: Fields, signal: Signal) -> bool:
    value = fields.get("otherwise")
    if value is None:
        return False
    if signal is Signal.SPAN:
        fix = "remove it: spans that no mapping matches are ignored"
        value.problem("otherwise belongs to mappings of logs", fix)
    return fields.choice("otherwise", ("ignore", "refuse"), "refuse") == "ignore"


def _cases(fields: Fields, name: str, signal: Signal) -> Cases:
    """Conditions that must all hold, or a list of such of which one must."""
    value = fields.get(name)
    if value is None:
        return ((),)
    entries = value.entries() if value.type == "seq" else [value]
    if value.type == "seq" and not entries:
        value.problem(f"{name} is an empty list, so that nothing matches", "name a condition")
    for entry in entries:
        if entry.type == "map" and not entry.pairs():
            fix = f"name a condition, for example {OWN[signal][0]}: …"
            entry.problem(f"{name} is empty, so that every {signal} matches", fix)
    return tuple(_conditions(entry, signal) for entry in entries)


def _conditions(value: Value, signal: Signal) -> tuple[Condition, ...]:
    fields = value.fields((*OWN[signal], "attributes", "resource"))
    if fields is None:
        return ()
    found: list[Condition] = []
    for name in fields:
        inner = fields.get(name)
        assert inner is not None
        if name in ("attributes", "resource"):
            place = Place.RESOURCE if name == "resource" else Place.ATTRIBUTE
            pairs = inner.pairs()
            if inner.type == "map" and not pairs:
                inner.problem(f"{name} is empty", "name an attribute, or remove it")
            for key, wanted in pairs:
                word = key.word()
                if word is not None:
                    found.append(_condition(Key(place, word), wanted))
        else:
            found.append(_condition(Key(Place.OWN, name), inner))
    return tuple(found)


def _condition(key: Key, value: Value) -> Condition:
    """One word, a list of which one must hold, or tests by name."""
    if value.type != "map":
        return Condition(key=key, one_of=_words(key, value))
    fields = value.fields(TEST_KEYS)
    if fields is None or not list(fields):
        value.problem(f"{value.name} says nothing", f"one of: {', '.join(TEST_KEYS)}")
        return Condition(key=key)
    equals, unlike = fields.get("equals"), fields.get("not")
    return Condition(
        key=key,
        exists=fields.boolean("exists") if "exists" in fields else None,
        one_of=_words(key, equals) if equals else None,
        none_of=_words(key, unlike) if unlike else frozenset(),
        prefix=fields.word("prefix"),
        matches=_pattern(fields.get("matches")),
    )


def _words(key: Key, value: Value) -> frozenset[str]:
    words = value.words()
    if value.type == "seq" and not value.entries():
        value.problem(f"{value.name} is an empty list, so that nothing matches", "name a value")
    known = {"kind": KINDS, "status": STATUSES}.get(key.name) if key.place is Place.OWN else None
    for place, word in words:
        if known and word not in known:
            place.problem(f"{key.name} cannot be {word!r}", did_you_mean(word, known))
    return frozenset(word for _, word in words)


def _pattern(value: Value | None) -> Pattern | None:
    text = value.text() if value else None
    if value is None or text is None:
        return None
    if not text:
        value.problem("matches is empty, so that everything matches", "write a pattern")
        return None
    try:
        return Pattern(text)
    except ValueError as error:
        fix = "write a regular expression without look-around and back-references"
        value.problem(f"matches: {text!r} is not a pattern: {error}", fix)
        return None


def _emits(fields: Fields, signal: Signal) -> tuple[Emit, ...]:
    value, shared = fields.get("emit"), fields.get("fields")
    if value is None:
        return ()
    entries = value.entries()
    if value.type == "seq" and not entries:
        value.problem("there must be at least one event")
    if len(entries) > MAX_EMITS:
        value.problem(f"more than {MAX_EMITS} events are made of one {signal}", "remove some")
    common = _rules(shared, signal, _every_field()) if shared else {}
    emits = []
    used: set[str] = set()
    for place, entry in enumerate(entries, 1):
        read = _emit(place, entry, signal, common, used)
        if read is not None:
            emits.append(read)
    if len(entries) > 1 and "event_id" in common and shared is not None:
        what = "event_id would be the same for several events, of which one counts"
        shared.problem(what, "leave it out, or give each event its own")
    if len(emits) == len(entries):
        for key, _ in shared.pairs() if shared else ():
            name = str(key.node.value)
            if name in common and name not in used:
                key.problem(f"none of the events has the field {name!r}", "remove it")
    return tuple(emits)


def _every_field() -> dict[str, Field]:
    return {name: field for kind in EventKind for name, field in fields_of(kind).items()}


def _emit(
    place: int, entry: Value, signal: Signal, common: dict[str, FieldRule], used: set[str]
) -> Emit | None:
    needed = ("event", "occurred_at") if signal is Signal.SPAN else ("event",)
    fields = entry.fields(EMIT_KEYS, required=needed)
    if fields is None:
        return None
    word = fields.choice("event", tuple(EventKind), "")
    kind = EventKind(word) if word else None
    known = fields_of(kind) if kind else _every_field()
    own = fields.get("fields")
    rules = {name: rule for name, rule in common.items() if name in known}
    used.update(rules)
    rules |= _rules(own, signal, known, kind) if own else {}
    emit = Emit(
        place=place,
        kind=kind or EventKind.TRANSITION,
        occurred_at=fields.choice("occurred_at", TIMES[signal], TIMES[signal][0]),
        when=_cases(fields, "when", signal),
        fields=tuple(
            FieldRule(
                field=rule.field,
                sources=rule.sources,
                required=rule.required or bool(kind and is_required(rule.field, kind)),
            )
            for rule in rules.values()
        ),
        keep=tuple(word for _, word in fields.words("keep")),
    )
    if kind is None:
        return None
    for name, field in known.items():
        if is_required(field, kind) and name not in rules:
            entry.problem(f"every {kind} event needs {name}", f"add {name} under fields")
    return emit


def _rules(
    value: Value, signal: Signal, known: dict[str, Field], kind: EventKind | None = None
) -> dict[str, FieldRule]:
    rules: dict[str, FieldRule] = {}
    for key, given in value.pairs():
        name = str(key.node.value)
        field = known.get(name)
        if field is None:
            of = f"a {kind} event" if kind else "any event"
            if kind and name in _every_field():
                key.problem(f"{name!r} is not a field of {of}", "remove it")
            else:
                key.problem(f"{name!r} is not a field of {of}", did_you_mean(name, known))
            continue
        entries = given.entries() if given.type == "seq" else [given]
        if given.type == "seq" and not entries:
            given.problem(f"{name} is an empty list", "name where its value comes from")
        read = [source_of(each, signal, field) for each in entries]
        rules[name] = FieldRule(
            field=field,
            sources=tuple(source for source, _ in read if source is not None),
            required=any(required for _, required in read),
        )
    return rules
