"""Redis's answers, parsed in less time: with redis-py's own parser, that would be the most of an import.

Written after https://redis.io/docs/latest/develop/reference/protocol-spec/ (RESP2). redis-py lets its parser be chosen;
connecting, TLS, signing in and errors stay the library's.
"""

import select
from io import BufferedReader
from typing import Any

import redis
from redis._parsers.base import BaseParser  # pyright: ignore[reportPrivateImportUsage]

READ_AT_ONCE = 1 << 18
"""Bytes."""


class PlainParser(BaseParser):
    """Numbers, bytes, None, lists of these, and errors as values; nothing is decoded."""

    def __init__(self, socket_read_size: int) -> None:  # noqa: ARG002 - redis-py's signature
        self._socket: Any = None
        self._answers: BufferedReader | None = None

    def on_connect(self, connection: Any) -> None:
        self._socket = connection._sock  # noqa: SLF001 - as the library's own parsers do
        self._answers = self._socket.makefile("rb", READ_AT_ONCE)

    def on_disconnect(self) -> None:
        if self._answers is not None:
            self._answers.close()
        self._answers = self._socket = None

    def can_read(self, timeout: float = 0) -> bool:
        """Whether anything has arrived, be it the connection's end. Between commands nothing should have."""
        return self._socket is not None and bool(select.select([self._socket], [], [], timeout)[0])

    def read_response(self, *_: Any, **__: Any) -> Any:
        """The next answer.

        Raises:
            redis.ConnectionError, redis.TimeoutError: The connection is no more to be used.
        """
        if self._answers is None:
            raise redis.ConnectionError("the connection to Redis is closed")
        try:
            return self._value(self._answers, self._answers.readline())
        except TimeoutError as error:
            raise redis.TimeoutError("Redis doesn't answer") from error
        except OSError as error:
            raise redis.ConnectionError("the connection to Redis broke") from error

    def _value(self, answers: BufferedReader, line: bytes) -> Any:
        kind = line[:1]
        if kind == b"$":
            length = int(line[1:])
            return None if length < 0 else _bytes(answers, length)
        if kind == b"*":
            count = int(line[1:])
            return None if count < 0 else self._list(answers, count)
        if kind == b":":
            return int(line[1:])
        if kind == b"+":
            return line[1:-2]
        if kind == b"-":
            return self.parse_error(line[1:-2].decode(errors="replace"))
        raise redis.ConnectionError("the connection to Redis was closed")

    def _list(self, answers: BufferedReader, count: int) -> list[Any]:
        """A hash is a list of bytes: that case first, without a call for each."""
        values: list[Any] = []
        for _ in range(count):
            line = answers.readline()
            if line[:1] == b"$" and (length := int(line[1:])) >= 0:
                values.append(_bytes(answers, length))
            else:
                values.append(self._value(answers, line))
        return values


def _bytes(answers: BufferedReader, length: int) -> bytes:
    value = answers.read(length + 2)
    if len(value) < length + 2:
        raise redis.ConnectionError("the connection to Redis was closed in the middle of an answer")
    return value[:-2]
