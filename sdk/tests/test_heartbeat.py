"""A producer says that it is alive, how much it emitted, and how much it dropped."""

import threading
import time

import pytest

import donewatch
from donewatch import Workflow, ids

ORDER = Workflow("order", version="3")


def test_heartbeats_count_all_that_was_emitted_and_dropped(configure, sink):
    configure(heartbeat_interval=0.1)
    ORDER.visible("o-1")
    ORDER.visible("")
    sink.wait(lambda: len(sink.heartbeats()) >= 3)
    first, second, *_ = sink.heartbeats()
    event_id = first.attributes.pop("donewatch.event.id")
    assert event_id != second.attributes.pop("donewatch.event.id")
    producer = first.attributes["donewatch.heartbeat.producer"]
    assert first.attributes == second.attributes
    assert first.attributes == {
        "donewatch.heartbeat.producer": producer,
        "donewatch.heartbeat.emitted": 2,
        "donewatch.heartbeat.dropped": 1,
    }
    assert len(producer) == 36
    assert first.resource["service.name"] == "shop"
    assert abs(first.time - time.time_ns()) < 60 * 10**9
    stats = donewatch.stats()
    assert (stats.emitted, stats.exported, stats.dropped) == (2, 1, 1), "heartbeats are no events"


def test_the_producer_stays_the_same_when_configured_again(configure, sink):
    for _ in range(2):
        configure(heartbeat_interval=0.05)
        before = len(sink.heartbeats())
        ORDER.visible("o-1")
        sink.wait(lambda before=before: len(sink.heartbeats()) > before)
    producers = {each.attributes["donewatch.heartbeat.producer"] for each in sink.heartbeats()}
    assert len(producers) == 1


@pytest.mark.parametrize(
    ("instance", "heartbeats"),
    [pytest.param("o-1", 0, id="nothing was dropped"), pytest.param("", 1, id="something was")],
)
def test_a_last_heartbeat_if_anything_was_dropped(configure, sink, instance, heartbeats):
    configure(heartbeat_interval=3600)
    ORDER.visible("o-1")
    ORDER.visible(instance)
    assert donewatch.shutdown(10)
    assert len(sink.heartbeats()) == heartbeats
    for each in sink.heartbeats():
        assert each.attributes["donewatch.heartbeat.dropped"] == 1


def test_the_last_heartbeat_knows_what_the_last_batch_lost(configure, sink, reply, partial_success):
    def behave(request, number):
        return reply(200, partial_success(4, "not these")) if number == 0 else reply()

    sink.behave = behave
    configure(heartbeat_interval=3600, schedule_delay=60)
    for _ in range(10):
        ORDER.visible("o-1")
    assert donewatch.shutdown(10)
    (last,) = sink.heartbeats()
    assert last.attributes["donewatch.heartbeat.dropped"] == 4


def test_heartbeats_get_through_while_the_queue_is_full(configure, sink):
    sink.behave = sink.hang
    configure(heartbeat_interval=0.05, queue_size=10, batch_size=5)
    for _ in range(500):
        ORDER.visible("o-1")
    sink.wait(lambda: sink.headers)  # the first batch hangs, the queue stays full
    dropped = donewatch.stats().dropped
    assert dropped > 400
    time.sleep(0.3)  # several beats; only the room kept for them is used
    assert donewatch.stats().dropped == dropped
    sink.released.set()
    sink.wait(lambda: len(sink.heartbeats()) >= 2)
    assert donewatch.flush(10)
    reported = max(each.attributes["donewatch.heartbeat.dropped"] for each in sink.heartbeats())
    assert reported == dropped == donewatch.stats().dropped


def test_a_heartbeat_that_fails_does_not_cost_the_drain(configure, sink, monkeypatch):
    from donewatch.pipeline import Pipeline

    failed = threading.Event()

    def broken(self: Pipeline) -> None:
        failed.set()
        raise RuntimeError("no heartbeat")

    monkeypatch.setattr(Pipeline, "_beat", broken)
    configure(heartbeat_interval=0.01, schedule_delay=60)
    ORDER.visible("o-1")
    assert failed.wait(10)
    assert donewatch.shutdown(10)
    assert len(sink.events()) == 1


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        pytest.param(0x017F22E279B0 * 10**6, "017f22e2-79b0-7000-", id="the example of RFC 9562"),
        pytest.param(999_999, "00000000-0000-7fff-", id="the fraction of a millisecond"),
        pytest.param(500_000, "00000000-0000-7800-", id="half a millisecond"),
    ],
)
def test_uuid7_has_the_time_in_front(now, expected):
    made = ids.uuid7(now)
    assert made.startswith(expected)
    assert made[19] in "89ab"
    assert len(made) == 36
