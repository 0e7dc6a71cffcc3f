"""How many files and connections a process may have open: as many as its user was given, not the shell's habit."""

import sys

WINDOWS_MOST = 512
"""Sockets that its select() waits for."""

MACOS_MOST = 10_240
"""Above which macOS refuses, whatever it says is allowed."""


def raise_open_files_limit() -> int:
    """Raise the soft limit of open files to the hard one; the limit from now on."""
    if sys.platform == "win32":
        return WINDOWS_MOST
    import resource  # noqa: PLC0415 - Windows has none

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = min(hard, MACOS_MOST) if sys.platform == "darwin" and hard > MACOS_MOST else hard
    if soft != most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most
