"""The application as real processes on free ports, reporting to a collector that remembers."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from demo.children import Children
from demo.shop import Shop
from demo.tally import emitted_ids
from donewatch import attributes as names
from tests.demo.sink import Sink

pytestmark = pytest.mark.system

PATIENCE = 60.0  # seconds; a shared machine may be slow, a broken application is never done


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited {PATIENCE:g} s until {what}"
        time.sleep(0.05)


class Running:
    """An open shop, its children and the collector they report to."""

    def __init__(self, shop: Shop, children: Children, sink: Sink, data_dir: Path) -> None:
        self.shop, self.children, self.sink, self.data_dir = shop, children, sink, data_dir

    def place(self, order_id: str, actor_type: str = "user") -> httpx.Response:
        return httpx.post(
            f"{self.shop.url('orders')}/orders",
            json={"order_id": order_id, "amount": 1000},
            headers={"Actor-Type": actor_type},
        )

    def shown(self, order_id: str) -> str:
        answer = httpx.get(f"{self.shop.url('readmodel')}/orders/{order_id}")
        return str(answer.json()["state"]) if answer.is_success else ""

    def wait_shown(self, order_id: str, state: str) -> None:
        wait_until(lambda: self.shown(order_id) == state, f"{order_id} is shown as {state}")

    def steps(self, order_id: str) -> set[tuple[str, str]]:
        return {
            (each.get(names.TRANSITION_FROM, ""), each[names.TRANSITION_TO])
            for each in self.sink.of(names.TRANSITION)
            if each[names.INSTANCE_ID] == order_id
        }

    def close(self) -> None:
        self.shop.close()
        self.children.check()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with Sink() as sink, Children(tmp_path / "logs", os.environ) as children:
        data_dir = tmp_path / "app"
        shop = Shop(children, data_dir, sink.url)
        shop.open()
        yield Running(shop, children, sink, data_dir)


def test_an_order_is_followed_from_acceptance_to_visible(running: Running) -> None:
    assert running.place("o1").json() == {"order_id": "o1", "state": "submitted", "version": 1}
    assert running.place("p1", "probe").is_success
    running.wait_shown("o1", "completed")
    running.wait_shown("p1", "completed")
    running.close()
    assert set(running.sink.ids()) == emitted_ids(running.data_dir)
    assert running.steps("o1") >= {("", "submitted"), ("payment_pending", "paid")}
    assert {each[names.INSTANCE_ID] for each in running.sink.of(names.VISIBLE)} == {"o1", "p1"}
    actors = {
        each[names.INSTANCE_ID]: each[names.ACTOR_TYPE]
        for each in running.sink.of(names.TRANSITION)
        if each[names.TRANSITION_TO] == "submitted"
    }
    assert actors == {"o1": "user", "p1": "probe"}
    assert running.shop.operations().completed == 1
    assert running.shop.open_orders() == 0


def test_users_and_the_probe_come_and_leave_when_their_orders_have_ended(running: Running) -> None:
    running.shop.admit(rate=10.0)
    wait_until(lambda: running.shop.operations().completed >= 10, "ten orders are complete")
    wait_until((running.data_dir / "probes.ndjson").exists, "the probe has run")
    running.shop.ask_users_to_leave()
    wait_until(lambda: not running.shop.has_users(), "the users have left")
    operations = running.shop.operations()
    assert operations.stuck == 0
    assert operations.started == operations.completed
    running.close()
    assert set(running.sink.ids()) == emitted_ids(running.data_dir)


def test_killed_processes_lose_no_event_and_their_work_is_taken_up(running: Running) -> None:
    running.shop.switch_provider("hang")
    for number in range(5):
        running.place(f"o{number}")
    wait_until(
        lambda: sum(("queued", "payment_pending") in running.steps(f"o{n}") for n in range(5)) == 5,
        "the worker holds every order",
    )
    running.shop.kill("worker")
    running.shop.kill("dispatcher")
    running.shop.switch_provider("none")
    for number in range(5, 10):
        running.place(f"o{number}")
    running.shop.revive("dispatcher")
    running.shop.revive("worker")
    for number in range(10):
        running.wait_shown(f"o{number}", "completed")
    running.close()
    assert set(running.sink.ids()) == emitted_ids(running.data_dir)


def test_a_provider_that_fails_ends_the_order_as_failed(running: Running) -> None:
    running.shop.switch_provider("fail")
    running.place("o1")
    running.wait_shown("o1", "failed")
    running.close()
    assert ("payment_pending", "failed") in running.steps("o1")
    [exhausted] = [
        each for each in running.sink.of(names.JOB) if each[names.JOB_STATE] == "exhausted"
    ]
    assert exhausted[names.JOB_ATTEMPT] == exhausted[names.JOB_MAX_ATTEMPTS] == 4
    assert running.shop.operations().stuck == 0


def test_a_lagging_read_model_shows_nothing_until_it_is_mended(running: Running) -> None:
    running.shop.switch_readmodel(600.0)
    running.place("o1")
    wait_until(lambda: ("paid", "completed") in running.steps("o1"), "the order is complete")
    assert running.shown("o1") == ""
    assert running.shop.operations().stuck == 1
    running.shop.switch_readmodel(0.0)
    running.wait_shown("o1", "completed")


def test_the_shortcut_is_a_release_of_its_own(running: Running) -> None:
    running.shop.deploy_worker("2.0.0", shortcut=True)
    running.place("o1")
    running.wait_shown("o1", "completed")
    running.shop.deploy_worker("1.0.0", shortcut=False)
    running.place("o2")
    running.wait_shown("o2", "completed")
    running.close()
    assert ("payment_pending", "completed") in running.steps("o1")
    assert ("payment_pending", "completed") not in running.steps("o2")
    versions = {
        each[names.SERVICE_VERSION]
        for each in running.sink.of(names.TRANSITION)
        if (each.get(names.TRANSITION_FROM), each[names.TRANSITION_TO])
        == ("payment_pending", "completed")
    }
    assert versions == {"2.0.0"}


def test_the_same_request_twice_is_one_order(running: Running) -> None:
    assert running.place("o1").is_success
    assert running.place("o1").is_success
    running.wait_shown("o1", "completed")
    assert running.shop.operations().started == 1


def test_the_application_is_idle_when_nobody_orders(running: Running) -> None:
    running_now = psutil.Process().children(recursive=True)
    processes = [each for each in running_now if "demo" in " ".join(each.cmdline())]
    assert len(processes) >= 3, "the shop is several processes"
    running.place("o1")
    running.wait_shown("o1", "completed")
    before = sum(sum(each.cpu_times()[:2]) for each in processes)
    time.sleep(4.0)  # what is measured is the passing of time itself
    used = sum(sum(each.cpu_times()[:2]) for each in processes) - before
    assert used / 4.0 < 0.5
