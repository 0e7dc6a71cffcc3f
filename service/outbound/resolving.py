"""What a name leads to: looked up by threads of our own, that nobody waits for."""

import asyncio
import socket
import threading
from contextlib import suppress
from ipaddress import ip_address
from typing import Final

MOST_LOOKUPS: Final = 16
"""At a time. A resolver that says nothing keeps each for half a minute, however soon its caller gives up."""

_free = threading.BoundedSemaphore(MOST_LOOKUPS)


async def resolve(host: str) -> list[str]:
    """The addresses of a host, in the order in which they are to be tried.

    Not the event loop's own way: that shares its few threads with everything else, and a process that ends waits for
    them.

    Raises:
        OSError: there is no such name, or it can't be looked up now.
    """
    if _is_literal(host):
        return [host]
    loop = asyncio.get_running_loop()
    found: asyncio.Future[list[str]] = loop.create_future()

    def tell(addresses: list[str], error: OSError | None) -> None:
        if found.done():
            return
        if error is None:
            found.set_result(addresses)
        else:
            found.set_exception(error)

    def look() -> None:
        addresses: list[str] = []
        failed: OSError | None = None
        try:
            addresses = _addresses(host)
        except OSError as error:
            failed = error
        except UnicodeError:  # a label that is empty or too long
            failed = socket.gaierror(socket.EAI_NONAME, "no name")
        finally:
            _free.release()
        with suppress(RuntimeError):  # whoever asked is gone, with its loop
            loop.call_soon_threadsafe(tell, addresses, failed)

    if not _free.acquire(blocking=False):
        raise socket.gaierror(socket.EAI_AGAIN, "too many look-ups at a time")
    threading.Thread(target=look, name="resolving", daemon=True).start()
    return await found


def _addresses(host: str) -> list[str]:
    answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in answers))


def _is_literal(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
