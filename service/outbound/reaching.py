"""Why a server can't be reached, in words for people: whichever library it is whose error says so."""

import socket
import ssl
from collections.abc import Iterator
from typing import cast


def how_unreachable(error: BaseException) -> str:
    """Why there is no connection: neither a class's name nor another program's words, which mean nothing to people."""
    for cause in _causes(error):
        for kind, words in _HOWS:
            if isinstance(cause, kind):
                return words
    return "the connection broke off, or it speaks otherwise"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, and what it comes from: of several addresses of one name, what the first said."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        if isinstance(cause, BaseExceptionGroup):
            yield from _causes(cast("BaseExceptionGroup[BaseException]", cause).exceptions[0])
        cause = cause.__cause__ or cause.__context__


_HOWS: tuple[tuple[type[BaseException], str], ...] = (
    (socket.gaierror, "its host name can't be found"),
    (ConnectionRefusedError, "nobody listens there"),
    (ssl.SSLCertVerificationError, "its certificate isn't trusted"),
    (ssl.SSLError, "its certificate isn't trusted, or it speaks no TLS"),
    (TimeoutError, "it doesn't answer in time"),
    (PermissionError, "it may not be opened"),
    (FileNotFoundError, "there is no such socket"),
)
