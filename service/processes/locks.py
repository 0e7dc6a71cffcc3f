"""Locks on open files, which the kernel lets go of however a process ends."""

import fcntl
import os
from pathlib import Path


def try_lock(descriptor: int) -> bool:
    """Take the lock, unless somebody holds it. Children that don't inherit the descriptor don't hold it either."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_locked(path: Path) -> bool:
    """Whether somebody holds the lock on a file. Of one that only others may look at, it is believed."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        return not try_lock(descriptor)
    finally:
        os.close(descriptor)
