"""What the demo breaks, in turn, and which alerts must or may say so, by when.

This table is the judge: an alert that fires outside of what it allows is false.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


class Shop(Protocol):
    """The switches of the running application."""

    def switch_provider(self, mode: str) -> None: ...
    def switch_readmodel(self, lag: float) -> None: ...
    def kill(self, name: str) -> None: ...
    def revive(self, name: str) -> None: ...
    def deploy_worker(self, version: str, *, shortcut: bool) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that breaks, and what is expected of the alerts. Times in seconds.

    Every alert of ``must`` has to reach its receiver ``within`` so long after the injection. Those
    of ``may`` are side effects that are no error. Both may fire from the injection until
    ``recovery`` after the healing: the application catches up (2 s at most), a window slides past
    what went wrong (6 s), the settled watermark follows (2 s), ``keep_firing_for`` runs out (2 s),
    and a slow machine takes its time over all of it. By then every one of them has resolved.
    """

    name: str
    what: str
    must: tuple[str, ...]
    may: tuple[str, ...] = ()
    within: float
    recovery: float = 25.0
    inject: Callable[[Shop], None]
    heal: Callable[[Shop], None]


def _break_release(shop: Shop) -> None:
    shop.deploy_worker("2.0.0", shortcut=True)


def _roll_back(shop: Shop) -> None:
    shop.deploy_worker("1.0.0", shortcut=False)


# Whatever holds orders up for seconds delays their completion too.
_HELD_UP = ("OrderCompletionLag", "OrderNotVisible", "OrderStuck")

FAULTS: tuple[Fault, ...] = (
    Fault(
        name="provider_hangs",
        what="the payment provider takes calls and never answers",
        must=("OrderStuckInPayment",),
        may=(*_HELD_UP, "OrderStuckInQueue", "OrderRetriesExhausted"),
        within=20.0,
        inject=lambda shop: shop.switch_provider("hang"),
        heal=lambda shop: shop.switch_provider("none"),
    ),
    Fault(
        name="dispatcher_dies",
        what="the dispatcher is killed: nothing leaves the outbox",
        must=("OrderOutboxLag",),
        may=(*_HELD_UP, "OrderStuckInQueue"),
        within=20.0,
        inject=lambda shop: shop.kill("dispatcher"),
        heal=lambda shop: shop.revive("dispatcher"),
    ),
    Fault(
        name="worker_dies",
        what="the worker is killed: jobs wait in the queue",
        must=("OrderStuckInQueue",),
        # what it held when it died waits for its lease to run out
        may=(*_HELD_UP, "OrderStuckInPayment"),
        within=20.0,
        inject=lambda shop: shop.kill("worker"),
        heal=lambda shop: shop.revive("worker"),
    ),
    Fault(
        name="illegal_shortcut",
        what="release 2.0.0 of the worker completes orders without the state `paid`",
        must=("OrderIllegalTransitions",),
        within=20.0,
        inject=_break_release,
        heal=_roll_back,
    ),
    Fault(
        name="readmodel_lags",
        what="the read model falls behind: finished orders are not shown",
        must=("OrderCompletionLag", "OrderNotVisible"),
        may=("OrderStuck",),
        within=20.0,
        inject=lambda shop: shop.switch_readmodel(60.0),
        heal=lambda shop: shop.switch_readmodel(0.0),
    ),
    Fault(
        name="provider_fails",
        what="the payment provider answers 503 until every attempt is used up",
        must=("OrderRetriesExhausted",),
        may=("OrderStuckInPayment", "OrderCompletionLag"),
        within=20.0,
        inject=lambda shop: shop.switch_provider("fail"),
        heal=lambda shop: shop.switch_provider("none"),
    ),
)
