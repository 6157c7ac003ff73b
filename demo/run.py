"""The demo from start to end: what ``donewatch demo`` does."""

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import httpx
from rich.console import Console

from demo.children import ChildEnded, Children
from demo.faults import FAULTS, Fault
from demo.judgement import judge
from demo.narrator import Narrator
from demo.report import Events, Report
from demo.scenario import ENDING, WARM_UP, Scenario, minimum_duration
from demo.server import Server, clean_environment
from demo.shop import Operations, Shop
from demo.webhook import Receiver, Sightings

RATE = 3.0  # orders a second
FIRST_ORDERS = 5  # complete before anything else is judged
START_TIMEOUT = 60.0  # seconds
DRAIN_TIMEOUT = 30.0
TALLY_TIMEOUT = 120.0
POLL = 0.25
LOOK = 6.0  # a fault stays so long for somebody who watches: the pages look again every 5 seconds

FAILURES = (ChildEnded, OSError, ValueError, httpx.HTTPError, subprocess.SubprocessError)
FINE, FOUND, COULD_NOT_RUN, INTERRUPTED = 0, 1, 2, 130


class Interrupted(Exception):
    """Somebody wants the run to end now."""


class Clock:
    """Real time for the scenario; watches over the processes while it passes."""

    def __init__(self, stop: threading.Event, children: Children) -> None:
        self._stop = stop
        self._children = children

    def now(self) -> datetime:
        """The present, UTC."""
        return datetime.now(UTC)

    def until(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Wait until ``condition`` holds, at most ``timeout`` seconds; whether it did.

        :raises Interrupted: the run is to end.
        :raises ChildEnded: a process has ended that should not.
        """
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() >= deadline:
                return False
            if self._stop.wait(POLL):
                raise Interrupted
            self._children.check()
        return True


def run_demo(
    duration: float | None,
    json_output: bool,
    faults: bool,
    keep: bool,
    *,
    port: int = 0,
    otlp_port: int = 0,
) -> int:
    """Run the demo; returns the exit status.

    ``duration`` in seconds, None to run until Ctrl-C (or, without ``keep``, until the faults are
    over). ``json_output``: one JSON object on standard output, the story on standard error. 0 all
    as it must be; 1 a fault uncaught or unresolved, a false alert, an event lost or doubled; 2 it
    could not run; 130 it was interrupted before the faults were over.
    """
    played = FAULTS if faults else ()
    console = Console(stderr=json_output)
    minimum = minimum_duration(played)
    if duration is not None and duration < minimum:
        Console(stderr=True).print(
            f"a duration of {duration:g} s is too short for {len(played)} faults, "
            f"each waited for until it is over; give at least {minimum:g}",
            soft_wrap=True,
        )
        return COULD_NOT_RUN
    directory = Path(tempfile.mkdtemp(prefix="donewatch-demo-"))
    narrator = Narrator(console)
    status = COULD_NOT_RUN
    try:
        with narrator.progress():
            report = _run(narrator, directory, played, duration, keep, port, otlp_port)
        narrator.verdict(report)
        if json_output:
            sys.stdout.write(f"{json.dumps(report.as_json())}\n")
        status = FOUND if report.complaints() else FINE
    except Interrupted:
        narrator.say("interrupted, everything is stopped", "bold")
        status = INTERRUPTED
    except FAILURES as error:
        narrator.say(f"the demo could not run: {error}", "bold red")
    finally:
        if status in (FINE, INTERRUPTED):
            shutil.rmtree(directory, ignore_errors=True)
        else:
            narrator.say(f"logs and data are kept in {directory}")
    return status


def _run(
    narrator: Narrator,
    directory: Path,
    faults: Sequence[Fault],
    duration: float | None,
    keep: bool,
    port: int,
    otlp_port: int,
) -> Report:
    sightings = Sightings()
    began = time.monotonic()
    with (
        _stop_on_signals() as stop,
        Receiver(sightings) as receiver,
        Children(directory / "logs", clean_environment()) as children,
    ):
        clock = Clock(stop, children)
        narrator.waiting("starting donewatch")
        server = Server.start(
            children, directory, webhook=receiver.url, port=port, otlp_port=otlp_port
        )
        narrator.addresses(server.pages, server.otlp)
        narrator.waiting("starting the shop")
        shop = Shop(children, directory / "app", server.otlp)
        shop.open()
        shop.admit(RATE)
        if not clock.until(lambda: shop.operations().completed >= FIRST_ORDERS, START_TIMEOUT):
            raise TimeoutError(f"no {FIRST_ORDERS} orders were complete after {START_TIMEOUT:g} s")
        narrator.say(f"the shop is open: {RATE:g} orders a second")
        scenario = Scenario(
            shop,
            clock,
            narrator,
            sightings=sightings.all,
            active=server.active_alerts,
            look=LOOK if keep else 0.0,
        )
        clock.until(lambda: False, WARM_UP)
        scenario.play(faults)
        if duration is not None:
            left = duration - ENDING - (time.monotonic() - began)
            clock.until(lambda: False, max(left, 0.0))
        elif keep:
            narrator.outcomes(judge(scenario.injections, sightings.all()).outcomes)
            narrator.say(f"the shop stays open; look at {server.pages}; Ctrl-C ends", "bold cyan")
            try:
                clock.until(lambda: False, float("inf"))
            except Interrupted:
                stop.clear()  # the ending can be interrupted in its turn
        operations = _close(narrator, clock, shop)
        accepted = server.accepted()
        if not server.stop():
            narrator.say("donewatch did not end when asked, it was killed", "bold red")
        counted = _count(directory / "app", server.dsn)
    judgement = judge(scenario.injections, sightings.all())
    if duration is not None or not keep:
        narrator.outcomes(judgement.outcomes)
    events = Events(accepted=accepted, **counted)
    return Report(judgement, events, operations)


def _close(narrator: Narrator, clock: Clock, shop: Shop) -> Operations:
    """End the traffic, let what is under way come to its end, close the shop."""
    narrator.say("closing: no more orders")
    narrator.waiting("waiting for the last orders")
    shop.ask_users_to_leave()
    clock.until(lambda: not shop.has_users(), DRAIN_TIMEOUT)
    clock.until(lambda: shop.open_orders() == 0, DRAIN_TIMEOUT)
    shop.close()
    return shop.operations()


def _count(app_dir: Path, dsn: str) -> dict[str, int]:
    """Count events in a process of its own: it opens the store."""
    done = subprocess.run(
        [sys.executable, "-m", "demo.tally", str(app_dir), dsn],
        stdout=subprocess.PIPE,
        timeout=TALLY_TIMEOUT,
        check=True,
        env=clean_environment(),
    )
    counted: dict[str, int] = json.loads(done.stdout)
    return counted


@contextmanager
def _stop_on_signals() -> Iterator[threading.Event]:
    """An event that is set by Ctrl-C, SIGTERM, or the terminal going away."""
    stop = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        stop.set()

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, ask) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
