"""Ctrl-C while there is nothing to interrupt yet."""

import signal
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def ctrl_c_ends() -> Generator[None]:
    """Ctrl-C just ends the process, as for imports: no traceback, and no module in C that swallows it."""
    interruptible = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if interruptible:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        if interruptible:
            signal.signal(signal.SIGINT, signal.default_int_handler)
