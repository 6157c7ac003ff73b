"""The caller never waits for the network, and may be anywhere when it emits."""

import signal
import threading
import time

import donewatch
from donewatch import Workflow

ORDER = Workflow("order", version="3")


def slowest(count: int) -> float:
    """The longest of several emissions in CPU time and waiting alike, in seconds; the least of
    three rounds, since a busy machine takes the processor away at times."""

    def once() -> float:
        worst = 0.0
        for number in range(count):
            begin = time.perf_counter()
            ORDER.visible(f"o-{number}")
            worst = max(worst, time.perf_counter() - begin)
        return worst

    return min(once() for _ in range(3))


def test_a_hanging_endpoint_holds_up_nobody(configure, sink):
    sink.behave = sink.hang
    configure(queue_size=1000, batch_size=100)
    ORDER.visible("o-0")
    sink.wait(lambda: sink.headers)
    flushed = threading.Thread(target=donewatch.flush, args=(30,))
    flushed.start()
    assert slowest(3000) < 0.1, "while a batch hangs, the queue is full and another thread flushes"
    stats = donewatch.stats()
    assert stats.pending <= 1100
    assert stats.reasons == {"queue_full": stats.emitted - stats.pending}
    sink.released.set()
    flushed.join()
    assert donewatch.flush(10)
    assert donewatch.stats().pending == 0


def test_the_end_holds_up_nobody(configure, sink):
    sink.behave = sink.hang
    ORDER.visible("o-0")
    sink.wait(lambda: sink.headers)
    end = threading.Thread(target=donewatch.shutdown, args=(2,))
    end.start()
    assert slowest(1000) < 0.1
    end.join()
    stats = donewatch.stats()
    assert (stats.emitted, stats.pending) == (3001, 0)
    assert stats.exported + stats.dropped == stats.emitted


def test_an_emission_in_a_signal_handler_interrupts_an_emission(configure, sink):
    """A lock held by the interrupted emission would never be released."""
    configure(queue_size=500)
    handled = 0

    def handle(number: int, frame: object) -> None:
        nonlocal handled
        handled += 1
        ORDER.visible("signal")
        donewatch.stats()

    previous = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.0007)
    try:
        emitted = 0
        until = time.monotonic() + 1.5
        while time.monotonic() < until:
            ORDER.visible("o-1")
            emitted += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert handled > 100
    assert donewatch.flush(30)
    stats = donewatch.stats()
    assert stats.emitted == emitted + handled
    assert stats.exported + stats.dropped == stats.emitted
    assert stats.exported == len(sink.events())


def test_a_log_handler_that_emits_does_not_recurse(configure, sink):
    import logging

    class Emitting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            ORDER.visible("")

    logger = logging.getLogger("donewatch")
    handler = Emitting()
    logger.addHandler(handler)
    try:
        ORDER.visible("")
    finally:
        logger.removeHandler(handler)
    assert donewatch.stats().reasons == {"invalid": 2}


def test_many_threads_that_begin_at_once_share_one_pipeline(configure, sink):
    barrier = threading.Barrier(16)

    def work() -> None:
        barrier.wait()
        ORDER.visible("o-1")

    threads = [threading.Thread(target=work) for _ in range(16)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert [each.name for each in threading.enumerate()].count("donewatch") == 1
    assert donewatch.flush(10)
    assert donewatch.stats().exported == 16
