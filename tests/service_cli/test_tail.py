"""``donewatch tail`` as a process, and what becomes of streams when the service ends."""

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers.donewatch import Donewatch, until
from tests.service_cli.orders import Run, ago, transition

pytestmark = pytest.mark.system


class Tail:
    """A running ``donewatch tail``."""

    def __init__(self, service: Donewatch, *arguments: str, url: str = "") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "service", "tail", "--url", url or service.pages, *arguments],
            env=service.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # pytest may run where the keyboard's interrupt is ignored, which children inherit
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def remark(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.readline()

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def tails() -> Iterator[list[Tail]]:
    found: list[Tail] = []
    yield found
    for each in found:
        each.close()


def test_what_comes_is_told_line_by_line_until_interrupted(
    service: Donewatch, tails: list[Tail]
) -> None:
    tail = Tail(service, "--workflow", "tailed", "--since", "1h")
    tails.append(tail)
    assert "so far, no event and no definition names the workflow type 'tailed'" in tail.remark()
    given = {"workflow_type": "tailed", "action": "go", "reason": "why"}
    service.take(transition("t-1", "", "a", ago(seconds=1), event_id="t1", **given))
    service.take(transition("t-1", "a", "b\u202e", ago(seconds=1), event_id="t2", **given))
    first, second = tail.line(), tail.line()
    assert first.split("  ")[1:] == ["tailed", "t-1", "created in a", "go, why", "[shop]"]
    assert r"a → b\u202e" in second  # what turns the direction of writing is shown, not done
    tail.process.send_signal(signal.SIGINT)
    out, err = tail.process.communicate(timeout=20)
    assert (tail.process.returncode, out, err) == (0, "", "")


SELECTED = [
    pytest.param(["--workflow", "order", "--kind", "job"], ["o-1", "o-1"], id="a kind"),
    pytest.param(["--instance", "a/b ?é"], ["a/b ?é"], id="an instance"),
    pytest.param(["--environment", "staging"], ["o-1"], id="an environment"),
    pytest.param(
        ["--workflow", "order", "--kind", "outbox", "--kind", "job"], ["o-1"] * 3, id="two kinds"
    ),
]


@pytest.mark.parametrize(("arguments", "names"), SELECTED)
def test_selected(run: Run, arguments: list[str], names: list[str]) -> None:
    found = run("tail", "--json", "--since", "1d", "--count", str(len(names)), *arguments)
    assert found.exit_code == 0, found.stderr
    events = [json.loads(line) for line in found.stdout.splitlines()]
    assert [event["instance_id"] for event in events] == names
    assert all({"title", "page", "fields", "received_at"} <= event.keys() for event in events)


WRONG = [
    pytest.param(["--kind", "jobs"], ["'jobs'", "transition, job"], id="mistyped kind"),
    pytest.param(["--since", "noon"], ["--since", "'noon'", "10m"], id="mistyped time"),
    pytest.param(["--since", "2026-03-01T12:00:00"], ["zone"], id="a time without a zone"),
    pytest.param(["--since", "9999999d"], ["--since"], id="longer than time"),
    pytest.param(["--count", "0"], ["--count"], id="none at all"),
]


@pytest.mark.parametrize(("arguments", "told"), WRONG)
def test_wrong_arguments(run: Run, arguments: list[str], told: list[str]) -> None:
    found = run("tail", *arguments)
    assert (found.exit_code, found.stdout) == (2, "")
    assert all(each in found.stderr for each in told), found.stderr


def test_colours_in_a_terminal(service: Donewatch) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "service", "tail", "--since", "1d", "--count", "1"]
    command += ["--instance", "o-2", "--url", service.pages]
    environment = service.environment | {"TERM": "xterm-256color", "COLUMNS": "80"}
    environment.pop("NO_COLOR", None)
    subprocess.run(command, env=environment, stdout=theirs, check=True, timeout=30)
    os.close(theirs)
    text = os.read(ours, 10_000).decode()
    os.close(ours)
    assert "\x1b[" in text and "created in submitted" in text
    assert text.count("\n") == 1  # however narrow: the terminal folds, a copy stays whole


def test_nobody_reads_on(service: Donewatch) -> None:
    command = f"{sys.executable} -m service tail --since 1d --url {service.pages} | head -n 1"
    process = subprocess.Popen(
        ["bash", "-c", command],
        env=service.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )

    def ended() -> bool:
        # only who writes learns that nobody reads
        service.take(transition("unread", "", "a", ago(seconds=1)))
        return process.poll() is not None

    try:
        until(ended, 60, what="an end of the tail")
        told, remarks = process.communicate()
    finally:
        process.kill()
    assert process.returncode == 0
    assert len(told.splitlines()) == 1 and "Traceback" not in remarks


def test_over_a_restart_nothing_is_missed_and_no_stream_holds_the_service(
    tmp_path: Path, tails: list[Tail]
) -> None:
    service = Donewatch(tmp_path)
    try:
        service.start().take(transition("r-1", "", "a", ago(seconds=1)))
        tail = Tail(service, "--json", "--since", "1h", "--kind", "transition")
        tails.append(tail)
        assert json.loads(tail.line())["instance_id"] == "r-1"
        assert service.stop() == 0
        # what uvicorn says when it has waited and must break off a request
        assert "timeout graceful shutdown exceeded" not in service.log
        assert "trying again" in tail.remark()
        service.start().take(transition("r-2", "", "a", ago(seconds=1)))
        assert json.loads(tail.line())["instance_id"] == "r-2"
        assert "connected again" in tail.remark()
        until(lambda: tail.process.poll() is None, what="the tail goes on")
    finally:
        service.close()
