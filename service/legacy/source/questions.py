"""Questions to the old Redis about many keys at once. They may be asked long before the answers are wanted."""

from collections.abc import Sequence
from typing import Any, Final, Self

import redis

HGETALL: Final = b"*2\r\n$7\r\nHGETALL\r\n$%d\r\n%b\r\n"
PTTL: Final = b"*2\r\n$4\r\nPTTL\r\n$%d\r\n%b\r\n"
EXISTS: Final = b"*2\r\n$6\r\nEXISTS\r\n$%d\r\n%b\r\n"
MEMORY: Final = b"*5\r\n$6\r\nMEMORY\r\n$5\r\nUSAGE\r\n$%d\r\n%b\r\n$7\r\nSAMPLES\r\n$1\r\n0\r\n"
"""Commands about one key, as Redis takes them."""

_WRONG_TYPE: Final = "WRONGTYPE"


class Question:
    """One command about each of some keys, sent in a pipeline without the library's objects for each."""

    def __init__(self, pool: redis.ConnectionPool, command: bytes, keys: Sequence[bytes]) -> None:
        self._pool = pool
        self._open = len(keys)
        self._connection: Any = pool.get_connection()
        try:
            self._connection.send_packed_command([b"".join([command % (len(key), key) for key in keys])])
        except BaseException:
            self.give_up()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.give_up()

    def answers(self) -> list[Any]:
        """As RESP2 gives them, once; that a key holds something else is one, any other error is raised."""
        try:
            # Its parser hands errors over as answers. The connection itself would prepare words for one each time.
            read = self._connection._parser.read_response  # noqa: SLF001
            answers = [read() for _ in range(self._open)]
            self._open = 0
        except OSError as error:
            raise redis.ConnectionError(f"Error while reading from the old Redis: {error}") from error
        finally:
            self.give_up()
        for answer in answers:
            if isinstance(answer, redis.RedisError) and not str(answer).startswith(_WRONG_TYPE):
                raise answer
        return answers

    def give_up(self) -> None:
        """Let go of the connection; whoever has the answers has done so."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._open:
            # What still comes would be taken for the answers to the next commands.
            connection.disconnect()
        self._pool.release(connection)
