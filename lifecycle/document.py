"""A YAML text whose every value knows its line and column.

Readers never stop at the first mistake: each records its :class:`~lifecycle.errors.Problem` in the
document and answers ``None``, so that a person sees every error of a file at once. Nothing is
constructed from tags: only the composed nodes are looked at.
"""

import difflib
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

import yaml

from lifecycle.durations import parse_duration
from lifecycle.errors import DocumentError, Problem

MAX_TEXT: Final = 1 << 20  # characters; the reader is pure Python, a larger file is no definition
MAX_NODES: Final = 100_000  # values of a document with every alias written out
MAX_SECONDS: Final = 10 * 365 * 86400.0  # no limit or window is longer; keeps dates in range

_TAG: Final = "tag:yaml.org,2002:"
_TYPES: Final = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "null": "nothing",
    "timestamp": "a date",
    "map": "a mapping",
    "seq": "a list",
    "binary": "binary data",
    "merge": "a merge key",
    "value": "a value key",
}
_SHARE: Final = re.compile(r"(\d{1,3}(?:\.\d{1,9})?)\s?%")


@dataclass(slots=True)
class Document:
    """One YAML file, composed; ``problems`` grows as it is read."""

    file: str
    text: str
    root: "Value | None" = None
    problems: list[Problem] = field(default_factory=list)

    def problem(self, line: int, column: int, message: str, fix: str = "") -> None:
        """Record one mistake; ``line`` and ``column`` count from 1."""
        found = Problem(self.file, line, column, message, fix)
        if found not in self.problems:  # an aliased value is read more than once
            self.problems.append(found)

    def raise_problems(self) -> None:
        """:raises DocumentError: something was recorded."""
        if self.problems:
            raise DocumentError(self.problems)


def open_document(text: str, file: str) -> Document:
    """Compose a text. ``root`` is ``None`` where it is no YAML; the problems then say why."""
    document = Document(file, text)
    if len(text) > MAX_TEXT:
        document.problem(1, 1, f"the file has more than {MAX_TEXT:,} characters", "split it")
        return document
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is None:
            document.problem(1, 1, "the file is empty")
        elif _sound(node, document):
            document.root = Value(node, document, "the file")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        what = " ".join(filter(None, (error.context, error.problem)))
        document.problem(line, column, f"not valid YAML: {what}")
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        line = before.count("\n") + 1
        column = len(before) - before.rfind("\n")
        document.problem(line, column, "not valid YAML: a control character", "remove it")
    except (ValueError, RecursionError) as error:
        # Numbers in a percent escape or %YAML directive; hundreds of nested brackets.
        what = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        document.problem(1, 1, f"not valid YAML: {what}")
    return document


def _sound(root: yaml.Node, document: Document) -> bool:
    """Whether the nodes can be read: no cycles or foreign tags, keys are texts, not too many.

    Duplicate keys are reported as well, and do not keep the rest from being read.
    """
    sizes: dict[int, int] = {}
    repeated: list[tuple[yaml.Node, str]] = []
    walking: set[int] = set()

    def size(node: yaml.Node) -> int:
        if id(node) in walking:
            _at(document, node, "an alias refers to the value it stands in", "write the value out")
            return 1
        if id(node) in sizes:
            return sizes[id(node)]
        walking.add(id(node))
        if not (node.tag.startswith(_TAG) and node.tag.removeprefix(_TAG) in _TYPES):
            _at(document, node, f"the tag {node.tag!r} means nothing here", "remove it")
        total = 1
        if isinstance(node, yaml.MappingNode):
            repeated.extend(_check_keys(node, document))
            total += sum(size(key) + size(value) for key, value in node.value)
        elif isinstance(node, yaml.SequenceNode):
            total += sum(size(each) for each in node.value)
        walking.discard(id(node))
        sizes[id(node)] = total
        return total

    if size(root) > MAX_NODES:
        document.problem(1, 1, f"with its aliases written out it has over {MAX_NODES:,} values")
        return False
    sound = not document.problems
    for key, message in repeated:
        _at(document, key, message, "keep one of the two")
    return sound


def _check_keys(node: yaml.MappingNode, document: Document) -> list[tuple[yaml.Node, str]]:
    first: dict[str, int] = {}
    repeated: list[tuple[yaml.Node, str]] = []
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            _at(document, key, "a key must be text")
        elif key.tag == _TAG + "merge":
            _at(document, key, "merge keys are not supported", "write the keys out")
        elif key.value in first:
            message = f"the key {key.value!r} is already given in line {first[key.value]}"
            repeated.append((key, message))
        else:
            first[key.value] = key.start_mark.line + 1
    return repeated


def _at(document: Document, node: yaml.Node, message: str, fix: str = "") -> None:
    document.problem(node.start_mark.line + 1, node.start_mark.column + 1, message, fix)


def did_you_mean(word: str, known: Iterable[str], otherwise: str = "") -> str:
    """The fix for a mistyped word: the nearest known one, else the list of them."""
    names = [str(each) for each in known]
    near = difflib.get_close_matches(word, names, n=1)
    if near:
        return f"did you mean {near[0]!r}?"
    return otherwise or (f"one of: {', '.join(names)}" if names else "")


@dataclass(frozen=True, slots=True)
class Value:
    """One located value. ``name`` is how messages call it: the key it stands under."""

    node: yaml.Node
    document: Document
    name: str

    @property
    def line(self) -> int:
        """Counted from 1."""
        return self.node.start_mark.line + 1

    @property
    def column(self) -> int:
        """Counted from 1."""
        return self.node.start_mark.column + 1

    def problem(self, message: str, fix: str = "", *, line: int | None = None) -> None:
        """Record what is wrong with this value."""
        if line is None or line == self.line:
            self.document.problem(self.line, self.column, message, fix)
        else:
            self.document.problem(line, 1, message, fix)

    @property
    def is_block(self) -> bool:
        """Whether it is text that begins in the line after its ``|``, one line for a line."""
        return isinstance(self.node, yaml.ScalarNode) and self.node.style == "|"

    @property
    def type(self) -> str:
        """The kind of YAML value: str, int, float, bool, null, timestamp, map, seq…"""
        return self.node.tag.removeprefix(_TAG)

    def _wrong(self, expected: str, fix: str = "") -> None:
        if self.type == "null":
            self.problem(f"{self.name} has no value; it must be {expected}", fix)
        else:
            found = _TYPES[self.type]
            self.problem(f"{self.name} must be {expected}, not {found}", fix)

    def text(self) -> str | None:
        """Text; anything else is wrong."""
        if self.type == "str":
            return str(self.node.value)
        fix = "put it in quotes" if isinstance(self.node, yaml.ScalarNode) else ""
        self._wrong("text", "" if self.type == "null" else fix)
        return None

    def word(self, longest: int = 256) -> str | None:
        """A name or version: any scalar as it is written; ``3``, ``1.10`` and ``on`` are text."""
        if not isinstance(self.node, yaml.ScalarNode) or self.type == "null":
            self._wrong("text")
            return None
        word = str(self.node.value)
        if not word.strip():
            self.problem(f"{self.name} is empty")
        elif len(word) > longest:
            self.problem(f"{self.name} is longer than {longest} characters")
        elif not word.isprintable():
            self.problem(f"{self.name} contains a control character", "remove it")
        else:
            return word
        return None

    def words(self) -> "list[tuple[Value, str]]":
        """One word, or a list of them, each with its place."""
        entries = self.entries() if self.type == "seq" else [self]
        read = [(entry, entry.word()) for entry in entries]
        return [(entry, word) for entry, word in read if word is not None]

    def boolean(self) -> bool | None:
        """``true`` or ``false``; YAML's other spellings (yes, on) are accepted as YAML does."""
        if self.type == "bool":
            return str(self.node.value).lower() in ("true", "yes", "on")
        self._wrong("true or false")
        return None

    def integer(self, least: int = 0, most: int = 2**31 - 1) -> int | None:
        """A whole number within the bounds, in plain decimal digits."""
        raw = str(self.node.value)
        if self.type != "int":
            self._wrong("a whole number")
            return None
        if not re.fullmatch(r"[+-]?[0-9]{1,12}", raw):  # YAML also has 0x10, 0b1 and 1:30
            self.problem(f"{self.name}: {raw!r} is not written in decimal digits")
            return None
        number = int(raw)
        if not least <= number <= most:
            bound = f"at least {least}" if number < least else f"at most {most:,}"
            self.problem(f"{self.name} is {number}; it must be {bound}")
            return None
        return number

    def duration(self, *, zero: bool = False) -> float | None:
        """A duration such as ``15m``, in seconds; ``0s`` only where ``zero`` is allowed."""
        if self.type in ("int", "float"):
            fix = f"write {self.node.value}s if seconds are meant"
            self.problem(f"{self.name} is a number without a unit", fix)
            return None
        text = self.text()
        if text is None:
            return None
        try:
            seconds = parse_duration(text)
        except ValueError:
            fix = "write for example 30s, 15m, 1h30m or 30d"
            self.problem(f"{self.name}: {text!r} is not a duration", fix)
            return None
        if seconds > MAX_SECONDS:
            self.problem(f"{self.name} is longer than ten years", "write at most 3650d")
            return None
        if seconds <= 0 and not zero:
            self.problem(f"{self.name} must be longer than nothing")
            return None
        return seconds

    def share(self) -> float | None:
        """A share such as ``99%``, as a number from 0 to 1."""
        fix = "write a percentage, for example 99% or 99.9%"
        if self.type in ("int", "float"):
            self.problem(f"{self.name} is a number without a percent sign", fix)
            return None
        text = self.text()
        if text is None:
            return None
        match = _SHARE.fullmatch(text)
        if match is None or float(match[1]) > 100:
            self.problem(f"{self.name}: {text!r} is not a share", fix)
            return None
        return round(float(match[1]) / 100, 12)

    def choice(self, choices: Collection[str]) -> str | None:
        """One of a few words."""
        word = self.word()
        if word is None or word in choices:
            return word
        self.problem(f"{self.name} cannot be {word!r}", did_you_mean(word, choices))
        return None

    def entries(self) -> "list[Value]":
        """The entries of a list; empty after a problem."""
        if not isinstance(self.node, yaml.SequenceNode):
            self._wrong("a list")
            return []
        name = f"an entry of {self.name}"
        return [Value(each, self.document, name) for each in self.node.value]

    def pairs(self) -> "list[tuple[Value, Value]]":
        """Keys and values of a mapping with keys of the author's choice; empty after a problem."""
        if not isinstance(self.node, yaml.MappingNode):
            self._wrong("a mapping")
            return []
        return [
            (Value(key, self.document, name), Value(value, self.document, name))
            for key, value in self.node.value
            for name in [key.value if key.value.isprintable() else ascii(key.value)]
        ]

    def fields(self, known: Collection[str], required: Collection[str] = ()) -> "Fields | None":
        """A mapping with known keys; reports unknown and missing ones. ``None`` if no mapping."""
        if not isinstance(self.node, yaml.MappingNode):
            self._wrong("a mapping")
            return None
        values: dict[str, Value] = {}
        for key, value in self.pairs():
            name = str(key.node.value)
            if name in known:
                values[name] = value
            else:
                key.problem(f"unknown key {name!r}", did_you_mean(name, known))
        for name in required:
            if name not in values:
                self.problem(f"{name} is missing", f"add {name}")
        return Fields(self, values)


@dataclass(frozen=True, slots=True)
class Fields:
    """The known keys of a mapping; a missing one reads as its default, a wrong one as well."""

    value: Value
    values: dict[str, Value]

    def get(self, name: str) -> Value | None:
        """The value under a key, if it is there."""
        return self.values.get(name)

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def __iter__(self) -> Iterator[str]:
        return iter(self.values)

    def text(self, name: str) -> str:
        """Text, empty when missing."""
        value = self.values.get(name)
        return (value.text() if value else None) or ""

    def word(self, name: str, longest: int = 256) -> str:
        """A word, empty when missing."""
        value = self.values.get(name)
        return (value.word(longest) if value else None) or ""

    def boolean(self, name: str) -> bool:
        """True or false, false when missing."""
        value = self.values.get(name)
        return bool(value.boolean()) if value else False

    def integer(self, name: str, least: int = 0) -> int | None:
        """A whole number."""
        value = self.values.get(name)
        return value.integer(least) if value else None

    def duration(self, name: str, *, zero: bool = False) -> float | None:
        """Seconds."""
        value = self.values.get(name)
        return value.duration(zero=zero) if value else None

    def share(self, name: str) -> float | None:
        """A number from 0 to 1."""
        value = self.values.get(name)
        return value.share() if value else None

    def choice(self, name: str, choices: Collection[str], default: str) -> str:
        """One of a few words."""
        value = self.values.get(name)
        return (value.choice(choices) if value else None) or default

    def words(self, name: str) -> "list[tuple[Value, str]]":
        """A word or a list of words, each with its place."""
        value = self.values.get(name)
        return value.words() if value else []
