"""The socket that the API listens on. It belongs to `up`, so that the port outlives every API process."""

import errno
import socket
import time

from service.embedded.errors import EmbeddedError

_BACKLOG = 2048  # clients that wait while the API restarts
_PATIENCE_SECONDS = 1.0
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, not bound to


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 picks a free one.

    Waits a second for a taken port: the API of an `up` that was killed just now ends at the same time as we start.

    Raises:
        EmbeddedError: the port is taken, or the host isn't ours.
    """
    end = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            family, address = _resolved(host, port)
            return socket.create_server(address, family=family, backlog=_BACKLOG)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise EmbeddedError(f"Can't listen on {host}, port {port}: {error.strerror or error}") from None
            if time.monotonic() > end:
                raise EmbeddedError(
                    f"Port {port} on {host} is taken: choose another with --port (0 picks a free one)"
                ) from None
            time.sleep(0.05)


def local_address(listener: socket.socket) -> tuple[str, int]:
    """Where this machine reaches the socket."""
    name = listener.getsockname()
    host = str(name[0])
    return _ANYWHERE.get(host, host), int(name[1])


def base_url(listener: socket.socket) -> str:
    """The API's address for clients on this machine."""
    host, port = local_address(listener)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _resolved(host: str, port: int) -> tuple[socket.AddressFamily, tuple[str, int]]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    # `localhost` may be both; clients that try one only try IPv4.
    family, _, _, _, address = min(found, key=lambda each: each[0] != socket.AF_INET)
    return family, (str(address[0]), port)
