"""Conditions and sources of mappings as functions: made once, called for every record."""

from collections.abc import Callable, Sequence
from typing import Any

from collector.mapping.observed import Observed, text_of
from collector.records import Flaw
from collector.values import reader_of
from lifecycle.events import FieldType
from lifecycle.mapping import Cases, Condition, FieldRule, Key, Place, Source

Test = Callable[[Observed], bool]
Value = Callable[[Observed], Any]

_LONGEST = 65_536  # characters of a text that is looked at; no field is as long
# cheapest first: attributes are decoded for those alone that could still match
_COST = {Place.OWN: 0, Place.RESOURCE: 1, Place.ATTRIBUTE: 2}
_DIGITS = frozenset("0123456789")


def test_of(cases: Cases) -> Test:
    """Whether all conditions of one case hold."""
    tests = [_all(each) for each in cases]
    if len(tests) == 1:
        return tests[0]
    return lambda observed: any(test(observed) for test in tests)


def first_failure(cases: Cases, observed: Observed) -> str:
    """What of the case that comes nearest does not hold, for a person."""
    failing = [[each for each in case if not _test(each)(observed)] for case in cases]
    nearest = min(failing, key=len)
    if not nearest:
        return ""
    key = nearest[0].key
    value = getter_of(key)(observed)
    if value is None or value == "":
        return f"{key} is missing"
    text = text_of(value)
    return f"{key} is {text[:80]!r}" if text is not None else f"{key} is no text or number"


def _all(conditions: Sequence[Condition]) -> Test:
    tests = [_test(each) for each in sorted(conditions, key=lambda each: _COST[each.key.place])]

    def holds(observed: Observed) -> bool:
        return all(test(observed) for test in tests)  # of none: always

    return holds


def getter_of(key: Key) -> Value:
    """What reads one value of a record; ``None`` or empty where it is missing."""
    name = key.name
    if key.place is Place.ATTRIBUTE:
        return lambda observed: observed.attributes.get(name)
    if key.place is Place.RESOURCE:
        return lambda observed: observed.resource.get(name)
    if name.startswith("exception_"):
        return lambda observed: observed.exception().get(name)
    return lambda observed: observed.own.get(name)


def _test(condition: Condition) -> Test:
    get = getter_of(condition.key)
    one_of, none_of = condition.one_of, condition.none_of
    exists, prefix, pattern = condition.exists, condition.prefix, condition.matches
    valued = one_of is not None or bool(prefix) or pattern is not None

    def holds(observed: Observed) -> bool:
        value = get(observed)
        if exists is not None and exists is (value is None or value == ""):
            return False
        text = text_of(value)
        if text is None:
            return not valued
        return (
            (one_of is None or text in one_of)
            and text not in none_of
            and text.startswith(prefix)
            and (pattern is None or pattern.found_in(text))
        )

    return holds


class FieldValue:
    """One field of an event to come."""

    __slots__ = ("_read", "_sources", "_type", "rule")

    def __init__(self, rule: FieldRule) -> None:
        self.rule = rule
        self._type = rule.field.type
        self._read = reader_of(rule.field)
        self._sources = tuple(_source(each) for each in rule.sources)

    def __call__(self, observed: Observed) -> Any:
        """The value of the first source that has one which the field can have.

        If there are none, ``None``; if there are only others, the flaw of the first.
        """
        flaw: Flaw | None = None
        for source in self._sources:
            value = self._typed(source(observed))
            if value is None or value == "":
                continue
            try:
                self._read(value)
            except Flaw as error:
                flaw = flaw or error
                continue
            return value
        return flaw

    def _typed(self, value: Any) -> Any:
        """Numbers in texts and texts of numbers: instrumentations do not agree."""
        if self._type is FieldType.STRING:
            return text_of(value)
        if self._type is FieldType.INTEGER and type(value) is str and _is_integer(value):
            return int(value)
        return value


def _is_integer(text: str) -> bool:
    digits = text.removeprefix("-")
    return 0 < len(digits) < 20 and _DIGITS.issuperset(digits)


def _source(source: Source) -> Value:
    given = _given(source)
    after, before, table, plus = source.after, source.before, source.table, source.plus
    changes = bool(after or before or plus) or table is not None
    default = source.default

    def changed(value: Any) -> Any:
        if after or before:
            value = _between(text_of(value), after, before)
        if table is not None:
            value = table.get(text_of(value) or "")
        if plus:
            text = text_of(value)
            value = int(text) + plus if text is not None and _is_integer(text) else None
        return value

    def read(observed: Observed) -> Any:
        value = given(observed)
        if changes and value is not None:
            value = changed(value)
        return default if value is None or value == "" else value

    return read


def _given(source: Source) -> Value:
    if source.key is not None:
        return getter_of(source.key)
    if source.template:
        return _template(source.template)
    literal = source.literal
    return lambda observed: literal


def _template(parts: Sequence[str | Key]) -> Value:
    """The text with all values in their places; ``None`` if one of them is missing."""
    readers = [part if isinstance(part, str) else getter_of(part) for part in parts]

    def read(observed: Observed) -> str | None:
        texts = [each if isinstance(each, str) else text_of(each(observed)) for each in readers]
        present = [each for each in texts if each is not None]
        return "".join(present) if len(present) == len(texts) else None

    return read


def _between(text: str | None, after: str, before: str) -> str | None:
    """What stands after the one and before the other; ``None`` if one of them is not there."""
    if text is None or len(text) > _LONGEST:
        return None
    if after:
        _, found, text = text.partition(after)
        if not found:
            return None
    if before:
        text, found, _ = text.partition(before)
        if not found:
            return None
    return text
