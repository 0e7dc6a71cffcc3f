"""The parser of Redis's answers, on a real socket: whatever arrives, in whatever pieces, is what was sent."""

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from hypothesis import example, given, settings
from hypothesis import strategies as st

from service.legacy.resp import PlainParser

VALUES = st.binary(max_size=40) | st.sampled_from([b"", b"\r\n", b"$3\r\nabc", b"*1\r\n", b"\r", b"x" * 5000])
FLAT = st.none() | st.integers(-(2**40), 2**40) | VALUES
ANSWERS = st.lists(st.recursive(FLAT, lambda one: st.lists(one, max_size=6), max_leaves=30), min_size=1, max_size=12)
HASHES = st.lists(st.lists(VALUES, max_size=18), min_size=1, max_size=12)


def packed(answer: Any) -> bytes:
    if answer is None:
        return b"$-1\r\n"
    if isinstance(answer, int):
        return b":%d\r\n" % answer
    if isinstance(answer, bytes):
        return b"$%d\r\n%b\r\n" % (len(answer), answer)
    return b"*%d\r\n" % len(answer) + b"".join(map(packed, answer))


@contextmanager
def receiving(sent: bytes, pieces: int) -> Generator[PlainParser]:
    """A parser to which this is sent in so many pieces, and then the connection closed."""
    ours, theirs = socket.socketpair()
    ours.settimeout(10)

    def send() -> None:
        with theirs:
            size = len(sent) // pieces + 1
            for start in range(0, len(sent), size):
                theirs.sendall(sent[start : start + size])

    thread = threading.Thread(target=send)
    thread.start()
    parser = PlainParser(0)
    parser.on_connect(SimpleNamespace(_sock=ours))
    try:
        yield parser
    finally:
        parser.on_disconnect()
        ours.close()
        thread.join()


@settings(max_examples=150, deadline=None)
@given(answers=ANSWERS | HASHES, pieces=st.integers(1, 200))
@example(answers=[[], [b"a", b"\r\n"], 7, None, [b"$1\r\nx", b""], [[b"cursor"], 0]], pieces=7)
def test_many_answers_come_as_they_were_sent(answers: list[Any], pieces: int) -> None:
    sent = b"".join(map(packed, answers))
    with receiving(sent, pieces) as parser:
        assert parser.read_many(len(answers)) == answers
        with pytest.raises(redis.ConnectionError):
            parser.read_response()
    with receiving(sent, pieces) as parser:
        assert [parser.read_response() for _ in answers] == answers


def test_answers_that_were_not_asked_for_yet_wait() -> None:
    with receiving(packed([b"first"]) + packed(2) + packed(b"third"), 1) as parser:
        assert parser.read_many(2) == [[b"first"], 2]
        assert parser.can_read()
        assert parser.read_response() == b"third"


def test_errors_and_notes_are_values_among_others() -> None:
    with receiving(b"+OK\r\n-WRONGTYPE not that\r\n*-1\r\n*2\r\n:1\r\n-ERR so\r\n:3\r\n", 3) as parser:
        note, error, none, (one, inner), three = parser.read_many(5)
    assert (note, none, one, three) == (b"OK", None, 1, 3)
    assert isinstance(error, redis.ResponseError)
    assert str(error) == "WRONGTYPE not that"
    assert isinstance(inner, redis.ResponseError)


@pytest.mark.parametrize("cut", [b"", b"*2\r\n$1\r\na\r\n", b"$5\r\nab", b"$5", b"HTTP/1.1 400 Bad Request\r\n"])
def test_a_connection_that_ends_in_between_is_lost(cut: bytes) -> None:
    with receiving(packed(1) + cut, 1) as parser, pytest.raises(redis.ConnectionError):
        parser.read_many(2)


def test_silence_is_a_time_out() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(0.05)
        parser = PlainParser(0)
        parser.on_connect(SimpleNamespace(_sock=ours))
        with pytest.raises(redis.TimeoutError):
            parser.read_many(1)
