"""Writing the definitions in force, a revision whole at a time, and reading them back."""

from collections.abc import Callable, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

from lifecycle.definitions import Definition, Definitions
from store.connection import Connection, to_microseconds
from store.queries import query_text

_COLUMNS = (
    "tenant",
    "revision",
    "loaded_at",
    "workflow_type",
    "workflow_version",
    "newest",
    "order_by",
    "lateness",
    "stuck_after",
    "starts",
    "visible",
    "states",
    "edges",
    "jobs",
    "digest",
    "source",
)


def save_definitions(
    connection: Connection, tenant: str, definitions: Definitions, now: datetime
) -> bool:
    """Put these definitions in force, as a new revision; returns whether anything had changed."""
    rows = [
        _row(each, newest=definitions.newest(each.workflow) == each) for each in definitions.all
    ]
    rows = sorted(rows, key=lambda row: (row["workflow_type"], row["workflow_version"])) or [
        _row(Definition(workflow="", version="", states=(), edges=()), newest=False)
    ]
    if [row["digest"] for row in rows] == _in_force(connection, tenant, "digest"):
        return False
    moment = to_microseconds(now)
    # a clock stepped back must not leave the older revision in force
    rows_before = connection.query(query_text("revision_in_force"), {"tenant": tenant})
    revision = max(moment, rows_before[0]["revision"] + 1)
    for row in rows:
        row |= {"tenant": tenant, "revision": revision, "loaded_at": moment}
    connection.insert("definitions", _COLUMNS, [[row[name] for row in rows] for name in _COLUMNS])
    return True


def load_definitions(
    connection: Connection, tenant: str, parse: Callable[[str, str], Definition]
) -> Definitions:
    """The definitions in force, from their sources; ``parse(text, file name)`` reads one."""
    return Definitions(
        tuple(parse(text, "the store") for text in _in_force(connection, tenant, "source") if text)
    )


def _in_force(connection: Connection, tenant: str, column: str) -> Sequence[str]:
    rows = connection.query(query_text("definitions_in_force"), {"tenant": tenant})
    return [row[column] for row in rows]


def _row(definition: Definition, *, newest: bool) -> dict[str, Any]:
    return {
        "digest": sha256(repr(definition).encode()).hexdigest(),
        "workflow_type": definition.workflow,
        "workflow_version": definition.version,
        "newest": int(newest),
        "order_by": definition.order_by,
        "lateness": definition.lateness,
        "stuck_after": definition.stuck_after,
        "starts": definition.completion.starts,
        "visible": int(definition.completion.visible),
        "states": [
            (state.name, state.status.value, int(state.terminal), state.stuck_after)
            for state in definition.states
        ],
        "edges": [
            (edge.from_state, edge.to_state, edge.action, int(edge.reenter))
            for edge in definition.edges
        ],
        "jobs": [(name, limits.max_attempts) for name, limits in sorted(definition.jobs.items())],
        "source": definition.source,
    }
