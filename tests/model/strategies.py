"""Makes up situations in which everything that can go wrong with events goes wrong at once.

Times lie on a coarse grid, so that instants, limits and edges of windows coincide often.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from hypothesis import assume
from hypothesis import strategies as st

from donewatch.attributes import JOB_STATES
from lifecycle.definitions import Completion, Definition, Edge, JobLimits, State, Status
from lifecycle.events import Event
from tests.model.case import Case
from tests.model.instance import effective_at
from tests.model.order import LARGEST_TIE
from tests.model.question import microseconds

BASE: Final = datetime(2026, 1, 5, 12, tzinfo=UTC)
STEP: Final = 250_000  # microseconds between points of the grid
STEPS: Final = 40
WORKFLOW: Final = "order"
STATES: Final = ("a", "b", "c", "done", "failed", "cancelled")
STATUS_OF: Final = {
    "a": Status.ACCEPTED,
    "b": Status.PROCESSING,
    "c": Status.BLOCKED,
    "done": Status.COMPLETED,
    "failed": Status.FAILED,
    "cancelled": Status.CANCELLED,
}
ACTIONS: Final = ("", "go", "back")
# what an instance is about
MIXES: Final = (
    ("transition",) * 7 + ("visible", "job", "outbox"),
    ("transition",) * 3 + ("visible", "visible"),
    ("transition",) + ("job",) * 5,
    ("transition",) * 2 + ("job", "outbox", "outbox", "outbox"),
)
# in seconds, points of the grid among them
LIMITS: Final = (None, None, 0.5, 1.0, 2.5, 5.1)


def rarely(draw: st.DrawFn, one_in: int = 5) -> bool:
    """True once in a while, and never in the simplest example."""
    return draw(st.integers(0, one_in - 1)) == one_in - 1


@st.composite
def definitions(draw: st.DrawFn) -> list[Definition]:
    """None, one or two versions of the type; their natural order is not that of their text."""
    versions = draw(st.sampled_from(([], ["9"], ["9", "10"], ["10", "9"])))
    return [draw(_definition(version)) for version in versions]


@st.composite
def _definition(draw: st.DrawFn, version: str) -> Definition:
    states = [
        State(
            name=name,
            # versions may disagree about a state
            status=draw(st.sampled_from(Status)) if rarely(draw, 10) else STATUS_OF[name],
            terminal=(name in ("done", "failed", "cancelled")) is not rarely(draw, 10),
            stuck_after=draw(st.sampled_from(LIMITS)),
        )
        for name in STATES
        if not rarely(draw, 10)
    ]
    names = [state.name for state in states] or ["a"]
    edges = draw(
        st.lists(
            st.builds(
                Edge,
                st.sampled_from(["", *names]),
                st.sampled_from(names),
                st.sampled_from(ACTIONS),
                reenter=st.booleans(),
            ),
            max_size=24,
            unique_by=lambda edge: (edge.from_state, edge.to_state, edge.action),
        )
    )
    taken = {(edge.from_state, edge.to_state) for edge in edges}
    edges += [
        Edge(name, name, "go", reenter=draw(st.booleans()))
        for name in names
        if (name, name) not in taken and rarely(draw, 2)
    ]
    return Definition(
        workflow=WORKFLOW,
        version=version,
        states=tuple(states),
        edges=tuple(edge if edge.from_state else replace(edge, reenter=False) for edge in edges),
        order_by=draw(st.sampled_from(("time", "sequence"))),
        stuck_after=draw(st.sampled_from(LIMITS)),
        completion=Completion(
            starts=draw(st.sampled_from(("", "a", "b"))), visible=draw(st.booleans())
        ),
        jobs={
            "charge": JobLimits(max_attempts=draw(st.sampled_from((None, 1, 2)))),
            "mail": JobLimits(max_attempts=3),
        },
    )


@st.composite
def cases(draw: st.DrawFn, base: datetime = BASE, tenant: str = "default", most: int = 4) -> Case:
    """A situation of one workflow type with 1 to ``most`` instances.

    Times are counted from ``base`` (aware, UTC). Many instances are worth it where each question
    is dear: they are independent but for sums.
    """
    zero = microseconds(base)
    in_force = draw(definitions())
    edges = [edge for definition in in_force for edge in definition.edges]
    identities = draw(
        st.lists(
            st.tuples(
                st.sampled_from(("prod", "test")),
                st.sampled_from([f"o{number}" for number in range(1, most // 2 + 2)]),
            ),
            min_size=1,
            max_size=most,
            unique=True,
        )
    )
    events: list[Event] = []
    for environment, instance_id in identities:
        events += draw(_instance(zero, tenant, environment, instance_id, edges))
    received = [
        replace(
            event,
            collector=draw(st.sampled_from(("c1", "c2"))),
            segment=draw(st.integers(1, 3)),
            position=position,
        )
        for position, event in enumerate(draw(st.permutations(events)))
    ]
    # marks and windows where something happens, or anywhere
    busy = sorted({(effective_at(event) - zero) // STEP for event in events})
    start = draw(st.sampled_from(busy) if draw(st.booleans()) else st.integers(-4, STEPS))
    stop = draw(st.sampled_from(busy) if draw(st.booleans()) else st.integers(20, STEPS + 12))
    flushed = draw(st.integers(0, STEPS) if rarely(draw, 4) else st.integers(30, STEPS + 12))
    settled = draw(st.sampled_from(busy)) if draw(st.booleans()) else flushed - 2
    return Case(
        definitions=in_force,
        events=sorted(received, key=lambda event: event.received_at),
        flushed=_instant(base, flushed),
        settled=_instant(base, min(settled, flushed)),
        from_=_instant(base, start),
        to=_instant(base, max(stop, start + 1)),
    )


def _instant(base: datetime, step: int) -> datetime:
    return base + timedelta(microseconds=step * STEP)


@st.composite
def _instance(
    draw: st.DrawFn,
    zero: int,
    tenant: str,
    environment: str,
    instance_id: str,
    edges: Sequence[Edge],
) -> list[Event]:
    """One instance: mostly a walk through the states, with the times of several clocks."""
    version = draw(st.sampled_from(("", "", "9", "10", "11")))
    probe = rarely(draw, 12)
    sequenced = draw(st.sampled_from(("never", "mostly", "mostly", "any")))
    service = draw(st.sampled_from(("shop", "worker")))
    mix = draw(st.sampled_from((MIXES[0], *MIXES)))
    step, state = draw(st.integers(0, 8)), ""
    # ids whose order says nothing about the order of the events
    ids = draw(st.permutations("efghijklmnop"))
    events: list[Event] = []
    for place in range(draw(st.integers(2, len(ids)))):
        step = min(STEPS, step + draw(st.sampled_from((0, 0, 1, 2, 3, 4, 5, 12))))
        fields = draw(_content(mix, state, zero, step, edges))
        state = fields.get("to_state", state)
        clock = draw(st.sampled_from((0, 0, 0, 0, -1, -3, -4, -8)))
        on_the_way = draw(st.sampled_from((0, 0, 0, 1, 2, -2, 10)))
        if sequenced == "mostly" and not rarely(draw, 6):
            fields["sequence"] = place + (draw(st.integers(-1, 2)) if rarely(draw, 6) else 0)
        elif sequenced == "any" and draw(st.booleans()):
            fields["sequence"] = draw(st.integers(0, 5))
        event = Event(
            tenant=tenant,
            event_id=ids[place],
            workflow_type=WORKFLOW,
            workflow_version=draw(st.sampled_from(("", "9", "10"))) if rarely(draw, 8) else version,
            environment=environment,
            instance_id=instance_id,
            occurred_at=zero + (step + clock) * STEP,
            received_at=zero + (step + on_the_way) * STEP,
            actor_type="probe" if probe and draw(st.booleans()) else "",
            service=service,
            **fields,
        )
        events.append(event)
        if rarely(draw, 6):
            events.append(draw(_copy(event)))
    _assume_small_ties(events)
    return events


@st.composite
def _content(
    draw: st.DrawFn, mix: Sequence[str], state: str, zero: int, step: int, edges: Sequence[Edge]
) -> dict[str, Any]:
    """The fields of one event of an instance that stands in ``state``."""
    kind = draw(st.sampled_from(mix))
    if kind == "visible":
        return {"event": kind}
    if kind == "outbox":
        return {
            "event": kind,
            "outbox_id": draw(st.sampled_from(("m1", "m2"))),
            "outbox_state": draw(
                st.sampled_from(("recorded", "recorded", "failed", "dispatched", "acknowledged"))
                if not rarely(draw, 8)
                else st.just("discarded")
            ),
        }
    if kind == "job":
        return {
            "event": kind,
            "job_id": draw(st.sampled_from(("j1", "j2"))),
            "job_type": draw(st.sampled_from(("charge", "charge", "mail", "", "unheard"))),
            "job_state": "failed" if draw(st.booleans()) else draw(st.sampled_from(JOB_STATES)),
            "attempt": draw(st.sampled_from((None, 0, 1, 1, 2, 2, 3))),
            "max_attempts": draw(st.sampled_from((None, None, None, 1, 2, 3))),
        }
    return {
        "event": kind,
        **draw(_edge(state, edges)),
        "key": draw(st.sampled_from(("k1", "k2"))) if rarely(draw) else "",
        "class_": "replay" if rarely(draw, 8) else draw(st.sampled_from(("normal", ""))),
        "outcome": "rejected" if rarely(draw, 10) else draw(st.sampled_from(("committed", ""))),
        "entered_at": zero + (step - draw(st.integers(-3, 8))) * STEP if rarely(draw) else None,
    }


@st.composite
def _edge(draw: st.DrawFn, state: str, edges: Sequence[Edge]) -> dict[str, str]:
    """A way out of ``state``: as declared, to anywhere, to itself, or out of another state."""
    declared = [edge for edge in edges if edge.from_state == state]
    if declared and not rarely(draw, 3):
        edge = draw(st.sampled_from(declared))
        action = "" if rarely(draw, 4) else edge.action
        return {"from_state": state, "to_state": edge.to_state, "action": action}
    from_state = draw(st.sampled_from(("", *STATES))) if rarely(draw, 4) else state
    stays = from_state != "" and rarely(draw, 5)
    return {
        "from_state": from_state,
        "to_state": from_state if stays else draw(st.sampled_from(STATES)),
        "action": draw(st.sampled_from(ACTIONS)),
    }


@st.composite
def _copy(draw: st.DrawFn, event: Event) -> Event:
    """The same event once more, received earlier or later, now and then with other content."""
    received_at = event.received_at + draw(st.sampled_from((0, 1, 5, -1))) * STEP
    copy = replace(event, received_at=received_at)
    if event.event == "transition" and rarely(draw, 2):
        return replace(
            copy,
            to_state=draw(st.sampled_from(STATES)),
            occurred_at=event.occurred_at + draw(st.integers(-2, 2)) * STEP,
        )
    return copy


def _assume_small_ties(events: Sequence[Event]) -> None:
    ties = Counter(effective_at(event) for event in events if event.event == "transition")
    assume(max(ties.values(), default=0) <= LARGEST_TIE)
