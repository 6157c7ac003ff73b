"""No process outlives the demo, however the demo ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from demo.children import ChildEnded, Children

SLEEP = ["-c", "import time; time.sleep(600)"]
STUBBORN = [
    "-c",
    "import pathlib, signal, sys, time\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "pathlib.Path(sys.argv[1]).touch()\n"
    "time.sleep(600)",
]
PARENT = """
import os, sys, pathlib, time
from demo.children import Children
children = Children(pathlib.Path(sys.argv[1]), os.environ)
pids = [children.start(name, ["-c", "import time; time.sleep(600)"]) for name in "ab"]
print(*pids, flush=True)
time.sleep(600)
"""


def _wait_gone(pid: int) -> None:
    deadline = time.monotonic() + 30.0
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, f"process {pid} is still there"
        time.sleep(0.02)


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + 30.0
    while not path.exists():
        assert time.monotonic() < deadline, f"no {path}"
        time.sleep(0.02)


def test_leaving_the_context_ends_them_all(tmp_path: Path) -> None:
    with Children(tmp_path, os.environ) as children:
        pids = [children.start(name, SLEEP) for name in "ab"]
        assert all(psutil.pid_exists(pid) for pid in pids)
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_an_error_in_the_context_ends_them_all(tmp_path: Path) -> None:
    with pytest.raises(KeyError), Children(tmp_path, os.environ) as children:
        pid = children.start("a", SLEEP)
        raise KeyError
    assert not psutil.pid_exists(pid)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_they_end_when_the_demo_is_killed(tmp_path: Path, number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == 2
        parent.send_signal(number)
        parent.wait()
        for pid in pids:
            _wait_gone(pid)


def test_one_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    with Children(tmp_path, os.environ) as children:
        pid = children.start("a", [*STUBBORN, str(tmp_path / "ready")])
        _wait_for(tmp_path / "ready")
        assert children.stop("a", timeout=0.2) is False
        assert not psutil.pid_exists(pid)


def test_one_that_listens_ends_when_asked(tmp_path: Path) -> None:
    with Children(tmp_path, os.environ) as children:
        children.start("a", SLEEP)
        assert children.stop("a", timeout=30.0) is True
        assert children.stop("a", timeout=30.0) is True, "stopping what has ended is no error"


def test_one_that_ends_unasked_is_reported_with_its_last_words(tmp_path: Path) -> None:
    with Children(tmp_path, os.environ) as children:
        pid = children.start("a", ["-c", "import sys; sys.exit('no more')"])
        _wait_gone(pid)
        with pytest.raises(ChildEnded, match=r"(?s)a ended with 1.*no more"):
            children.check()


def test_one_that_was_asked_to_end_may(tmp_path: Path) -> None:
    with Children(tmp_path, os.environ) as children:
        pid = children.start("a", SLEEP)
        children.ask("a")
        _wait_gone(pid)
        children.check()
        assert children.has_ended("a")


def test_the_same_name_runs_once(tmp_path: Path) -> None:
    with Children(tmp_path, os.environ) as children:
        children.start("a", SLEEP)
        with pytest.raises(ValueError, match="a runs already"):
            children.start("a", SLEEP)


def test_a_tethered_process_keeps_its_pid(tmp_path: Path) -> None:
    with Children(tmp_path, os.environ) as children:
        pid = children.start("a", ["-c", "import os; print(os.getpid(), flush=True)"])
        _wait_gone(pid)
    assert (tmp_path / "a.log").read_text() == f"{pid}\n"
