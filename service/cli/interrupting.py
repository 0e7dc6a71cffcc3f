"""Ctrl-C while modules are loaded."""

import signal
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def ending_at_once() -> Generator[None]:
    """For imports: Ctrl-C just ends the process.

    A KeyboardInterrupt that is raised in the middle of one may be swallowed by whoever is loading, and whoever pressed
    Ctrl-C waits in vain.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
