"""Orders that a running service is told of, and what it may expect of them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from typer.testing import Result

Run = Callable[..., Result]

DEFINITION = """\
workflow: order
version: "1"
lateness: 0s
stuck_after: 1h
instance_url: https://admin.example/orders/{instance_id}
states:
  submitted: {status: accepted, stuck_after: 2m}
  payment_pending:
    {status: processing, stuck_after: 15m, waits_for: payment provider, message: "We wait."}
  done: {status: completed, terminal: true}
transitions:
  - {action: submit, to: submitted}
  - {action: request_payment, from: submitted, to: payment_pending}
  - {action: finish, from: payment_pending, to: done}
jobs:
  charge_card: {max_attempts: 5, states: [payment_pending]}
"""


def ago(**span: float) -> str:
    return (datetime.now(UTC) - timedelta(**span)).isoformat()


def transition(instance: str, from_: str, to: str, at: str, **given: Any) -> dict[str, Any]:
    return {
        "event": "transition",
        "workflow_type": "order",
        "instance_id": instance,
        "from": from_,
        "to": to,
        "occurred_at": at,
        "environment": "production",
        "service": "shop",
        **given,
    }


def orders() -> list[dict[str, Any]]:
    """o-1 waits for its payment for 40 min, o-2 is done, o-3 is young, o-4 old in its run alone."""
    job = {
        "event": "job",
        "workflow_type": "order",
        "instance_id": "o-1",
        "environment": "production",
        "job_id": "j-1",
        "job_type": "charge_card",
    }
    return [
        transition("o-1", "", "submitted", ago(minutes=41), action="submit"),
        transition(
            "o-1", "submitted", "payment_pending", ago(minutes=40), action="request_payment"
        ),
        {**job, "job_state": "started", "attempt": 2, "occurred_at": ago(minutes=39)},
        {
            **job,
            "job_state": "failed",
            "attempt": 2,
            "max_attempts": 5,
            "error_type": "http_503",
            "occurred_at": ago(minutes=38),
        },
        {
            "event": "outbox",
            "workflow_type": "order",
            "instance_id": "o-1",
            "environment": "production",
            "outbox_id": "m-1",
            "outbox_state": "dispatched",
            "occurred_at": ago(minutes=41),
        },
        transition("o-2", "", "submitted", ago(minutes=9), action="submit"),
        transition(
            "o-2", "submitted", "done", ago(minutes=8), action="cheat", actor_type="operator"
        ),
        transition("o-3", "", "submitted", ago(seconds=10), action="submit"),
        transition("o-4", "", "submitted", ago(minutes=70), action="submit"),
        transition("o-4", "submitted", "payment_pending", ago(minutes=1), action="request_payment"),
        transition("a/b ?é", "", "submitted", ago(seconds=9), workflow_type="pay.out"),
        transition("o-1", "", "submitted", ago(seconds=8), environment="staging", action="submit"),
    ]
