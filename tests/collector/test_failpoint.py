"""Places where tests end, delay or fail a collector; without them nothing happens."""

import errno
import os
import signal
import subprocess
import sys
import time

import pytest

from collector.spool import failpoint
from tests.collector.spooling import failing


def test_without_any_every_place_is_passed() -> None:
    for name in failpoint.POINTS:
        failpoint.reach(name)


def test_the_process_is_killed_the_time_it_says() -> None:
    code = (
        "from collector.spool import failpoint\n"
        "for count in range(5):\n"
        "    failpoint.reach('seal'); failpoint.reach('synced'); print(count, flush=True)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, failpoint.VARIABLE: "synced:3", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == -signal.SIGKILL
    assert found.stdout == "0\n1\n"


@pytest.mark.parametrize(
    ("text", "number"), [("fsync:error", errno.EIO), ("fsync:error=ENOSPC", errno.ENOSPC)]
)
def test_an_error_is_the_one_it_says(text: str, number: int) -> None:
    with failing(text):
        with pytest.raises(OSError) as found:
            failpoint.reach("fsync")
        assert found.value.errno == number
        failpoint.reach("append")


def test_several_at_once_and_none_afterwards() -> None:
    with failing("append:sleep=0.02,fsync:error"):
        begun = time.monotonic()
        failpoint.reach("append")
        assert time.monotonic() - begun >= 0.02
        with pytest.raises(OSError, match="Input/output error"):
            failpoint.reach("fsync")
    failpoint.reach("fsync")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("sync:1", "there is no place 'sync'; there are received, ", id="a place"),
        pytest.param("fsync", "'fsync'; write for example fsync:1", id="nothing"),
        pytest.param("fsync:burn", "write for example fsync:1, fsync:sleep", id="an action"),
    ],
)
def test_what_there_is_not_is_refused(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        failpoint.arm(text)
