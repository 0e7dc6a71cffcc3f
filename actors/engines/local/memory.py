"""Memory that was freed, given back to the system."""

import ctypes
from collections.abc import Callable

_TRIM: Callable[[int], object] = getattr(ctypes.CDLL(None), "malloc_trim", lambda _: None)
"""glibc does that only when told to; other C libraries have no such call."""


def trim() -> None:
    """Give back what is freed."""
    _TRIM(0)
