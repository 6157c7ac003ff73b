"""kill -9 at any moment: what was acknowledged is there, once; alerts go on as if nothing were."""

import random
import time
from datetime import datetime, timedelta

import pytest

from tests.peers.donewatch import until
from tests.peers.webhook import Webhook
from tests.service import story
from tests.service.conftest import Make
from tests.service.traffic import Traffic

pytestmark = pytest.mark.system

HALF = timedelta(seconds=5)  # of `for`, rather more

# An interval that a busy machine keeps: what passes between late evaluations counts for no `for`.
PENDING = """
  - name: patient
    interval: 1s
    rules:
      - alert: OrderStuckLong
        stuck: {workflow: order, state: submitted, longer_than: 1s}
        for: 8s
"""


def test_killed_in_mid_traffic_nothing_acknowledged_is_lost_and_nothing_counts_twice(
    make: Make,
) -> None:
    service = make(rules="").start()
    with Traffic(lambda: service.otlp) as traffic:
        for _ in range(3):
            traffic.wait(200)
            time.sleep(random.uniform(0.0, 0.3))  # any moment at all, not one that suits us
            service.kill()
            service.start()
        traffic.finish()
    assert traffic.wrong == []
    assert traffic.again, "every kill missed the traffic"
    assert traffic.acknowledged == traffic.sent
    service.wait_counted()
    (edge,) = service.api("/workflows/order")["edges"]
    assert (edge["action"], edge["count"]) == ("submit", len(traffic.sent))
    found = [each["instance_id"] for each in service.items("/instances", workflow="order")]
    assert len(found) == len(set(found))
    assert set(found) == traffic.sent


def test_a_batch_is_there_although_the_kill_came_with_its_acknowledgement(make: Make) -> None:
    service = make(rules="").start()
    service.take(*(story.submit(f"order-{each}") for each in range(50)))
    service.kill()
    service.start()
    service.wait_counted()
    (edge,) = service.api("/workflows/order")["edges"]
    assert edge["count"] == 50


def test_an_alert_is_the_same_one_after_a_kill(make: Make, hook: Webhook) -> None:
    service = make(rules=story.STUCK + PENDING, NOTIFY__WEBHOOKS=[hook.url]).start()
    service.take(story.submit("order-1"))
    firing = service.wait_alert("OrderStuck", "firing")
    pending = service.wait_alert("OrderStuckLong", "pending")
    until(lambda: hook.told("OrderStuck"))
    service.wait_evaluated("OrderStuck", times=3)  # that it was told is saved with the next look
    # more than half of `for` passes before the kill, so a clock that began again would be seen
    since = datetime.fromisoformat(pending["pending_since"])
    until(lambda: service.at(service.rule("OrderStuckLong"), "last_evaluation") - since > HALF)
    service.kill()
    service.start()

    service.wait_evaluated("OrderStuck")
    after = service.alert("OrderStuck")
    assert after is not None
    for name in ("fingerprint", "state", "pending_since", "firing_since", "labels"):
        assert after[name] == firing[name]
    back = service.at(service.wait_evaluated("OrderStuckLong", times=1), "last_evaluation")
    later = service.wait_alert("OrderStuckLong", "firing")
    assert later["fingerprint"] == pending["fingerprint"]
    assert later["pending_since"] == pending["pending_since"]
    assert service.at(later, "firing_since") - back < HALF, "the clock of `for` began again"

    until(lambda: hook.told("OrderStuckLong"))
    service.wait_evaluated("OrderStuck", times=3)
    assert hook.told("OrderStuck") == ["firing"], "it was told a second time"
    states = [each["state"] for each in service.items(f"/alerts/{firing['fingerprint']}/history")]
    assert states == ["firing"]

    service.take(story.pay("order-1"))
    until(lambda: hook.told("OrderStuck") == ["firing", "resolved"], what="its end")
    told = hook.alerts("OrderStuck")
    assert {each["fingerprint"] for each in told} == {firing["fingerprint"]}
    assert len({each["startsAt"] for each in told}) == 1


def test_a_receiver_that_was_away_while_the_service_was_killed_is_told_afterwards(
    make: Make,
) -> None:
    absent = Webhook()  # it has an address, and nobody answers there yet
    service = make(NOTIFY__WEBHOOKS=[absent.url]).start()
    service.take(story.submit("order-1"))
    service.wait_alert("OrderStuck", "firing")
    service.wait_evaluated("OrderStuck")
    service.kill()
    with absent:
        service.start()
        until(lambda: absent.told("OrderStuck"), what="being told")
        assert absent.told("OrderStuck")[0] == "firing"
