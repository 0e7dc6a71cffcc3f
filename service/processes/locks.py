"""Locks on open files, which the kernel lets go of however a process ends."""

import fcntl


def try_lock(descriptor: int) -> bool:
    """Take the lock, unless somebody holds it. Children that don't inherit the descriptor don't hold it either."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
