"""How a process tells whoever started it that it takes work now: one byte into a pipe that was handed down."""

import os

READY_FD = "DARKROOM_READY_FD"
"""The variable that names the pipe's end to write to."""


def tell_ready() -> None:
    """Write the byte, if somebody wants to hear."""
    descriptor = os.environ.pop(READY_FD, None)
    if descriptor is not None and descriptor.isdecimal():
        os.write(int(descriptor), b"1")
        os.close(int(descriptor))
