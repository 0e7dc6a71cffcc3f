"""Redis's answers, parsed in less time: with redis-py's own parser, that would be the most of an import.

Written after https://redis.io/docs/latest/develop/reference/protocol-spec/ (RESP2). redis-py lets its parser be chosen;
connecting, TLS, signing in and errors stay the library's.
"""

import select
from typing import Any, Final

import redis
from redis._parsers.base import BaseParser  # pyright: ignore[reportPrivateImportUsage] - it has no public name

READ_AT_ONCE: Final = 1 << 18
"""Bytes."""

_LINE_END: Final = b"\r\n"
_HEADS: Final = [b"$%d" % length for length in range(4096)]
"""What stands before a value, by its length. A longer one takes longer to parse."""


class PlainParser(BaseParser):
    """Numbers, bytes, None, lists of these, and errors as values; nothing is decoded."""

    def __init__(self, socket_read_size: int) -> None:  # noqa: ARG002 - redis-py's signature
        self._socket: Any = None
        self._arrived = b""
        self._at = 0
        """Up to where `_arrived` was taken."""

    def on_connect(self, connection: Any) -> None:
        self._socket = connection._sock  # noqa: SLF001 - as the library's own parsers do
        self._arrived, self._at = b"", 0

    def on_disconnect(self) -> None:
        self._socket, self._arrived, self._at = None, b"", 0

    def can_read(self, timeout: float = 0) -> bool:
        """Whether anything has arrived, be it the connection's end. Between commands nothing should have."""
        if self._at < len(self._arrived):
            return True
        return self._socket is not None and bool(select.select([self._socket], [], [], timeout)[0])

    def read_response(self, *_: Any, **__: Any) -> Any:
        """The next answer.

        Raises:
            redis.ConnectionError, redis.TimeoutError: The connection is no more to be used.
        """
        return self._value(self._line())

    def read_many(self, count: int) -> list[Any]:
        """The next answers: lists of bytes, such as hashes, a whole buffer of them at a time.

        Raises:
            redis.ConnectionError, redis.TimeoutError: The connection is no more to be used.
        """
        answers: list[Any] = []
        while len(answers) < count:
            lines = self._arrived[self._at :].split(_LINE_END)
            taken = _take_plain(lines, count, answers)
            self._arrived, self._at = _LINE_END.join(lines[taken:]), 0
            if len(answers) < count:
                # It hasn't arrived whole, or is none of the plain ones.
                answers.append(self.read_response())
        return answers

    def _value(self, line: bytes) -> Any:
        kind = line[:1]
        if kind == b"$":
            length = int(line[1:])
            return None if length < 0 else self._bytes(length)
        if kind == b"*":
            count = int(line[1:])
            return None if count < 0 else [self._value(self._line()) for _ in range(count)]
        if kind == b":":
            return int(line[1:])
        if kind == b"+":
            return line[1:]
        if kind == b"-":
            return self.parse_error(line[1:].decode(errors="replace"))
        raise redis.ConnectionError("what Redis sent is no answer")

    def _line(self) -> bytes:
        while (end := self._arrived.find(_LINE_END, self._at)) < 0:
            self._receive(1)
        line = self._arrived[self._at : end]
        self._at = end + len(_LINE_END)
        return line

    def _bytes(self, length: int) -> bytes:
        missing = self._at + length + len(_LINE_END) - len(self._arrived)
        if missing > 0:
            self._receive(missing)
        value = self._arrived[self._at : self._at + length]
        self._at += length + len(_LINE_END)
        return value

    def _receive(self, at_least: int) -> None:
        if self._socket is None:
            raise redis.ConnectionError("the connection to Redis is closed")
        chunks = [self._arrived[self._at :]]
        while at_least > 0:
            try:
                chunk: bytes = self._socket.recv(READ_AT_ONCE)
            except TimeoutError as error:
                raise redis.TimeoutError("Redis doesn't answer") from error
            except OSError as error:
                raise redis.ConnectionError("the connection to Redis broke") from error
            if not chunk:
                raise redis.ConnectionError("the connection to Redis was closed in the middle of an answer")
            chunks.append(chunk)
            at_least -= len(chunk)
        self._arrived, self._at = b"".join(chunks), 0


def _take_plain(lines: list[bytes], count: int, answers: list[Any]) -> int:
    """Append answers that are numbers or lists of bytes without line breaks, up to `count`, as far as they are whole.

    Returns how many of the lines were taken. A value that has a line break is more than one line: what stands before it
    then isn't its length.
    """
    at = 0
    end = len(lines) - 1  # what follows the last line's end is no line yet
    while at < end and len(answers) < count:
        head = lines[at]
        if head[:1] == b":":
            answers.append(int(head[1:]))
            at += 1
            continue
        if head[:1] != b"*" or (size := int(head[1:])) < 0 or (following := at + 1 + 2 * size) > end:
            break
        values = lines[at + 2 : following : 2]
        try:
            if lines[at + 1 : following : 2] != [_HEADS[len(value)] for value in values]:
                break
        except IndexError:
            break
        answers.append(values)
        at = following
    return at
