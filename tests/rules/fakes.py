"""What the tests of rules have in common: a query with set answers, moments, definitions."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from lifecycle.definition_files import read_definition
from lifecycle.definitions import Definitions
from rules.sample import Moment

START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)

ORDER = read_definition(
    """
workflow: order
version: 3
owner: checkout
lateness: 10s
stuck_after: 1d
runbook_url: https://runbooks.example/order
states:
  submitted: {status: accepted, stuck_after: 2m}
  payment_pending: {status: processing, stuck_after: 15m}
  paid: {status: processing}
  completed: {status: completed, terminal: true}
transitions:
  - {action: submit, to: submitted}
  - {action: ask, from: submitted, to: payment_pending}
  - {action: pay, from: payment_pending, to: paid}
  - {action: fulfil, from: paid, to: completed}
completion: {starts: submitted, visible: true, objective: {within: 2m, share: 99%, window: 30d}}
outbox: {max_lag: 30s}
jobs: {charge: {max_attempts: 5}}
""",
    "order.yaml",
)
BARE = read_definition(
    """
workflow: bare
version: 1
states:
  a: {status: accepted}
  b: {status: completed, terminal: true}
transitions:
  - {action: start, to: a}
  - {action: end, from: a, to: b}
""",
    "bare.yaml",
)
DEFINITIONS = Definitions((ORDER, BARE))

Rows = list[dict[str, Any]]


class FakeQuery:
    """Answers by name, with rows or with a function of the parameters; remembers what was asked."""

    def __init__(self, **answers: Rows | Callable[..., Rows] | Exception) -> None:
        self.answers = answers
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, name: str, /, **parameters: Any) -> Rows:
        self.asked.append((name, parameters))
        answer = self.answers[name]
        if isinstance(answer, Exception):
            raise answer
        return answer(**parameters) if callable(answer) else answer

    def parameters(self, name: str) -> list[dict[str, Any]]:
        return [parameters for asked, parameters in self.asked if asked == name]


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def moment(seconds: float = 0.0, *, flushed: float | None = None, blind: str = "") -> Moment:
    """A moment that sees everything, unless told otherwise (in seconds after the start)."""
    return Moment(
        now=at(seconds),
        flushed=at(seconds if flushed is None else flushed),
        definitions=DEFINITIONS,
        blind=blind,
    )


def in_environments(*names: str) -> Rows:
    return [{"environment": name} for name in names]
