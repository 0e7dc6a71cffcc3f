"""A server that vanished without a word: its machine died, a fail-over took its address, a firewall forgot us.

Nothing arrives any more, no refusal either. Left to itself, the kernel goes on for a quarter of an hour, and where
only an answer is waited for, for ever.
"""

import socket
from typing import Final

GONE_AFTER: Final = 5
"""Seconds in which nothing that was sent has arrived. A claim whose lease is renewed next survives that."""

ASK_AFTER: Final = 3
"""Seconds in which neither side has sent anything, after which the kernel asks whether the other one is there."""


def notice_when_gone(connection: socket.socket | None) -> None:
    """Have the connection break off then, as it does when a server is stopped. Its statements may take any time."""
    if connection is None or connection.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    options = {
        "TCP_KEEPIDLE": ASK_AFTER,
        "TCP_KEEPINTVL": 1,
        "TCP_KEEPCNT": GONE_AFTER - ASK_AFTER,
        "TCP_USER_TIMEOUT": GONE_AFTER * 1000,
    }
    for name, value in options.items():
        # Not every system has each.
        if (option := getattr(socket, name, None)) is not None:
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
