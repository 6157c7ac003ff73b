"""Emit the transitions, jobs and completions of business operations, for donewatch to follow.

>>> from donewatch import Workflow
>>> order = Workflow("order", version="3")
>>> order.transition("o-17", None, "submitted", action="submit")     # doctest: +SKIP
'0199e2b4-6a2f-7c31-9d0e-3f1f0a6b8c55'

Emitting never blocks the caller and never raises into it; what had to be dropped is counted
(:func:`stats`) and reported in heartbeats. ``import donewatch`` itself loads nothing: OpenTelemetry
comes with the first use of a name below, so ``donewatch.attributes`` stays free of it.
"""

import importlib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from donewatch.definition import DefinitionError
    from donewatch.ledger import Stats
    from donewatch.runtime import configure, flush, shutdown, stats
    from donewatch.signals import flush_on_sigterm
    from donewatch.workflow import Workflow

__all__ = [
    "DefinitionError",
    "Stats",
    "Workflow",
    "configure",
    "flush",
    "flush_on_sigterm",
    "shutdown",
    "stats",
]

__version__: Final = "0.1.0"

_HOMES: Final = {
    "DefinitionError": "donewatch.definition",
    "Stats": "donewatch.ledger",
    "Workflow": "donewatch.workflow",
    "configure": "donewatch.runtime",
    "flush": "donewatch.runtime",
    "flush_on_sigterm": "donewatch.signals",
    "shutdown": "donewatch.runtime",
    "stats": "donewatch.runtime",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'donewatch' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
