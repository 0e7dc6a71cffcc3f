"""Ctrl-C while modules are loaded, and where native code computes."""

import signal
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def ending_at_once() -> Generator[None]:
    """Ctrl-C just ends the process: for imports, and for what is native.

    A KeyboardInterrupt that is raised in the middle of an import may be swallowed by whoever is loading, and in native
    code it isn't raised at all: whoever pressed Ctrl-C waits in vain.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
