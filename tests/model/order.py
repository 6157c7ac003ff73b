"""The path of an instance: transitions and visible events in order (docs/figures.md, 1, 2)."""

from collections.abc import Sequence
from itertools import groupby, permutations

from lifecycle.events import Event
from tests.model.instance import Instance, effective_at
from tests.model.judging import Judge

LARGEST_TIE = 6  # above it the page allows an answer that is not the best


def is_visible(event: Event) -> bool:
    return event.event == "visible"


def path(instance: Instance, judge: Judge, settled: int | None = None) -> list[Event]:
    """What moves the instance, and when it was visible, in order.

    :param settled: microseconds; where given, transitions without a sequence that are not older are
        left out under sequence order (live figures).
    """
    candidates = [
        event
        for event in instance.events
        if is_visible(event) or (event.event == "transition" and event.outcome in ("", "committed"))
    ]
    keys = {event.event_id: _key(event, candidates, judge) for event in candidates}
    if settled is not None and judge.by_sequence:
        candidates = [
            event
            for event in candidates
            if is_visible(event) or event.sequence is not None or effective_at(event) < settled
        ]
    in_order = _without_replays(sorted(candidates, key=lambda event: keys[event.event_id]))
    return in_order if judge.by_sequence else _linked(in_order)


def _key(event: Event, candidates: Sequence[Event], judge: Judge) -> tuple[int, int, int, str]:
    own = (effective_at(event), event.event_id)
    if not judge.by_sequence:
        return (0, 0, *own)
    if event.sequence is not None:
        return (event.sequence, 0, *own)
    before = [
        other.sequence
        for other in candidates
        if other.sequence is not None and (effective_at(other), other.event_id) < own
    ]
    return (max(before, default=-1), 1, *own)


def _without_replays(in_order: Sequence[Event]) -> list[Event]:
    """Of several transitions with one key the first alone moves the instance."""
    seen: set[str] = set()
    kept = []
    for event in in_order:
        if not is_visible(event) and event.key:
            if event.key in seen:
                continue
            seen.add(event.key)
        kept.append(event)
    return kept


def _linked(in_order: Sequence[Event]) -> list[Event]:
    """Of each instant the transitions so that fewest break the chain, then what was visible."""
    result: list[Event] = []
    state = ""
    for _, group in groupby(in_order, key=effective_at):
        tied = list(group)
        transitions = [event for event in tied if not is_visible(event)]
        if len(transitions) > LARGEST_TIE:
            raise ValueError(f"a tie of {len(transitions)} transitions; at most {LARGEST_TIE}")
        best = min(
            permutations(transitions),
            key=lambda order, state=state: (  # type: ignore[misc]
                breaks(state, order),
                [event.event_id for event in order],
            ),
        )
        result += [*best, *(event for event in tied if is_visible(event))]
        state = best[-1].to_state if best else state
    return result


def breaks(state: str, order: Sequence[Event]) -> int:
    """How many transitions do not leave the state that the one before them reached."""
    reached = [state, *(event.to_state for event in order)]
    return sum(event.from_state != before for before, event in zip(reached, order, strict=False))
