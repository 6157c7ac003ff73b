"""Asks the model and something else the same, and tells where they differ."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from tests.model.case import Case

Row = Mapping[str, Any]
Query = Callable[..., Sequence[Row]]

TOLERANCE = 1e-6

# "oldest first", "newest first": the column that must not rise (-1) or fall (1) from row to row
SORTED_BY = {
    "stuck": ("age", -1),
    "outbox_members": ("age", -1),
    "completion_members": ("age", -1),
    "illegal_members": ("effective_at", -1),
    "retry_exhaustion_members": ("ended_at", -1),
}


def compare(
    run_query: Query, case: Case, *, thorough: bool = True, leave_out: Collection[str] = ()
) -> None:
    """Ask ``run_query(name, **parameters)`` for every figure of a case whose events it has stored.

    Floats may differ by 1e-6; the order of rows matters where the figure names one; columns that
    the model does not have are ignored. ``thorough`` as for ``Case.questions``; ``leave_out`` names
    figures.

    :raises AssertionError: an answer is not the model's; names figure, parameters and rows.
    """
    for figure, parameters in case.questions(thorough=thorough):
        if figure in leave_out:
            continue
        expected = case.model(figure, **parameters)
        actual = run_query(figure, **parameters)
        found = difference(figure, expected, actual)
        if not found and figure == "stuck" and len(expected) > 1:
            # what is left out by the limit still counts, and is not the oldest
            parameters = {**parameters, "limit": 1}
            actual = run_query(figure, **parameters)
            kept = [row for row in expected if row["age"] == expected[0]["age"]]
            if len(actual) != 1 or not any(matches(row, actual[0]) for row in kept):
                found = difference(figure, expected[:1], actual)
        if found:
            raise AssertionError(explain(figure, parameters, found, case))


def difference(figure: str, expected: Sequence[Row], actual: Sequence[Row]) -> list[str]:
    """What is missing from or too much in ``actual``, one line a row; empty if nothing."""
    unmatched = list(actual)
    lines = []
    for row in expected:
        found = next((each for each in unmatched if matches(row, each)), None)
        if found is None:
            lines.append(f"- {dict(row)}")
        else:
            unmatched.remove(found)
    lines += [f"+ {dict(row)}" for row in unmatched]
    if not lines and figure in SORTED_BY:
        column, direction = SORTED_BY[figure]
        values = [row[column] for row in actual]
        if values != sorted(values, reverse=direction < 0):
            lines.append(f"rows are not in the order of {column}: {values}")
    return lines


def matches(expected: Row, actual: Row) -> bool:
    """Whether every column of ``expected`` is in ``actual`` with the same value."""
    return all(name in actual and same(value, actual[name]) for name, value in expected.items())


def same(expected: Any, actual: Any) -> bool:
    """Equality with room for the rounding of floats; ``None`` and NaN are nobody's number."""
    if expected is None or actual is None:
        return expected is actual
    if isinstance(expected, (int, float)) and isinstance(actual, (int, float)):
        return abs(expected - actual) <= TOLERANCE
    return bool(expected == actual)


def explain(figure: str, parameters: Row, lines: Sequence[str], case: Case) -> str:
    """A page that shows the difference and the case, with times in seconds from its first event."""
    base = min((event.occurred_at for event in case.events), default=0)
    told = [
        f"{figure}({_readable(parameters)}) differs; - only the model has, + only the store has",
        *lines,
        "events in order of receipt:",
    ]
    for event in case.events:
        shown = {
            name: value
            for name in event.__slots__
            if (value := getattr(event, name)) not in ("", None, "{}")
            and name not in ("tenant", "collector", "segment", "position")
        }
        for name in ("occurred_at", "received_at", "entered_at", "scheduled_at"):
            if name in shown:
                shown[name] = f"{(shown[name] - base) / 1e6:+.6g} s"
        told.append(f"  {shown}")
    told.append("definitions:")
    for definition in case.definitions:
        told.append(
            f"  {definition.workflow} {definition.version} by {definition.order_by}, "
            f"run at most {definition.stuck_after}, {definition.completion}, "
            f"jobs { {name: limits.max_attempts for name, limits in definition.jobs.items()} }"
        )
        told += [
            f"    {state.name}: {state.status}{' terminal' * state.terminal}, {state.stuck_after}"
            for state in definition.states
        ]
        told += [
            f"    {edge.from_state!r} -> {edge.to_state!r} {edge.action}{' reenter' * edge.reenter}"
            for edge in definition.edges
        ]
    told.append(f"first event at {base} µs")
    return "\n".join(told)


def _readable(parameters: Row) -> str:
    return ", ".join(
        f"{name}={value.isoformat() if isinstance(value, datetime) else repr(value)}"
        for name, value in parameters.items()
    )
