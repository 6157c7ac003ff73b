"""From an application's first line to the end of an alert, as a newcomer would try it.

An order is accepted, nobody charges the card, somebody is told, the card is charged.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.peers.donewatch import Donewatch, donewatch, until
from tests.peers.webhook import Webhook

pytestmark = pytest.mark.system

# What the service knows of orders: this file alone yields rules.
DEFINITION = """\
workflow: order
version: "1"
lateness: 0s
states:
  submitted: {status: accepted, stuck_after: 1s, message: "We have your order."}
  paid: {status: completed, terminal: true}
transitions:
  - {action: submit, to: submitted}
  - {action: pay, from: submitted, to: paid}
completion: {starts: submitted}
"""

# What the application says, in a process of its own that ends at once.
ACCEPT = """
from donewatch import Workflow

order = Workflow.load("workflows/order.yaml")
order.transition("o-17", None, "submitted", action="submit", sequence=1)
"""
CHARGE = """
from donewatch import Workflow

order = Workflow.load("workflows/order.yaml")
order.transition("o-17", "submitted", "paid", action="pay", sequence=2)
assert not order.guard("o-17", "paid", "submitted", action="submit")
"""


def application(service: Donewatch, code: str) -> None:
    environment = {"DONEWATCH_ENDPOINT": service.otlp, "DONEWATCH_SERVICE_NAME": "shop"}
    subprocess.run(
        [sys.executable, "-c", code],
        cwd=service.directory,
        env={**os.environ, **environment},
        check=True,
        timeout=30,
    )


def test_an_order_that_waits_too_long_is_told_and_then_resolved(tmp_path: Path) -> None:
    with (
        Webhook() as pager,
        donewatch(tmp_path, NOTIFY__WEBHOOKS=[pager.url], EXTERNAL_URL="http://watch.test") as dw,
    ):
        (dw.workflows / "order.yaml").write_text(DEFINITION)
        until(lambda: dw.rule("OrderStuck"), what="the rules of the definition")

        application(dw, ACCEPT)
        until(lambda: dw.items("/instances"), what="the order")
        status = dw.api("/instances/order/o-17/status")
        assert (status["status"], status["message"]) == ("accepted", "We have your order.")

        # nobody charges the card
        until(lambda: pager.told("OrderStuck"), what="an alert")
        (alert,) = pager.alerts("OrderStuck")
        assert alert["annotations"]["summary"].startswith("1 order operation is stuck")
        (member,) = alert["members"]
        assert (member["instance_id"], alert["membersTotal"]) == ("o-17", 1)
        assert member["url"].startswith("http://watch.test/instances/order/o-17")
        page = dw.http.get(
            dw.pages + member["url"].removeprefix("http://watch.test"),
            headers={"Accept": "text/html"},
        )
        assert page.status_code == 200
        assert "o-17" in page.text and "submitted" in page.text

        application(dw, CHARGE)
        until(lambda: pager.told("OrderStuck") == ["firing", "resolved"], what="its end")
        status = dw.api("/instances/order/o-17/status")
        assert (status["status"], status["done"]) == ("completed", True)
        told = dw.api("/instances/order/o-17")
        assert [visit["state"] for visit in told["visits"]] == ["submitted", "paid"]
        outcomes = [each["fields"]["outcome"] for each in told["events"]]
        assert outcomes == ["committed", "committed", "rejected"]
        assert pager.told("OrderIllegalTransitions") == [], "the guard worked"
