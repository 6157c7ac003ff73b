"""Real processes: exits, forks, multiprocessing and signals, against the real endpoint."""

import json
import signal
import subprocess
import time
from collections import Counter

import pytest

DECLARE = """
import os, sys, time, json
import donewatch
from donewatch import Workflow
order = Workflow("order", version="3")
"""


def instances(sink):
    return Counter(each.attributes["donewatch.instance.id"] for each in sink.events())


@pytest.mark.parametrize(
    "end",
    [
        pytest.param("", id="falls off the end"),
        pytest.param("sys.exit(0)", id="sys.exit"),
        pytest.param("import atexit; atexit.register(lambda: None)", id="with exit functions"),
    ],
)
def test_a_normal_exit_sends_what_is_queued(sink, run, end):
    ended = run(
        DECLARE + "for n in range(1000): order.visible(f'o-{n}')\n" + end,
        DONEWATCH_SCHEDULE_DELAY="60",
    )
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    assert len(instances(sink)) == 1000
    assert set(instances(sink).values()) == {1}


def test_an_exception_at_the_end_sends_what_is_queued(sink, run):
    ended = run(DECLARE + "order.visible('o-1')\n1/0", DONEWATCH_SCHEDULE_DELAY="60")
    assert ended.code == 1
    assert instances(sink) == {"o-1": 1}


def test_events_of_exit_functions_are_sent(sink, run):
    code = DECLARE + "import atexit; atexit.register(order.visible, 'late')\norder.visible('o-1')"
    assert run(code).err == ""
    assert instances(sink) == {"o-1": 1, "late": 1}


def test_the_first_event_in_an_exit_function_does_no_harm(sink, run):
    code = DECLARE + "import atexit; atexit.register(order.visible, 'only')"
    ended = run(code)
    assert (ended.code, ended.err) == (0, "")
    assert instances(sink) == {"only": 1}


EXIT = (
    DECLARE
    + """
for n in range(2000): order.visible(f"o-{n}")
import atexit
print(time.monotonic(), flush=True)
"""
)


@pytest.mark.parametrize("timeout", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("endpoint", ["hanging", "dead", "unavailable"])
def test_an_exit_takes_no_longer_than_it_may(sink, script, reply, endpoint, timeout):
    environment = {"DONEWATCH_EXIT_TIMEOUT": str(timeout)}
    if endpoint == "hanging":
        sink.behave = sink.hang
    elif endpoint == "unavailable":
        sink.behave = lambda request, number: reply(503, b"", {"retry-after": "30"})
    else:
        environment["DONEWATCH_ENDPOINT"] = "http://127.0.0.1:1"
    with script(EXIT, **environment) as process:
        assert process.stdout is not None
        begin = float(process.stdout.readline())  # the clock of the machine: comparable
        process.wait(timeout=30)
        took = time.monotonic() - begin
        assert process.returncode == 0
        assert took < timeout + 1.0
        if endpoint == "hanging":
            assert took >= timeout
        assert process.stderr is not None
        told = process.stderr.read()
    assert f"donewatch lost 2000 events: not sent within {timeout:g} s" in told


def test_a_forked_child_sends_its_own_events_and_counts_for_itself(sink, run):
    code = (
        DECLARE
        + """
order.visible("parent before")
donewatch.flush(10)
children = []
for n in range(3):
    order.visible(f"parent {n}")          # still queued while forking
    pid = os.fork()
    if pid == 0:
        order.visible(f"child {n}")
        order.visible("")
        print(json.dumps([donewatch.stats().emitted, donewatch.stats().dropped]), flush=True)
        sys.exit(0)
    children.append(pid)
for pid in children:
    assert os.waitpid(pid, 0)[1] == 0
order.visible("parent after")
assert donewatch.flush(10)
print(json.dumps([donewatch.stats().emitted, donewatch.stats().exported]))
order.visible("")
"""
    )
    ended = run(code, DONEWATCH_SCHEDULE_DELAY="5", DONEWATCH_HEARTBEAT_INTERVAL="600")
    assert (ended.code, "Traceback" in ended.err) == (0, False), ended.err
    lines = [json.loads(line) for line in ended.out.splitlines()]
    assert lines == [[2, 1], [2, 1], [2, 1], [5, 5]]
    expected = [f"{who} {n}" for who in ("parent", "child") for n in range(3)]
    assert instances(sink) == Counter([*expected, "parent before", "parent after"])
    last = [each.attributes for each in sink.heartbeats()]
    assert len({each["donewatch.heartbeat.producer"] for each in last}) == 4
    assert sorted(each["donewatch.heartbeat.emitted"] for each in last) == [2, 2, 2, 6]


def test_a_fork_in_the_middle_of_traffic_harms_neither(sink, run):
    """Other threads hold whatever lock they hold at that moment."""
    code = (
        DECLARE
        + """
import threading
stop = threading.Event()
def work(n):
    count = 0
    while not stop.is_set() and count < 5000:
        order.visible(f"parent {n} {count}"); count += 1
        time.sleep(0.0005)
    counts[n] = count
counts = {}
threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
for each in threads: each.start()
children = []
for n in range(12):
    pid = os.fork()
    if pid == 0:
        for k in range(20): order.visible(f"child {n} {k}")
        ok = donewatch.flush(20)
        os._exit(0 if ok and donewatch.stats().exported == 20 else 1)
    children.append(pid)
codes = [os.waitpid(pid, 0)[1] for pid in children]
stop.set()
for each in threads: each.join()
assert donewatch.flush(20)
print(json.dumps([codes, sum(counts.values()), donewatch.stats().exported]))
"""
    )
    ended = run(code, DONEWATCH_SCHEDULE_DELAY="0.05")
    assert ended.code == 0, ended.err
    codes, emitted, exported = json.loads(ended.out)
    assert codes == [0] * 12
    assert emitted == exported
    seen = instances(sink)
    assert set(seen.values()) == {1}
    assert len(seen) == emitted + 12 * 20


def test_a_child_of_a_child_works_too(sink, run):
    code = (
        DECLARE
        + """
def descend(depth):
    order.visible(f"depth {depth}")
    if depth < 3:
        pid = os.fork()
        if pid == 0:
            descend(depth + 1)
            sys.exit(0)
        os.waitpid(pid, 0)
descend(0)
"""
    )
    ended = run(code)
    assert ended.code == 0, ended.err
    assert instances(sink) == {f"depth {n}": 1 for n in range(4)}


def test_a_child_that_emits_nothing_starts_nothing(sink, run):
    code = (
        DECLARE
        + """
import threading
order.visible("parent")
pid = os.fork()
if pid == 0:
    print(sorted(each.name for each in threading.enumerate()).count("donewatch"), flush=True)
    sys.exit(0)
os.waitpid(pid, 0)
"""
    )
    ended = run(code)
    assert (ended.code, ended.out) == (0, "0\n"), ended.err
    assert instances(sink) == {"parent": 1}


MULTIPROCESSING = """
import multiprocessing, sys
import donewatch
from donewatch import Workflow
order = Workflow("order", version="3")

def work(n):
    order.visible(f"child {n}")
    order.visible("")

if __name__ == "__main__":
    if sys.argv[1:] != ["quiet"]:
        order.visible("parent")
    context = multiprocessing.get_context(METHOD)
    children = [context.Process(target=work, args=(n,)) for n in range(3)]
    for each in children: each.start()
    for each in children: each.join()
    assert [each.exitcode for each in children] == [0, 0, 0]
    with context.Pool(2) as pool:
        pool.map(work, range(3, 9))
        pool.close()
        pool.join()
"""


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_children_of_multiprocessing_send_before_they_end(sink, run, method):
    ended = run(
        MULTIPROCESSING.replace("METHOD", repr(method)),
        DONEWATCH_SCHEDULE_DELAY="60",
        DONEWATCH_HEARTBEAT_INTERVAL="600",
    )
    assert ended.code == 0, ended.err
    assert instances(sink) == {f"child {n}": 1 for n in range(9)} | {"parent": 1}
    producers = {each.attributes["donewatch.heartbeat.producer"] for each in sink.heartbeats()}
    assert 4 <= len(producers) <= 5  # three children, and each of the pool's that got work


def test_a_child_of_multiprocessing_ends_in_time_although_the_endpoint_hangs(sink, run):
    sink.behave = sink.hang
    begin = time.monotonic()
    ended = run(
        DECLARE
        + """
import multiprocessing
child = multiprocessing.get_context("fork").Process(target=order.visible, args=("child",))
child.start(); child.join(); print(child.exitcode)
""",
        DONEWATCH_EXIT_TIMEOUT="0.5",
    )
    assert (ended.code, ended.out) == (0, "0\n"), ended.err
    assert time.monotonic() - begin < 5


SIGTERM = (
    DECLARE
    + """
import signal
BEFORE
donewatch.flush_on_sigterm()
order.visible("o-1")
try:
    print("ready", flush=True)
    while True: time.sleep(60)
finally:
    print("left", flush=True)
"""
)


def terminate(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


@pytest.mark.parametrize(
    ("before", "code", "out"),
    [
        pytest.param("", -signal.SIGTERM, "", id="no handler before: ends by the signal"),
        pytest.param(
            "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))",
            7,
            "left\n",
            id="a handler that exits",
        ),
    ],
)
def test_sigterm_sends_what_is_queued_then_goes_on_as_before(sink, script, before, code, out):
    with script(SIGTERM.replace("BEFORE", before), DONEWATCH_SCHEDULE_DELAY="60") as process:
        assert terminate(process)[:2] == (code, out)
    assert instances(sink) == {"o-1": 1}


def test_sigterm_that_was_ignored_stays_ignored(sink, script):
    code = SIGTERM.replace("BEFORE", "signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    with script(code, DONEWATCH_SCHEDULE_DELAY="60") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        sink.wait(lambda: sink.events())
        assert process.poll() is None
        process.kill()


def test_sigterm_with_a_hanging_endpoint_ends_in_time(sink, script):
    sink.behave = sink.hang
    with script(SIGTERM.replace("BEFORE", ""), DONEWATCH_EXIT_TIMEOUT="0.5") as process:
        begin = time.monotonic()
        assert terminate(process)[0] == -signal.SIGTERM
        assert time.monotonic() - begin < 5


def test_no_signal_handler_is_installed_unasked(sink, run):
    ended = run(
        DECLARE
        + """
import signal
before = {each: signal.getsignal(each) for each in signal.valid_signals()}
order.visible("o-1"); donewatch.flush(10)
assert before == {each: signal.getsignal(each) for each in signal.valid_signals()}
"""
    )
    assert ended.code == 0, ended.err


def test_asyncio_programs_work_and_are_not_held_up(sink, run):
    sink.behave = sink.hang
    ended = run(
        DECLARE
        + """
import asyncio
async def tick(times):
    while True:
        times.append(time.monotonic()); await asyncio.sleep(0.01)
async def main():
    times = []
    ticking = asyncio.create_task(tick(times))
    async def one(n):
        for k in range(20):
            order.visible(f"{n}-{k}"); await asyncio.sleep(0.01)
    await asyncio.gather(*(one(n) for n in range(20)))
    ticking.cancel()
    return max(b - a for a, b in zip(times, times[1:]))
print(asyncio.run(main()))
""",
        DONEWATCH_SCHEDULE_DELAY="0.05",
        DONEWATCH_EXIT_TIMEOUT="0.2",
    )
    assert ended.code == 0, ended.err
    assert float(ended.out) < 1.0
    assert "lost 400 events" in ended.err
