"""What the services under test watch: orders that are paid and then shipped."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

_IDS = itertools.count(1)

DEFINITION = """\
workflow: order
version: "1"
lateness: 0s
states:
  submitted: {status: accepted}
  paid: {status: processing}
  shipped: {status: completed, terminal: true}
transitions:
  - {action: submit, to: submitted}
  - {action: pay, from: submitted, to: paid}
  - {action: ship, from: paid, to: shipped}
completion: {starts: submitted}
"""

# An order that is not paid within a second is stuck.
STUCK = """\
groups:
  - name: orders
    interval: 200ms
    rules:
      - alert: OrderStuck
        stuck: {workflow: order, state: submitted, longer_than: 1s}
        labels: {severity: page}
        annotations: {summary: "{{ count }} orders wait to be paid"}
"""


def now() -> str:
    return datetime.now(UTC).isoformat()


def ago(seconds: float) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds)).isoformat()


def transition(instance: str, from_: str, to: str, action: str, **fields: Any) -> dict[str, Any]:
    return {
        "event": "transition",
        "event_id": f"e-{next(_IDS)}",
        "workflow_type": "order",
        "instance_id": instance,
        "from": from_,
        "to": to,
        "action": action,
        "occurred_at": now(),
        **fields,
    }


def submit(instance: str, **fields: Any) -> dict[str, Any]:
    return transition(instance, "", "submitted", "submit", **fields)


def pay(instance: str, **fields: Any) -> dict[str, Any]:
    return transition(instance, "submitted", "paid", "pay", **fields)
