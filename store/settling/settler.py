"""One settlement after the other: what was stored since the last, worked out and put in force.

An instance that new events touch is worked out anew from all its events, by the same SQL that
answers from all events at once; so order, lateness and copies need no rules of their own here. See
docs/decisions/0008-settling.md for what happens when it is cut off between any two steps.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from lifecycle.errors import StoreUnavailable
from store.connection import Connection
from store.queries import query_text
from store.settling.claim import LEASE, claim
from store.settling.settlement import Settlement, commit, last_settlement
from store.settling.types import Place, TypeKey, Types

_LOG: Final = logging.getLogger(__name__)
_STAGES: Final = ("settling_received", "settling_instances", "settling_returns", "settling_events")
_WRITTEN: Final = ("departures", "visits", "jobs", "finished", "returns")
_LEFTOVERS: Final = 2  # rows in the table of open instances for each that is open
_FEW: Final = 20  # segments that are taken without counting what is in them


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """``rows``: new events of one settlement, about. Times in seconds.

    ``grace``: how long after its last event a finished instance still counts as open work, so that
    what comes late finds it there. ``departing``: at most so many leave in one settlement;
    ``outdated``: at most so many are worked out again in one because definitions have changed;
    ``leftovers``: so many rows of what has departed or changed may lie about in any case.
    """

    rows: int = 500_000
    grace: float = 300.0
    departing: int = 200_000
    outdated: int = 50_000
    between_departures: float = 30.0
    leftovers: int = 50_000


@dataclass(frozen=True, slots=True)
class _Reach:
    """Up to where a settlement goes: the last segment of each collector, and the watermark."""

    after: Mapping[str, int]
    upto: Mapping[str, int]
    flushed: datetime | None
    flushed_by: str
    complete: bool


class Settler:
    """Settles on one connection; one at a time works on a store (see ``Claim``)."""

    def __init__(
        self,
        connection: Connection,
        *,
        name: str = "",
        pace: Pace | None = None,
        reach: Callable[[str], None] = lambda step: None,
    ) -> None:
        """``name``: unlike that of any other settler; empty where there can be no other.

        ``reach`` is told each step that has been reached.
        """
        self._connection = connection
        self._name = name
        self._pace = pace or Pace()
        self._reach = reach
        self._departed_at: datetime | None = None
        # types whose definitions have changed: since which settlement they are worked out again
        self._outdated: dict[TypeKey, int] = {}
        self._removing = True  # whether the next settlement has departed instances to remove
        self._last: int | None = None
        self._began = 0.0

    def settle(self, now: datetime) -> Settlement:
        """Settle what is stored; returns the settlement that counts from now on.

        With more to settle than one takes, the watermark of what is returned lags behind: settle
        again at once.

        :raises StoreUnavailable: it is cut off; the next one takes up what it left.
        :raises Claimed: another settler is at it.
        """
        began = time.monotonic()
        last = last_settlement(self._connection) or Settlement(
            number=0, settled_at=now, flushed_at=None
        )
        if self._name:
            claim(self._connection, last.number + 1, self._name, now)
        self._began = began
        if last.number != self._last:
            self._recover(last)
        try:
            return self._settle(last, now, began)
        except Exception:
            self._last = None
            raise

    def tidy(self) -> bool:
        """Rewrite the open instances without what departed, once that is more than they are.

        Between settlements; whether it did. Reading what is open costs what is in the table, and
        merges alone keep the marks of what was removed.

        :raises StoreUnavailable: it was cut off; nothing is lost.
        """
        held = self._ask("held")[0]
        if held["rows"] <= _LEFTOVERS * held["open"] + self._pace.leftovers:
            return False
        self._do("tidy")
        return True

    def _settle(self, last: Settlement, now: datetime, began: float) -> Settlement:
        number = last.number + 1
        types = Types.read(self._connection)
        reach = self._how_far(last)
        if self._nothing_new(last, reach, types, now):
            return self._commit(last, reach, types, number, now, began)
        for stage in _STAGES:
            self._connection.command(f"TRUNCATE TABLE {stage}")
        for collector, upto in reach.upto.items():
            after = reach.after.get(collector, 0)
            if upto > after:
                self._do("received", collector=collector, after=after, upto=upto)
        flushed = reach.flushed or datetime.fromtimestamp(0, UTC)
        self._do("instances", ripe=types.by_sequence, flushed=flushed)
        self._take_outdated(last, types, number)
        self._do("remove", settlement=last.number, version=4 * last.number + 2)
        self._reach("removed")
        if self._count("settling_instances"):
            self._work_out(number, types, flushed)
        self._depart(number, now)
        self._count_outdated()
        return self._commit(last, reach, types, number, now, began, worked=True)

    def _work_out(self, number: int, types: Types, flushed: datetime) -> None:
        """Every touched instance, from all its events."""
        self._do("kept")
        self._do("returns", settlement=number)
        if self._count("settling_returns"):
            self._do("returned")
            self._do("return", settlement=number)
        self._reach("staged")
        self._do("unique")
        places: list[Place] = [
            (row["tenant"], row["workflow_type"], row["environment"]) for row in self._ask("places")
        ]
        by_time, by_sequence = types.split(places)
        for found, ordered in ((by_time, False), (by_sequence, True)):
            if found:
                self._do(
                    "update",
                    by_sequence=ordered,
                    version=4 * number + 1,
                    settlement=number,
                    **types.parameters(found, flushed),
                )
        self._reach("updated")

    def _nothing_new(self, last: Settlement, reach: _Reach, types: Types, now: datetime) -> bool:
        """Whether all that moves is the watermark."""
        return (
            all(upto == reach.after.get(each, 0) for each, upto in reach.upto.items())
            and types.fingerprints == last.structure
            and not types.by_sequence
            and not self._is_time_to_depart(now)
            and not self._removing
        )

    def _commit(
        self,
        last: Settlement,
        reach: _Reach,
        types: Types,
        number: int,
        now: datetime,
        began: float,
        *,
        worked: bool = False,
    ) -> Settlement:
        settlement = Settlement(
            number=number,
            settled_at=now,
            flushed_at=reach.flushed,
            flushed_by=reach.flushed_by,
            collectors={**last.collectors, **reach.upto},
            structure={
                **types.fingerprints,
                **{key: last.structure.get(key, 0) for key in self._outdated},
            },
            events=self._count("settling_events") if worked else 0,
            instances=self._count("settling_instances") if worked else 0,
            seconds=time.monotonic() - began,
            behind=not reach.complete or bool(self._outdated),
        )
        self._reach("written")
        commit(self._connection, settlement)
        self._last = number
        self._reach("committed")
        return settlement

    def _how_far(self, last: Settlement) -> _Reach:
        """Up to the marks of the collectors, as far as one settlement can go."""
        marks = self._ask("marks")
        live = [mark for mark in marks if not mark["retired"]]
        flushed: datetime | None = None
        by = ""
        if live:
            slowest = min(live, key=lambda mark: mark["flushed_at"])
            flushed, by = slowest["flushed_at"], slowest["collector"]
        elif marks:
            fastest = max(marks, key=lambda mark: mark["flushed_at"])
            flushed, by = fastest["flushed_at"], fastest["collector"]
        after = dict(last.collectors)
        upto: dict[str, int] = {}
        room = self._pace.rows
        complete = True
        for mark in marks:
            collector, goal = mark["collector"], mark["segment"]
            begin = after.get(collector, 0)
            if goal - begin <= _FEW:
                upto[collector] = max(goal, begin)
                continue
            taken = begin
            for row in self._ask("waiting", collector=collector, after=begin, upto=goal):
                if room <= 0:
                    complete = False
                    if flushed is None or row["oldest"] < flushed:
                        flushed, by = row["oldest"], collector
                    continue
                room -= row["rows"]
                taken = row["segment"]
            upto[collector] = taken if not complete else goal
        return _Reach(after, upto, flushed, by, complete)

    def _take_outdated(self, last: Settlement, types: Types, number: int) -> None:
        found = types.fingerprints
        changed = {
            key
            for key in found.keys() | last.structure.keys()
            if found.get(key) != last.structure.get(key)
        }
        self._outdated = {key: self._outdated.get(key, number) for key in changed}
        if changed:
            self._do("resettle", **self._outdated_types(), limit=self._pace.outdated)

    def _count_outdated(self) -> None:
        if self._outdated and not self._ask("outdated", **self._outdated_types())[0]["outdated"]:
            self._outdated = {}

    def _outdated_types(self) -> dict[str, Any]:
        return {
            "types": [f"{tenant}\0{workflow}" for tenant, workflow in self._outdated],
            "since": max(self._outdated.values()),
        }

    def _depart(self, number: int, now: datetime) -> None:
        self._removing = False
        if self._outdated or not self._is_time_to_depart(now):
            return  # nothing leaves as definitions saw it that hold no longer
        pace = self._pace
        self._do(
            "depart",
            settlement=number,
            now=now,
            before=now - timedelta(seconds=pace.grace),
            limit=pace.departing,
        )
        if self._ask("departed", settlement=number)[0]["departed"]:
            self._removing = True
            self._reach("departing")
            self._do("departing_visits", settlement=number, now=now)
            self._reach("visits")
            self._do("departing_jobs", settlement=number, now=now)
            self._do("departing_keys", settlement=number)
        self._departed_at = now

    def _is_time_to_depart(self, now: datetime) -> bool:
        return (
            self._departed_at is None
            or abs((now - self._departed_at).total_seconds()) >= self._pace.between_departures
        )

    def _recover(self, last: Settlement) -> None:
        """Take back what a settlement that does not count has written."""
        found = self._ask("unfinished", settlement=last.number)[0]
        for table in _WRITTEN:
            if found[table]:
                self._connection.command(
                    f"ALTER TABLE {table} DELETE WHERE settlement > {last.number}"
                    " SETTINGS mutations_sync = 2"
                )
        if found["open_instances"]:
            self._connection.command(
                f"ALTER TABLE open_instances DELETE WHERE visible_from > {last.number}"
                " SETTINGS mutations_sync = 2"
            )

    def _count(self, table: str) -> int:
        return int(self._connection.query(f"SELECT count() AS n FROM {table}", {})[0]["n"])  # noqa: S608

    def _ask(self, name: str, **parameters: Any) -> Sequence[Mapping[str, Any]]:
        return self._connection.query(query_text(f"settling/{name}"), parameters)

    def _do(
        self, name: str, *, by_sequence: bool = False, ripe: bool = False, **parameters: Any
    ) -> None:
        if self._name and time.monotonic() - self._began > LEASE.total_seconds() / 2:
            raise StoreUnavailable("the settlement took so long that another process may be at it")
        text = query_text(f"settling/{name}", by_sequence=by_sequence, ripe=ripe)
        self._connection.command(text, parameters)
