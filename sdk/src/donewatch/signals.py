"""A process ended by SIGTERM runs no exit functions; this sends what is queued first."""

import os
import signal
from types import FrameType

from donewatch.runtime import runtime


def flush_on_sigterm() -> None:
    """On SIGTERM, send what is queued (for at most the exit timeout), then do what was done before.

    A handler installed earlier is called; without one the process ends by the signal, as it would
    have. Donewatch installs no signal handler unless this is called. A later ``signal.signal`` or
    ``loop.add_signal_handler`` for SIGTERM replaces it: call :func:`donewatch.flush` there.

    :raises ValueError: not called in the main thread.
    """
    previous = signal.getsignal(signal.SIGTERM)

    def handle(number: int, frame: FrameType | None) -> None:
        runtime.flush(runtime.exit_timeout())
        if callable(previous):
            previous(number, frame)
        elif previous is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, handle)
