"""Made-up orders of the demo's definition: the same for the same seed, all but their times.

An event is a mapping of the native endpoint's names, ``occurred_at`` in nanoseconds since 1970.
"""

from collections.abc import Collection, Iterator
from random import Random
from typing import Any, Final
from uuid import UUID

Happening = dict[str, Any]

WORKFLOW: Final = "order"
ALL_KINDS: Final = ("transition", "job", "outbox", "visible")
_SECOND: Final = 1_000_000_000
_UNPAID: Final = 0.02  # of the orders: their payment never comes, so they are stuck
_DECLINED: Final = 0.05
_SHORTCUT: Final = 0.001  # paid without payment_pending, which the definition does not declare
_RETRIED: Final = 0.1


def orders(
    count: int,
    until: int,
    *,
    over: float = 3600.0,
    kinds: Collection[str] = ALL_KINDS,
    seed: int = 1,
) -> list[Happening]:
    """``count`` events in the order of their times, the last of them at ``until`` (nanoseconds).

    The orders they are of begin evenly over about ``over`` seconds, so that many are under way at
    once; some are declined, retried or stuck.
    """
    random = Random(seed)
    lives: list[list[Happening]] = []
    found = 0
    # some more than asked for, so that at the last event orders are still under way
    while found < count * 1.02 + 100:
        life = [each for each in _life(len(lives), random) if each["event"] in kinds]
        lives.append(life)
        found += len(life)
    step = over * _SECOND / max(len(lives), 1)
    happenings = [
        {**each, "occurred_at": each["occurred_at"] + int(number * step)}
        for number, life in enumerate(lives)
        for each in life
    ]
    happenings.sort(key=lambda each: (each["occurred_at"], each["event_id"]))
    del happenings[count:]
    late = until - happenings[-1]["occurred_at"] if happenings else 0
    for each in happenings:
        each["occurred_at"] += late
    return happenings


def _life(number: int, random: Random) -> Iterator[Happening]:
    """What happens to one order, from nanosecond 0."""
    order = f"ord_{random.getrandbits(64):016x}"
    at = 0
    sequence = 0
    state = ""
    trace = f"{random.getrandbits(128) | 1:032x}"

    def happens(kind: str, seconds: float, **fields: Any) -> Happening:
        nonlocal at
        at += int(random.expovariate(1 / seconds) * _SECOND) + 1000
        return {
            "event": kind,
            "event_id": str(UUID(int=random.getrandbits(128), version=4)),
            "workflow_type": WORKFLOW,
            "workflow_version": "1",
            "instance_id": order,
            "occurred_at": at,
            "actor_type": "system",
            "trace_id": trace,
            "span_id": f"{random.getrandbits(64) | 1:016x}",
            **fields,
        }

    def moves(action: str, to: str, seconds: float) -> Happening:
        nonlocal sequence, state
        sequence += 1
        came, state = state, to
        return happens(
            "transition",
            seconds,
            **({"from": came} if came else {"actor_type": "user"}),
            to=to,
            action=action,
            sequence=sequence,
            key=f"{order}:{action}:{sequence}",
            attributes={"shop.total_cents": random.randrange(500, 50_000)},
        )

    job = {"job_id": f"charge-{order}", "job_type": "charge_card", "max_attempts": 4}
    outbox = {"outbox_id": f"{number}-{order}"}
    yield moves("submit", "submitted", 0.001)
    yield happens("outbox", 0.001, outbox_state="recorded", **outbox)
    yield happens("outbox", 0.5, outbox_state="dispatched", **outbox)
    yield happens("job", 0.01, job_state="enqueued", **job)
    yield moves("enqueue", "queued", 0.01)
    if random.random() >= _SHORTCUT:
        yield moves("request_payment", "payment_pending", 1.0)
    yield happens("job", 0.01, job_state="started", attempt=1, **job)
    if random.random() < _UNPAID:
        return
    if random.random() < _DECLINED:
        yield happens("job", 2.0, job_state="exhausted", attempt=4, error_type="declined", **job)
        yield moves("decline", "failed", 0.01)
        return
    if random.random() < _RETRIED:
        yield happens("job", 2.0, job_state="failed", attempt=1, error_type="timeout", **job)
        yield happens("job", 1.0, job_state="started", attempt=2, **job)
    yield moves("pay", "paid", 2.0)
    yield moves("fulfil", "completed", 1.0)
    yield happens("job", 0.01, job_state="succeeded", **job)
    yield happens("visible", 0.5)
