"""Runs, from creation or reopening to their end, and whole lives (docs/figures.md, 4)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lifecycle.events import Event
from tests.model.instance import Instance, effective_at
from tests.model.judging import Judge
from tests.model.order import is_visible, path
from tests.model.visits import Visit, visits


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run. Times in microseconds, ``None`` for what has not happened."""

    number: int
    visits: tuple[Visit, ...]
    visible_at: int | None
    ended_at: int | None
    ended_how: str  # completed, ended_otherwise, open

    @property
    def last(self) -> Visit:
        return self.visits[-1]

    @property
    def started_at(self) -> int:
        return self.visits[0].entered_at

    @property
    def start_unseen(self) -> bool:
        return self.visits[0].link == "unseen"

    @property
    def completed_at(self) -> int | None:
        return next((each.entered_at for each in self.visits if each.status == "completed"), None)

    def clock_start(self, judge: Judge) -> int | None:
        """When the completion clock starts, ``None`` while it has not."""
        if not judge.clock_starts:
            return self.started_at
        entries = [each.entered_at for each in self.visits if each.state == judge.clock_starts]
        if entries:
            return entries[0]
        return self.started_at if self.number > 1 else None


@dataclass(frozen=True, slots=True)
class Life:
    """All that is known of one instance that has moved at all."""

    instance: Instance
    transitions: tuple[Event, ...]
    visits: tuple[Visit, ...]
    runs: tuple[Run, ...]

    @property
    def present(self) -> Run:
        return self.runs[-1]

    @property
    def open(self) -> bool:
        return self.present.ended_how == "open"


def life(instance: Instance, judge: Judge, settled: int | None = None) -> Life | None:
    """The life of an instance, ``None`` if no transition moved it; ``settled`` as for ``path``."""
    in_order = path(instance, judge, settled)
    transitions = [event for event in in_order if not is_visible(event)]
    if not transitions:
        return None
    stays = visits(transitions, judge)
    runs = _runs(in_order, stays, judge)
    last, end = stays[-1], runs[-1].ended_at
    if not last.terminal and end is not None:
        # only visibility can have ended it: what was shown as complete waits no longer in any state
        stays[-1] = replace(last, exited_at=end)
    return Life(instance, tuple(transitions), tuple(stays), tuple(runs))


def _runs(in_order: Sequence[Event], stays: Sequence[Visit], judge: Judge) -> list[Run]:
    begun = {each.event.event_id: each.run for each in stays}
    seen: dict[int, list[int]] = {}
    present = 1
    for event in in_order:
        if is_visible(event):
            seen.setdefault(present, []).append(effective_at(event))
        else:
            present = begun.get(event.event_id, present)
    found: list[Run] = []
    for number in range(stays[-1].run, 0, -1):  # the next run is known when this one is judged
        of_run = tuple(each for each in stays if each.run == number and each.number > 0)
        visible_at = seen[number][0] if number in seen else None
        next_start = found[-1].started_at if found else None
        ended_at, ended_how = _end(of_run, visible_at, next_start, judge)
        found.append(
            Run(
                number=number,
                visits=of_run,
                visible_at=visible_at,
                ended_at=ended_at,
                ended_how=ended_how,
            )
        )
    return found[::-1]


def _end(
    stays: Sequence[Visit], visible_at: int | None, next_start: int | None, judge: Judge
) -> tuple[int | None, str]:
    visible_step = visible_at is not None if judge.visible_step is None else judge.visible_step
    if visible_step and visible_at is not None:
        return visible_at, "completed"
    if not visible_step:
        first_end = next((each for each in stays if each.terminal), None)
        if first_end is not None:
            completed = first_end.status == "completed"
            return first_end.entered_at, "completed" if completed else "ended_otherwise"
    last = stays[-1]
    if visible_step and last.terminal and last.status != "completed":
        return last.entered_at, "ended_otherwise"
    if next_start is not None:
        return next_start, "ended_otherwise"
    return None, "open"
