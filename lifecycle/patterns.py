"""Patterns that any text can be held against: their time is bounded by the text's length.

Python's own expressions can take for ever over a hostile text; these are Rust's, which cannot, and
which therefore know neither look-around nor back-references.
"""

from typing import Final

from pydantic_core import SchemaError, SchemaValidator, core_schema

MAX_PATTERN: Final = 500  # characters
MAX_TEXT: Final = 4_096  # characters looked at; what is longer does not match


class Pattern:
    """One regular expression, found anywhere in a text unless it is anchored by ``^`` and ``$``."""

    __slots__ = ("_validator", "source")

    def __init__(self, source: str) -> None:
        """:raises ValueError: not such an expression; the message is one line."""
        if len(source) > MAX_PATTERN:
            raise ValueError(f"it is longer than {MAX_PATTERN} characters")
        self.source = source
        schema = core_schema.str_schema(
            pattern=source, regex_engine="rust-regex", max_length=MAX_TEXT, strict=True
        )
        try:
            self._validator = SchemaValidator(schema)
        except SchemaError as error:
            raise ValueError(_told(str(error))) from None

    def found_in(self, text: str) -> bool:
        """Whether the text has it."""
        return self._validator.isinstance_python(text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pattern) and self.source == other.source

    def __hash__(self) -> int:
        return hash(self.source)

    def __repr__(self) -> str:
        return f"Pattern({self.source!r})"


def _told(message: str) -> str:
    """The last line says what is wrong; those above draw the expression."""
    return message.strip().splitlines()[-1].strip().removeprefix("error: ").rstrip(".")
