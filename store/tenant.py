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

_TYPES: Final = 1000  # whose definitions are remembered; anybody may ask about a type that is none


class TenantStore:
    """Named queries for one tenant over one connection.

    Figures come from what settlements have written, or with ``source="events"`` from all events:
    the same answer, at the price of reading everything.
    """

    def __init__(self, connection: Connection, tenant: str, source: Source = "settled") -> None:
        self._connection = connection
        self._source: Source = source
        self._judging: dict[str, tuple[int, Mapping[str, Any]]] = {}
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
        in_force = self._connection.query(query_text("in_force"), {"tenant": self.tenant})[0]
        judging = self._judge(parameters["workflow"], in_force["revision"])
        by_sequence = bool(judging["by_sequence"])
        return self._connection.query(
            query_text(name, by_sequence=by_sequence, source=self._source),
            {**bound, **judging, "settlement": in_force["settlement"]},
        )

    def _judge(self, workflow: str, revision: int) -> Mapping[str, Any]:
        """What the definitions say of a type. A revision never changes, so it is asked once."""
        known = self._judging.get(workflow)
        if known is None or known[0] != revision:
            asked = {"tenant": self.tenant, "workflow": workflow, "revision": revision}
            known = revision, self._connection.query(query_text("judging"), asked)[0]
            if len(self._judging) >= _TYPES:
                self._judging.clear()
            self._judging[workflow] = known
        return known[1]

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
