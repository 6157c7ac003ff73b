"""Errors that a person can act on.

::

    DonewatchError             what was wrong, where, and what would be right
    ├── DocumentError          a definition, rule or mapping file has problems; all of them
    ├── SettingsError          the service cannot start as configured
    └── StoreError             the store did not do as asked
        ├── StoreUnavailable   temporary: nothing is known to be wrong with the request; try again
        ├── StoreRefused       permanent: the same request will fail again
        └── StoreLocked        another process holds the embedded data; names it
"""

from collections.abc import Sequence
from dataclasses import dataclass


class DonewatchError(Exception):
    """The root: whatever donewatch itself raises."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong in a file. ``line`` and ``column`` count from 1."""

    file: str
    line: int
    column: int
    message: str
    fix: str = ""

    def __str__(self) -> str:
        fix = f" ({self.fix})" if self.fix else ""
        return f"{self.file}:{self.line}:{self.column}: {self.message}{fix}"


class DocumentError(DonewatchError):
    """A file cannot be taken; ``problems`` has every reason, in the order of the file."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class SettingsError(DonewatchError):
    """The service cannot start with these settings."""


class StoreError(DonewatchError):
    """The store did not do as asked."""


class StoreUnavailable(StoreError):
    """The store is away, overloaded or too slow; the same request may succeed later."""


class StoreRefused(StoreError):
    """The store understood the request and will refuse it again."""


class StoreLocked(StoreError):
    """Another process holds the embedded data directory."""
