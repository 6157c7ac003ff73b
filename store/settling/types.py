"""What the definitions in force decide about visits and runs, for many workflow types at once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any, Final

from store.connection import Connection, to_microseconds
from store.queries import query_text

_LATENESS: Final = 30.0  # seconds, where no definition says otherwise

Place = tuple[str, str, str]  # tenant, workflow type, environment
TypeKey = tuple[str, str]  # tenant, workflow type


@dataclass(frozen=True, slots=True)
class _Type:
    """One type's definitions, a row each; the newest decides about order, clock and end."""

    rows: tuple[Mapping[str, Any], ...]
    newest: Mapping[str, Any]

    @property
    def by_sequence(self) -> bool:
        return bool(self.newest["order_by"] == "sequence")

    @property
    def fingerprint(self) -> int:
        """Of all that a settlement's result depends on."""
        told = [
            (
                row["workflow_version"],
                row["newest"],
                row["order_by"],
                row["starts"],
                row["visible"],
                row["lateness"],
                sorted((each["name"], each["status"], each["terminal"]) for each in row["states"]),
                sorted(
                    (each["from_state"], each["to_state"], each["action"])
                    for each in row["edges"]
                    if each["reenter"]
                ),
            )
            for row in self.rows
        ]
        return int.from_bytes(blake2b(repr(told).encode(), digest_size=8).digest(), "big")


class Types:
    """The definitions in force of every tenant, as parameters of the queries of a settlement."""

    def __init__(self, rows: Iterable[Mapping[str, Any]]) -> None:
        found: dict[TypeKey, list[Mapping[str, Any]]] = {}
        for row in rows:
            found.setdefault((row["tenant"], row["workflow_type"]), []).append(row)
        self._types = {
            key: _Type(tuple(each), next(row for row in each if row["newest"]))
            for key, each in found.items()
        }

    @classmethod
    def read(cls, connection: Connection) -> "Types":
        """Those in force now."""
        return cls(connection.query(query_text("settling/definitions"), {}))

    @property
    def by_sequence(self) -> bool:
        """Whether any type orders by sequence."""
        return any(each.by_sequence for each in self._types.values())

    @property
    def fingerprints(self) -> Mapping[TypeKey, int]:
        """By type: what changes when visits and runs have to be worked out again."""
        return {key: each.fingerprint for key, each in self._types.items()}

    def split(self, places: Iterable[Place]) -> tuple[list[Place], list[Place]]:
        """The places ordered by time, and those by sequence."""
        by_time: list[Place] = []
        by_sequence: list[Place] = []
        for place in places:
            known = self._types.get(place[:2])
            (by_sequence if known is not None and known.by_sequence else by_time).append(place)
        return by_time, by_sequence

    def parameters(self, places: Sequence[Place], flushed: datetime) -> dict[str, Any]:
        """What ``settling/update.sql`` must know of these places."""
        values: dict[str, list[Any]] = {
            name: []
            for name in (
                *("places", "types", "newest", "starts", "visible_steps", "defined", "settled"),
                *("lateness", "declared_versions", "state_keys", "state_terminal", "state_status"),
                "reenter_keys",
            )
        }
        seen: set[TypeKey] = set()
        for place in places:
            known = self._types.get(place[:2])
            newest = known.newest if known is not None else None
            lateness = newest["lateness"] if newest is not None else _LATENESS
            prefix = f"{place[0]}\0{place[1]}\0"
            values["places"].append(prefix + place[2])
            values["types"].append(prefix)
            values["newest"].append("" if newest is None else prefix + newest["workflow_version"])
            values["starts"].append("" if newest is None else newest["starts"])
            values["visible_steps"].append(0 if newest is None else newest["visible"])
            values["defined"].append(int(known is not None))
            values["settled"].append(to_microseconds(flushed - timedelta(seconds=lateness)))
            values["lateness"].append(lateness)
            if known is not None and place[:2] not in seen:
                seen.add(place[:2])
                self._judging(prefix, known, values)
        return values

    @staticmethod
    def _judging(prefix: str, known: _Type, values: dict[str, list[Any]]) -> None:
        for row in known.rows:
            version = prefix + row["workflow_version"]
            values["declared_versions"].append(version)
            for state in row["states"]:
                values["state_keys"].append(f"{version}\0{state['name']}")
                values["state_terminal"].append(state["terminal"])
                values["state_status"].append(state["status"])
            for edge in row["edges"]:
                if edge["reenter"]:
                    way = f"{version}\0{edge['from_state']}\0{edge['to_state']}\0"
                    values["reenter_keys"] += sorted({way + edge["action"], way})
