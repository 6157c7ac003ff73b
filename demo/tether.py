"""Start a program that ends when its parent does: ``python tether.py PARENT_PID COMMAND...``.

A parent that is killed cannot stop its children. So this small step between them asks the kernel to
send SIGTERM when the parent is gone (Linux; elsewhere it just starts the command), then becomes the
command: same process, same pid.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Tie this process to its parent, then become the command."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before the tie was made
            sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606  a shell has no part in it


if __name__ == "__main__":
    main()
