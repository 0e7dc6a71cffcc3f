"""Rate limits: one count for all processes, in Redis; without Redis everybody is let through."""

import asyncio
import time
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import cast
from unittest.mock import AsyncMock

import httpx
import pytest
import redis
from msgspec import structs

from schema.models.problems import ProblemCode as Code
from service.accounts import keys
from service.accounts.known import UNKNOWN_SECONDS
from service.database import Connection
from service.http.limits import MOST_DRAWS, RateLimiter
from service.queue import Queue
from service.settings import Settings
from tests.databases import url_of_database
from tests.service.http.conftest import Fragile, NewUser
from tests.service.http.looking import eventually
from tests.service.http.serving import API, Api, User, client_of, problem, serving

LIMIT = 10


@pytest.fixture(scope="module")
def pair(http_settings: Settings, logs: Path) -> Generator[tuple[Api, Api]]:
    """Two processes on one Redis, each of which would let 10 requests a minute pass."""
    settings = structs.replace(http_settings, redis_url=url_of_database(http_settings.redis_url, "2"))
    with redis.Redis.from_url(settings.redis_url) as client:
        client.flushdb()
    extra = {"RATE_LIMIT_PER_MINUTE": str(LIMIT), "TRUSTED_PROXIES": "127.0.0.1"}
    with (
        serving(settings, logs / "limits.log", extra) as one,
        serving(settings, logs / "limits.log", extra) as other,
    ):
        yield one, other


async def write(client: httpx.AsyncClient, user: User) -> httpx.Response:
    """A request that counts as a write and changes nothing."""
    return await client.delete(f"{API}/files/file_none", headers={"Authorization": f"Bearer {user.api_key}"})


async def test_exactly_the_limit_passes_over_two_processes(new_user: NewUser, pair: tuple[Api, Api]) -> None:
    user, bystander = await new_user(pair[0]), await new_user(pair[0])
    async with client_of(pair[1], user.api_key) as there:
        answers = await asyncio.gather(*(write(client, user) for _ in range(15) for client in (user.http, there)))
        assert Counter(answer.status_code for answer in answers) == {404: LIMIT, 429: 30 - LIMIT}
        for answer in answers:
            if answer.status_code == 429:
                problem(answer, Code.RATE_LIMITED, 429)
                assert 0 < int(answer.headers["retry-after"]) <= 60
                assert answer.headers["ratelimit-remaining"] == "0"
            assert answer.headers["ratelimit-limit"] == str(LIMIT)
            assert 0 < int(answer.headers["ratelimit-reset"]) <= 61
        # The rate comes before everything that is wrong with a request, and after whose it is.
        problem(await there.post(f"{API}/tasks", content=b"{"), Code.RATE_LIMITED, 429)
        problem(await there.post(f"{API}/tasks", headers={"Authorization": "Bearer x"}), Code.UNAUTHORIZED, 401)
        # Reads have a count of their own, and others aren't concerned.
        assert (await there.get(f"{API}/me")).status_code == 200
        assert (await write(there, bystander)).status_code == 404


async def test_remaining_counts_down(new_user: NewUser, pair: tuple[Api, Api]) -> None:
    user = await new_user(pair[0])
    answers = [await write(user.http, user) for _ in range(LIMIT + 1)]
    assert [int(answer.headers["ratelimit-remaining"]) for answer in answers] == [*range(LIMIT - 1, -1, -1), 0]


async def test_reads_have_ten_times_the_limit(new_user: NewUser, pair: tuple[Api, Api]) -> None:
    user = await new_user(pair[0])
    answers = await asyncio.gather(*(user.http.get(f"{API}/me") for _ in range(10 * LIMIT + 5)))
    assert Counter(answer.status_code for answer in answers) == {200: 10 * LIMIT, 429: 5}
    assert {answer.headers["ratelimit-limit"] for answer in answers} == {str(10 * LIMIT)}


async def test_a_crowd_at_one_moment_is_counted(
    settings: Settings, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each draw takes a connection to Redis: with more at once than there may be, nobody would be counted."""
    # However busy this machine is, Redis isn't away.
    for name in ("CONNECT_TIMEOUT", "COMMAND_TIMEOUT"):
        monkeypatch.setattr(f"service.queue.{name}", 60.0)
    patient = Queue(settings.redis_url, queue.keys)
    limiter = RateLimiter(patient, LIMIT)
    strangers = await asyncio.gather(*(limiter.take("read", f"user {number}") for number in range(300)))
    assert all(verdict is not None and verdict.allowed for verdict in strangers)
    one = await asyncio.gather(*(limiter.take("read", "one") for _ in range(300)))
    assert Counter(verdict is not None and verdict.allowed for verdict in one) == {True: LIMIT, False: 300 - LIMIT}
    await patient.close()


async def test_a_crowd_waits_once_for_a_redis_that_says_nothing(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not in turns, each as long as a command may take."""
    monkeypatch.setattr("service.http.limits.BREATH", 3600.0)
    limiter = RateLimiter(queue, LIMIT)
    draw = AsyncMock(side_effect=TimeoutError)
    monkeypatch.setattr(limiter, "_draw", draw)
    verdicts = await asyncio.gather(*(limiter.take("read", f"user {number}") for number in range(3 * MOST_DRAWS)))
    assert set(verdicts) == {None}
    assert draw.await_count <= MOST_DRAWS


async def guess(user: User, key: str, address: str) -> httpx.Response:
    """A request with another key than the user's, brought by a proxy that says where it comes from."""
    return await user.http.get(
        f"{API}/me", headers={"Authorization": f"Bearer {key}", "X-Forwarded-For": f"203.0.113.9, {address}"}
    )


async def test_failed_authentication_is_limited_per_address(new_user: NewUser, pair: tuple[Api, Api]) -> None:
    user, stranger = await new_user(pair[1]), await new_user(pair[1])
    assert (await guess(user, user.api_key, "192.0.2.1")).status_code == 200
    answers = await asyncio.gather(*(guess(user, f"dk_guess{n}", "192.0.2.1") for n in range(LIMIT + 5)))
    assert Counter(answer.status_code for answer in answers) == {401: LIMIT, 429: 5}
    problem(await guess(user, "dk_guess99", "192.0.2.1"), Code.RATE_LIMITED, 429)
    problem(await guess(user, "dk_guess99", "192.0.2.2"), Code.UNAUTHORIZED, 401)
    # Who had signed in before goes on, from that address too; another key isn't even looked up, right or wrong.
    assert (await guess(user, user.api_key, "192.0.2.1")).status_code == 200
    problem(await guess(user, stranger.api_key, "192.0.2.1"), Code.RATE_LIMITED, 429)
    assert (await guess(user, stranger.api_key, "192.0.2.2")).status_code == 200
    # Signing in is no way around.
    forwarded = {"X-Forwarded-For": "192.0.2.1"}
    for shown in ({"token": "dk_guess"}, {"link": "dl_guess"}, {"token": stranger.api_key}):
        problem(await user.http.post(f"{API}/session", json=shown, headers=forwarded), Code.RATE_LIMITED, 429)


async def test_an_ipv6_customer_is_one_address(new_user: NewUser, pair: tuple[Api, Api]) -> None:
    user = await new_user(pair[0])
    answers = [await guess(user, "dk_guess", f"2001:db8:0:7::{n:x}") for n in range(LIMIT + 3)]
    assert Counter(answer.status_code for answer in answers) == {401: LIMIT, 429: 3}
    problem(await guess(user, "dk_guess", "2001:db8:0:8::1"), Code.UNAUTHORIZED, 401)


async def test_what_strangers_send_makes_no_long_keys_in_redis(new_user: NewUser, pair: tuple[Api, Api]) -> None:
    user = await new_user(pair[0])
    for value in ("x" * 50_000, "1.2.3.4," * 6000, "::1%" + "z" * 1000, "\x7f", ",,,"):
        assert (
            await user.http.get(f"{API}/me", headers={"Authorization": "Bearer x", "X-Forwarded-For": value})
        ).is_error
    with redis.Redis.from_url(pair[0].settings.redis_url) as client:
        keys_there = cast("list[bytes]", client.keys("*:rate:*"))
    lengths = [len(key) for key in keys_there]
    assert lengths
    assert max(lengths) < 150


async def test_a_key_that_is_unknown_works_soon_after_it_was_made(
    new_user: NewUser, api: Api, db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = await new_user(api)

    def foretold_secret(_: int) -> str:
        return f"foretold-{user.user_id}"

    monkeypatch.setattr(keys.secrets, "token_urlsafe", foretold_secret)
    foretold = {"Authorization": f"Bearer dk_foretold-{user.user_id}"}
    problem(await user.http.get(f"{API}/me", headers=foretold), Code.UNAUTHORIZED, 401)
    await keys.issue_key(db, user.user_id)

    async def works() -> bool:
        return (await user.http.get(f"{API}/me", headers=foretold)).status_code == 200

    began = time.monotonic()
    await eventually(works, "a key that was made after it had been tried")
    assert time.monotonic() - began < UNKNOWN_SECONDS + 1


async def test_zero_is_off(new_user: NewUser, strict_api: Api) -> None:
    user = await new_user(strict_api)
    answers = await asyncio.gather(*(write(user.http, user) for _ in range(30)))
    assert {answer.status_code for answer in answers} == {404}
    assert not any(name.startswith("ratelimit") for answer in answers for name in answer.headers)


async def test_without_redis_everybody_is_let_through(new_user: NewUser, fragile: Fragile) -> None:
    user = await new_user(fragile.api)
    fragile.redis.shut()
    answers = await asyncio.gather(*(write(user.http, user) for _ in range(40)))
    assert {answer.status_code for answer in answers} == {404}


async def test_signed_urls_and_pages_without_a_token_do_not_count(new_user: NewUser, pair: tuple[Api, Api]) -> None:
    user = await new_user(pair[0])
    await user.photo()
    history = await user.task()
    page = (await user.http.get(f"{API}/tasks/history")).json()
    url = page["tasks"][0]["face_image_url"]
    assert page["tasks"][0]["task_id"] == history["task_id"]
    async with client_of(pair[0]) as anonymous:
        for path in (url, f"{API}/modes", "/livez"):
            answers = await asyncio.gather(*(anonymous.get(path) for _ in range(LIMIT + 2)))
            assert {answer.status_code for answer in answers} == {200}
            assert not any("ratelimit-limit" in answer.headers for answer in answers)
