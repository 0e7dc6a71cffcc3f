"""Much that is little: a body in pieces of a byte, requests by the thousand on one connection, signed in or not."""

import json
from itertools import chain, repeat

import psutil

from service.http.bounds import LEAST_PIECE, MOST_PIPELINED
from tests.security.raw import send_raw
from tests.service.http.serving import API, PHOTO, Api, User

MEGABYTE = 2**20
CRUMBS = b"1\r\nx\r\n" * 10_000
GET = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def head(path: str, *more: str) -> bytes:
    lines = [f"POST {API}{path} HTTP/1.1", "Host: x", "Transfer-Encoding: chunked", *more]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def test_a_body_in_crumbs_is_not_read_on(user: User, api: Api) -> None:
    form = ("Content-Type: multipart/form-data; boundary=b", f"Authorization: Bearer {user.api_key}")
    begin = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
    for opening in (head("/uploads", *form) + chunk(begin), head("/tasks")):
        answer = await send_raw(api, chain([opening], repeat(CRUMBS)), stop_at=64 * MEGABYTE)
        assert answer.status in {0, 400, 401}
        assert answer.sent < 8 * MEGABYTE
    assert (await user.me())["user_id"] == user.user_id


async def test_small_pieces_that_a_client_may_send_are_taken(user: User, api: Api) -> None:
    """A line at a time, and a photo by pieces of the least size that are sent as fast as the line allows."""
    body = json.dumps({"mode": "BACKGROUND_CHANGE", "source_image": await user.photo()}).encode()
    key = f"Authorization: Bearer {user.api_key}"
    opening = head("/tasks", "Content-Type: application/json", key)
    crumbs = b"".join(chunk(body[at : at + 1]) for at in range(len(body)))
    assert (await send_raw(api, [opening + crumbs + b"0\r\n\r\n"])).status == 201
    begin = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
    form = begin + PHOTO + bytes(2 * MEGABYTE) + b"\r\n--b--\r\n"
    opening = head("/uploads", "Content-Type: multipart/form-data; boundary=b", key)
    pieces = b"".join(chunk(form[at : at + LEAST_PIECE]) for at in range(0, len(form), LEAST_PIECE))
    assert (await send_raw(api, [opening + pieces + b"0\r\n\r\n"])).status == 201


async def test_requests_in_a_row_are_answered(api: Api) -> None:
    answer = await send_raw(api, [GET * (MOST_PIPELINED - 1) + LAST], to_the_end=True)
    assert answer.text.count(b"HTTP/1.1 200 OK") == MOST_PIPELINED


async def test_a_flood_of_them_is_cut_off_and_kept_nowhere(api: Api) -> None:
    before = psutil.Process(api.process.pid).memory_info().rss
    answer = await send_raw(api, repeat(GET * 2000), stop_at=64 * MEGABYTE, to_the_end=True)
    assert answer.sent < 8 * MEGABYTE
    assert answer.text.count(b"HTTP/1.1 200 OK") <= 2 * MOST_PIPELINED
    assert psutil.Process(api.process.pid).memory_info().rss - before < 30 * MEGABYTE
