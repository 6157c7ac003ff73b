"""One tenant's view of the store: every question carries the tenant, callers cannot forget it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from store.connection import Connection
from store.queries import Source, query_text

# What the figures' queries may be asked without.
_DEFAULTS: Final[Mapping[str, Any]] = {
    "environments": [],
    "instance_id": "",
    "state": "",
    "from_state": "",
    "to_state": "",
    "action": "",
    "status": "",
    "search": "",
    "longer_than": None,
    "older_than": None,
    "stuck": None,
    "open": None,
    "percentile": 0.5,
    "workflow_type": "",
    "kinds": [],
    "after_collector": "",
    "after_segment": 0,
    "after_position": 0,
    "limit": 1000,
}


class TenantStore:
    """Named queries for one tenant over one connection.

    Figures come from what settlements have written, or with ``source="events"`` from all events:
    the same answer, at the price of reading everything.
    """

    def __init__(self, connection: Connection, tenant: str, source: Source = "settled") -> None:
        self._connection = connection
        self._source: Source = source
        self.tenant = tenant

    def query(self, name: str, /, **parameters: Any) -> list[dict[str, Any]]:
        """Ask the question ``store/sql/<name>.sql``; times of its rows are aware, in UTC.

        :raises KeyError: there is no such question.
        :raises StoreUnavailable: the store is away or overloaded.
        :raises StoreRefused: a parameter is missing or of the wrong type.
        """
        if name == "instances":
            return self._instances(parameters)
        return self._ask(name, parameters)

    def _ask(self, name: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        bound = {**_DEFAULTS, **parameters, "tenant": self.tenant}
        if "workflow" not in parameters:
            return self._connection.query(query_text(name), bound)
        head = self._connection.query(query_text("judging"), bound)[0]
        by_sequence = bool(head.pop("by_sequence"))
        return self._connection.query(
            query_text(name, by_sequence=by_sequence, source=self._source), bound | head
        )

    def _instances(self, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Instances of one type, or of all types merged: judging is per type."""
        arguments = {**_DEFAULTS, **parameters}
        after = arguments.pop("after", None)
        at, environment, instance = after if after is not None else (None, "", "")
        arguments |= {"after_at": at, "after_environment": environment, "after_instance": instance}
        workflows: Sequence[str] = (
            [arguments["workflow"]]
            if arguments.get("workflow")
            else [row["workflow_type"] for row in self._ask("workflows", {})]
        )
        found: list[dict[str, Any]] = []
        for workflow in workflows:
            found += self._ask("instances", {**arguments, "workflow": workflow})
        found.sort(key=lambda row: (row["entered_at"], row["environment"], row["instance_id"]))
        return found[: arguments["limit"]]
