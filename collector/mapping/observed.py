"""A span or log record as mappings see it, whichever encoding it came in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lifecycle.mapping import Key, Place, Signal


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
    read_exception: Callable[[], tuple[str, str]] | None = None
    _attributes: dict[str, Any] | None = field(default=None, init=False)

    @property
    def attributes(self) -> dict[str, Any]:
        """By name; those that cannot be read are left out."""
        if self._attributes is None:
            self._attributes = self.read_attributes()
        return self._attributes

    def value(self, key: Key) -> Any:
        """One value; ``None`` or empty where it is missing."""
        if key.place is Place.ATTRIBUTE:
            return self.attributes.get(key.name)
        if key.place is Place.RESOURCE:
            return self.resource.get(key.name)
        if self.read_exception is not None and key.name.startswith("exception_"):
            self.own["exception_type"], self.own["exception_message"] = self.read_exception()
            self.read_exception = None
        return self.own.get(key.name)


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
