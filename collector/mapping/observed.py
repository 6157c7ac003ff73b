"""A span or log record as mappings see it, whichever encoding it came in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lifecycle.mapping import Signal


@dataclass(slots=True)
class Observed:
    """One record. ``own`` are its parts by the names of ``lifecycle.mapping.OWN``.

    Attributes, and what needs looking for, are decoded when a mapping first asks: most of the spans
    of a shared pipeline belong to nobody here, and their names and kinds already say so.
    """

    index: int
    signal: Signal
    own: dict[str, Any]
    resource: Mapping[str, Any]
    read_attributes: Callable[[], dict[str, Any]]
    read_exception: Callable[[], dict[str, str]] = dict
    _attributes: dict[str, Any] | None = field(default=None, init=False)
    _exception: dict[str, str] | None = field(default=None, init=False)

    @property
    def attributes(self) -> dict[str, Any]:
        """By name; those that cannot be read are left out."""
        found = self._attributes
        if found is None:
            found = self._attributes = self.read_attributes()
        return found

    def exception(self) -> dict[str, str]:
        """Parts of the last exception of a span, by the names that mappings call them."""
        found = self._exception
        if found is None:
            found = self._exception = self.read_exception()
        return found


def text_of(value: Any) -> str | None:
    """A value as mappings compare and write it; ``None`` for what is missing, empty or no scalar.

    ``true`` and ``false`` as in YAML and JSON, numbers in their shortest form.
    """
    if type(value) is str:
        return value or None
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is int:
        return str(value)
    if type(value) is float:
        return repr(value)
    return None
