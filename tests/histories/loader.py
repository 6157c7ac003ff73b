"""Reads the histories of this folder; README.md here describes the files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import yaml

from lifecycle.definitions import (
    DEFAULT_LATENESS,
    Completion,
    Definition,
    Edge,
    JobLimits,
    State,
    Status,
    newest,
)
from lifecycle.events import FIELD_BY_NAME, Event
from tests.model.case import Case
from tests.model.compare import Query, difference, explain
from tests.model.question import microseconds

FOLDER: Final = Path(__file__).parent
BASE: Final = datetime(2026, 1, 5, 12, tzinfo=UTC)
FIGURE_OF: Final = {"visits": "instance_visits", "runs": "instance_runs"}

Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """One figure, what it is asked with beyond the case, and the rows it must answer."""

    figure: str
    parameters: Mapping[str, Any]
    rows: Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """One file. ``order`` has the ids of what moved or was visible, by instance."""

    name: str
    shows: str
    workflow: str
    case: Case
    order: Mapping[str, Sequence[str]]
    expectations: Sequence[Expectation]


def names() -> list[str]:
    """All histories, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load(name: str, *, base: datetime = BASE, tenant: str = "default") -> History:
    """Read one history, its zero being ``base`` (aware, UTC).

    :raises ValueError: the file says something that is not described in README.md.
    """
    return _Reader(name, base, tenant).history()


def check(query: Query, history: History) -> None:
    """Ask ``query(name, **parameters)`` for every figure that the history is about.

    :raises AssertionError: an answer is not the one computed by hand.
    """
    for each in history.expectations:
        chosen = dict(each.parameters)
        workflow = chosen.pop("workflow", history.workflow)
        parameters = history.case.parameters(each.figure, workflow, **chosen)
        found = difference(each.figure, each.rows, query(each.figure, **parameters))
        if found:
            page = explain(each.figure, parameters, found, history.case)
            raise AssertionError(f"{history.name}: {history.shows}\n{page}")


class _Reader:
    def __init__(self, name: str, base: datetime, tenant: str) -> None:
        self.name, self.base, self.tenant = name, base, tenant
        self.document = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
        self.workflow = self.document.get("workflow", "order")

    def history(self) -> History:
        document = self.document
        self._only(
            document,
            *("shows", "workflow", "definitions", "events", "flushed", "settled", "from", "to"),
            "expect",
        )
        definitions = [self._definition(each) for each in document.get("definitions", [])]
        last = newest(each for each in definitions if each.workflow == self.workflow)
        lateness = last.lateness if last else DEFAULT_LATENESS
        flushed = document["flushed"]
        events = [self._event(at, raw) for at, raw in enumerate(document["events"])]
        expect = dict(document["expect"])
        order = _by_instance(expect.pop("order", {}))
        return History(
            name=self.name,
            shows=document["shows"],
            workflow=self.workflow,
            case=Case(
                definitions=definitions,
                events=events,
                flushed=self._instant(flushed),
                settled=self._instant(document.get("settled", flushed - lateness)),
                from_=self._instant(document.get("from", 0)),
                to=self._instant(document.get("to", flushed)),
            ),
            order=order,
            expectations=[
                found for key, told in expect.items() for found in self._expectations(key, told)
            ],
        )

    def _instant(self, seconds: float) -> datetime:
        return self.base + timedelta(microseconds=round(seconds * 1_000_000))

    def _only(self, raw: Mapping[str, Any], *known: str) -> None:
        if unknown := set(raw) - set(known):
            raise ValueError(f"{self.name}: {sorted(unknown)} not among {sorted(known)}")

    def _definition(self, raw: Mapping[str, Any]) -> Definition:
        self._only(
            raw,
            *("workflow", "version", "order_by", "lateness", "stuck_after", "states"),
            *("transitions", "completion", "jobs"),
        )
        states = [
            State(
                name=name,
                status=Status(each["status"]),
                terminal=each.get("terminal", False),
                stuck_after=_seconds(each.get("stuck_after")),
            )
            for name, each in raw["states"].items()
        ]
        edges = [
            Edge(
                from_state,
                each["to"],
                each.get("action", ""),
                each.get("class", "normal"),
                tuple(each.get("actors", ())),
                each.get("reenter", False),
            )
            for each in raw["transitions"]
            for from_state in (
                [state.name for state in states]
                if each.get("from") == "*"
                else _listed(each.get("from", ""))
            )
        ]
        lateness = _seconds(raw.get("lateness"))
        return Definition(
            workflow=raw.get("workflow", self.workflow),
            version=raw["version"],
            states=tuple(states),
            edges=tuple(edges),
            order_by=raw.get("order_by", "time"),
            lateness=DEFAULT_LATENESS if lateness is None else lateness,
            stuck_after=_seconds(raw.get("stuck_after")),
            completion=Completion(**raw.get("completion", {})),
            jobs={name: JobLimits(**limits) for name, limits in raw.get("jobs", {}).items()},
        )

    def _event(self, position: int, raw: Mapping[str, Any]) -> Event:
        times = {"at", "received", "entered_at"}
        self._only(raw, "event", "collector", "segment", *times, *FIELD_BY_NAME)
        given = {
            FIELD_BY_NAME[name].column: value
            for name, value in raw.items()
            if name in FIELD_BY_NAME and name not in times
        }
        if "entered_at" in raw:
            given["entered_at"] = microseconds(self._instant(raw["entered_at"]))
        kind = raw.get("event", "transition")
        defaults: dict[str, Any] = {
            "workflow_type": self.workflow,
            "instance_id": "o1",
            "environment": "prod",
            # as the collector fills it in
            "outcome": "committed" if kind == "transition" else "",
        }
        return Event(
            tenant=self.tenant,
            event=kind,
            occurred_at=microseconds(self._instant(raw["at"])),
            received_at=microseconds(self._instant(raw.get("received", raw["at"]))),
            collector=raw.get("collector", "c1"),
            segment=raw.get("segment", 1),
            position=position,
            **(defaults | given),
        )

    def _expectations(self, key: str, told: Any) -> list[Expectation]:
        figure = FIGURE_OF.get(key, key)
        if figure != key:
            return [
                Expectation(figure=figure, parameters={"instance_id": each}, rows=self._rows(rows))
                for each, rows in _by_instance(told).items()
            ]
        if told and "rows" in told[0]:
            return [
                Expectation(figure=figure, parameters=each["with"], rows=self._rows(each["rows"]))
                for each in told
            ]
        return [Expectation(figure=figure, parameters={}, rows=self._rows(told))]

    def _rows(self, told: Sequence[Mapping[str, Any]]) -> Rows:
        return [
            {
                name: self._instant(value) if name.endswith("_at") and value is not None else value
                for name, value in row.items()
            }
            for row in told
        ]


def _by_instance(told: Any) -> dict[str, Any]:
    return told if isinstance(told, dict) else {"o1": told}


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    if not text.endswith("s"):
        raise ValueError(f"{text!r}: durations of histories are in seconds, as 90s")
    return float(text[:-1])


def _listed(value: str | list[str]) -> list[str]:
    return value if isinstance(value, list) else [value]
