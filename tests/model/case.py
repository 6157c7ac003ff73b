"""One situation: definitions, events and watermarks, and what can be asked of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from lifecycle.definitions import Definition
from lifecycle.events import Event
from tests.model.figures import FIGURES, Model

ASKED_WITH: Final = {
    "stuck": ("flushed", "settled", "longer_than", "state", "limit"),
    "open_by_state": ("flushed", "settled"),
    "dwell": ("from_", "to", "flushed"),
    "edges": ("from_", "to"),
    "illegal_transitions": ("from_", "to", "settled"),
    "illegal_members": ("from_", "to", "settled", "limit"),
    "outbox_lag": ("flushed",),
    "outbox_members": ("flushed", "limit"),
    "completion_lag": ("from_", "to", "flushed", "percentile"),
    "completion_members": ("flushed", "longer_than", "limit"),
    "retry_exhaustion": ("from_", "to", "settled"),
    "retry_exhaustion_members": ("from_", "to", "settled", "limit"),
    "instance_visits": ("instance_id", "flushed"),
    "instance_runs": ("instance_id", "flushed"),
}
assert ASKED_WITH.keys() == FIGURES.keys()

DEFAULTS: Final = {"longer_than": None, "state": "", "limit": 1000, "percentile": 0.5}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """``events`` in order of receipt; instants as aware datetimes in UTC."""

    definitions: Sequence[Definition]
    events: Sequence[Event]
    flushed: datetime
    settled: datetime
    from_: datetime
    to: datetime

    @property
    def model(self) -> Model:
        """Answers as the store would."""
        return Model(self.definitions, self.events)

    def of_tenant(self, tenant: str) -> "Case":
        """The same for another tenant, so that one store can hold many cases."""
        return replace(self, events=[replace(event, tenant=tenant) for event in self.events])

    @property
    def workflows(self) -> list[str]:
        """The types that have events."""
        return sorted({event.workflow_type for event in self.events if event.workflow_type})

    def parameters(self, figure: str, workflow: str, **chosen: Any) -> dict[str, Any]:
        """What the store's query of that name must be given; ``chosen`` wins over the case."""
        own = {
            "flushed": self.flushed,
            "settled": self.settled,
            "from_": self.from_,
            "to": self.to,
            **DEFAULTS,
            **chosen,
        }
        return {
            "workflow": workflow,
            "environments": chosen.get("environments", []),
            **{name: own[name] for name in ASKED_WITH[figure]},
        }

    def questions(self, *, thorough: bool = True) -> Iterator[tuple[str, dict[str, Any]]]:
        """Everything worth asking: each figure for all environments, some in narrower ways.

        Without ``thorough`` each figure twice at most; which narrower way varies with the case.
        """
        for workflow in self.workflows:
            of_type = [event for event in self.events if event.workflow_type == workflow]
            for figure, names in ASKED_WITH.items():
                choices = self._choices(figure, names, of_type)
                if not thorough:
                    other = len(of_type) % len(choices)
                    choices = choices[:1] + choices[other : other + 1] * (other > 0)
                for chosen in choices:
                    yield figure, self.parameters(figure, workflow, **chosen)

    def _choices(
        self, figure: str, names: Sequence[str], of_type: Sequence[Event]
    ) -> list[dict[str, Any]]:
        if "instance_id" in names:
            return [{"instance_id": each} for each in sorted({e.instance_id for e in of_type})]
        if figure == "completion_members":
            return [{"longer_than": 0.0}, {"longer_than": 2.5}]
        environments = sorted({event.environment for event in of_type})
        choices: list[dict[str, Any]] = [{}]
        if len(environments) > 1:
            choices.append({"environments": environments[:1]})
        if "percentile" in names:
            choices += [{"percentile": share} for share in (0.0, 0.25, 0.9, 1.0)]
        if figure == "stuck":
            states = sorted({event.to_state for event in of_type if event.to_state})
            choices += [{"longer_than": 2.5}, *({"state": state} for state in states)]
            choices += [{"longer_than": 1.0, "state": state} for state in states[:1]]
        return choices
