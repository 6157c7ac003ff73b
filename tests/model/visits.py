"""Visits: the stays of an instance in its states, and how it came there (docs/figures.md, 4)."""

from collections.abc import Sequence
from dataclasses import dataclass

from lifecycle.events import Event
from tests.model.instance import effective_at
from tests.model.judging import Judge

SECOND = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One stay. Times in microseconds; ``exited_at`` is ``None`` while it lasts.

    ``number`` 0 is the stay that an event first seen mid-life told us about: ``event`` ended it.
    """

    event: Event
    number: int
    run: int
    state: str
    status: str
    terminal: bool
    entered_at: int
    exited_at: int | None
    link: str
    limit: float | None


def begins_visit(transitions: Sequence[Event], at: int, judge: Judge) -> bool:
    """Whether the transition at that place begins a visit: the first does, a self one not."""
    event = transitions[at]
    stays = at > 0 and event.from_state == event.to_state == transitions[at - 1].to_state
    return not stays or judge.reenters(event)


def link(transitions: Sequence[Event], at: int) -> str:
    """How the transition at that place follows the one before it."""
    event = transitions[at]
    if at == 0:
        return "unseen" if event.from_state else "start"
    before = transitions[at - 1]
    if event.from_state == before.to_state:
        return "linked"
    if _mended(transitions, at - 1) or (at + 1 < len(transitions) and _mended(transitions, at)):
        return "skew"
    if (
        event.sequence is not None
        and before.sequence is not None
        and event.sequence - before.sequence > 1
    ):
        return "gap"
    return "discontinuity"


def _mended(transitions: Sequence[Event], at: int) -> bool:
    """Whether the transitions at this place and the next would both be linked if exchanged."""
    one, other = transitions[at], transitions[at + 1]
    state = transitions[at - 1].to_state if at else ""
    return (
        abs(effective_at(one) - effective_at(other)) < SECOND
        and other.from_state == state
        and one.from_state == other.to_state
    )


def visits(transitions: Sequence[Event], judge: Judge) -> list[Visit]:
    """All visits of one instance, in order; none is ended by visibility yet."""
    places = [at for at in range(len(transitions)) if begins_visit(transitions, at, judge)]
    found: list[Visit] = []
    run = 1
    for number, at in enumerate(places, start=1):
        event = transitions[at]
        state = judge.state(event, event.to_state)
        terminal = state is not None and state.terminal
        if number == 1 and event.from_state and event.entered_at is not None:
            found.append(_before(event, judge))
        elif number > 1 and found[-1].terminal and not terminal:
            run += 1
        following = places[number] if number < len(places) else None
        found.append(
            Visit(
                event=event,
                number=number,
                run=run,
                state=event.to_state,
                status=state.status if state else "",
                terminal=terminal,
                entered_at=effective_at(event),
                exited_at=None if following is None else effective_at(transitions[following]),
                link=link(transitions, at),
                limit=judge.state_limit(event, event.to_state),
            )
        )
    return found


def _before(event: Event, judge: Judge) -> Visit:
    """The stay before the first transition ever seen, of which that event knew the beginning."""
    assert event.entered_at is not None
    state = judge.state(event, event.from_state)
    return Visit(
        event=event,
        number=0,
        run=1,
        state=event.from_state,
        status=state.status if state else "",
        terminal=state is not None and state.terminal,
        entered_at=event.entered_at,
        exited_at=effective_at(event),
        link="unseen",
        limit=judge.state_limit(event, event.from_state),
    )
