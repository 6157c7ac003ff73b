"""The figures, asked for by the names and with the parameters of the store's queries."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from lifecycle.definitions import Definition
from lifecycle.events import Event
from tests.model import duration_figures, instance_figures, live_figures, window_figures
from tests.model.instance import instances
from tests.model.judging import Judge
from tests.model.question import Question, Row, microseconds

FIGURES: Final[Mapping[str, Callable[..., list[Row]]]] = {
    figure.__name__: figure
    for figure in (
        live_figures.stuck,
        live_figures.open_by_state,
        live_figures.outbox_lag,
        live_figures.outbox_members,
        duration_figures.dwell,
        duration_figures.completion_lag,
        duration_figures.completion_members,
        window_figures.edges,
        window_figures.illegal_transitions,
        window_figures.illegal_members,
        window_figures.retry_exhaustion,
        window_figures.retry_exhaustion_members,
        instance_figures.instance_visits,
        instance_figures.instance_runs,
    )
}


@dataclass(frozen=True, slots=True)
class Model:
    """Answers ``model(name, **parameters)`` as the store's ``query`` would."""

    definitions: Sequence[Definition]
    events: Sequence[Event]

    def __call__(self, name: str, **parameters: Any) -> list[Row]:
        """The rows of a figure; times are aware datetimes, durations float seconds.

        :raises KeyError: the model has no figure of that name.
        """
        asked: dict[str, Any] = {
            key: microseconds(value) if isinstance(value, datetime) else value
            for key, value in parameters.items()
        }
        workflow = asked.pop("workflow")
        judge = Judge([each for each in self.definitions if each.workflow == workflow])
        found = instances(self.events, workflow, asked.pop("environments", ()))
        return FIGURES[name](Question(judge, found), **asked)
