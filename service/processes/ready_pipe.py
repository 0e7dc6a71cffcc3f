"""What a process and whoever started it tell each other: its number, and, by a byte into a pipe, that it takes work."""

import os

READY_FD = "DARKROOM_READY_FD"
"""The variable that names the pipe's end to write to."""


NUMBER = "DARKROOM_API_NUMBER"
"""The variable that tells one of several API processes at an address which of them it is."""


def tell_ready() -> None:
    """Write the byte, if somebody wants to hear."""
    descriptor = os.environ.pop(READY_FD, None)
    if descriptor is not None and descriptor.isdecimal():
        os.write(int(descriptor), b"1")
        os.close(int(descriptor))
