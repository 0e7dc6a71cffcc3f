"""Process 1 of a container: whatever loses its parent becomes its child, and a zombie unless it is reaped."""

import os
import signal
from contextlib import suppress

FIRST = 1
_PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def stand_aside() -> None:
    """Go on in a child, while this process passes signals on and reaps; it ends with the child, as the child ended.

    Here and not in the child, because there each of its children is waited for by whoever started it.
    """
    heard = (*_PASSED_ON, signal.SIGCHLD)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, heard)
    child = os.fork()
    if child == 0:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return
    while True:
        if (number := signal.sigwait(heard)) == signal.SIGCHLD:
            if (code := _reap(child)) is not None:
                # Not sys.exit: what is to be done at the end, the child has done.
                os._exit(code if code >= 0 else 128 - code)
        else:
            with suppress(ProcessLookupError):
                os.kill(child, number)


def _reap(child: int) -> int | None:
    """Take note of all that have ended; the child's exit code if it is among them."""
    code = None
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == child:
                code = os.waitstatus_to_exitcode(ended[1])
    return code
