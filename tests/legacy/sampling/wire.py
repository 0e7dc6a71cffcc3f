"""Commands to Redis, encoded here and sent by the thousand: redis-py's own encoder takes longer than the server."""

from types import TracebackType
from typing import Self, cast

import redis
from redis.exceptions import ResponseError

BATCH_BYTES = 1 << 20


class Wire:
    """One connection of a client. Raises redis.RedisError when the server refuses a command."""

    def __init__(self, client: "redis.Redis") -> None:
        self._pool = client.connection_pool
        self._connection = self._pool.get_connection()
        self._commands: list[bytes] = []
        self._bytes = 0

    def send(self, *words: bytes) -> None:
        """Have a command sent with the next batch."""
        parts = [b"*%d\r\n" % len(words)]
        parts += [b"$%d\r\n%b\r\n" % (len(word), word) for word in words]
        command = b"".join(parts)
        self._commands.append(command)
        self._bytes += len(command)
        if self._bytes > BATCH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Send what waits, and see that all of it was done."""
        waiting = len(self._commands)
        self._connection.send_packed_command([b"".join(self._commands)])
        self._commands = []
        self._bytes = 0
        for _ in range(waiting):
            answer = cast("object", self._connection.read_response())
            if isinstance(answer, ResponseError):
                raise answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self.flush()
        except BaseException:
            self._connection.disconnect()
            raise
        finally:
            if error is not None:
                # Answers may still be under way.
                self._connection.disconnect()
            self._pool.release(self._connection)
