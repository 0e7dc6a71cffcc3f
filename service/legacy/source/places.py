"""Where a connection to Redis leads, however it is spelled."""

import os
import socket
from collections.abc import Mapping
from typing import Any


def places_of(said: Mapping[str, Any]) -> set[str]:
    """Where a connection leads: a socket's path; a host, by its name and by every address that this has."""
    if "path" in said:
        return {os.path.realpath(said["path"])}
    host, port = str(said.get("host", "localhost")).lower(), said.get("port", 6379)
    try:
        addresses = {str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except OSError:
        addresses = set[str]()
    return {f"{name}:{port}" for name in {host, *addresses}}
