"""Places between two steps of an event's way, where tests end the process, delay it or fail it.

Those of settling (``settle-…``) come after the steps named by ``store.settling.Settler``.

``DONEWATCH_FAILPOINT`` has what is to happen, separated by commas: ``synced:3`` kills the process
the third time it gets there, ``fsync:sleep=0.5`` waits half a second each time, ``fsync:error``
raises what a failing disk does, ``append:error=ENOSPC`` what a full one does. Without it, reaching
a place does nothing.
"""

import errno
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

VARIABLE: Final = "DONEWATCH_FAILPOINT"
POINTS: Final = (
    "received",  # a body has been read
    "decoded",  # and checked
    "append",  # before its frames are written to the segment
    "appended",  # written, not synced
    "fsync",  # syncing fails or takes its time
    "synced",  # synced, nobody has been answered
    "answered",
    "seal",  # before the segment is sealed
    "sealed",
    "insert",  # before the segment is inserted
    "inserted",  # before its file is deleted
    "deleted",
    "settle-removed",
    "settle-staged",
    "settle-updated",
    "settle-departing",
    "settle-visits",
    "settle-written",
    "settle-committed",
)

Action = Callable[[int], None]  # given how often the place has been reached, this time included


def arm(text: str) -> None:
    """Do as ``text`` says from now on; an empty one disarms every place.

    :raises ValueError: a place or an action that there is not.
    """
    global reach
    actions = dict(_parsed(each) for each in text.split(",") if each)
    if not actions:
        reach = _nothing
        return
    times: Counter[str] = Counter()
    lock = threading.Lock()

    def reached(name: str) -> None:
        if (action := actions.get(name)) is not None:
            with lock:
                times[name] += 1
                count = times[name]
            action(count)

    reach = reached


def _parsed(text: str) -> tuple[str, Action]:
    name, _, what = text.partition(":")
    if name not in POINTS:
        raise ValueError(f"{VARIABLE}: there is no place {name!r}; there are {', '.join(POINTS)}")
    kind, _, value = what.partition("=")
    if kind.isdecimal() and not value:
        return name, lambda count: _kill() if count == int(kind) else None
    if kind == "sleep":
        seconds = float(value)
        return name, lambda count: time.sleep(seconds)
    if kind == "error":
        number: int = getattr(errno, value or "EIO")
        return name, lambda count: _fail(number)
    raise ValueError(f"{VARIABLE}: {text!r}; write for example {name}:1, {name}:sleep=0.5")


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _fail(number: int) -> None:
    raise OSError(number, os.strerror(number))


def _nothing(name: str) -> None:
    pass


reach: Callable[[str], None] = _nothing
arm(os.environ.get(VARIABLE, ""))
