"""Browsers' sessions: how they begin and end, what they are good for, and what no other page gets out of them."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from http.cookies import Morsel, SimpleCookie

import httpx
import pytest

from schema.models.accounts import Scope
from schema.models.problems import ProblemCode as Code
from service.accounts import session_store
from service.accounts.keys import key_hash, list_keys, revoke_key
from service.accounts.sessions import issue_link, sweep_sessions
from service.accounts.tokens import issue_token
from service.accounts.users import erase_user, set_active
from service.database import Connection, Pool
from tests import lives
from tests.service.http.conftest import SECRET_KEYS, NewUser
from tests.service.http.looking import eventually
from tests.service.http.serving import API, Api, User, client_of, problem

SESSION = f"{API}/session"
ME = f"{API}/me"
OWN_PAGE = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
async def browser(api: Api) -> AsyncGenerator[httpx.AsyncClient]:
    """Somebody without a key, who keeps cookies and is on our own page."""
    async with client_of(api) as client:
        client.headers.update(OWN_PAGE)
        yield client


async def sign_in(browser: httpx.AsyncClient, user: User) -> Morsel[str]:
    """The cookie that came."""
    answer = await browser.post(SESSION, json={"token": user.api_key})
    assert answer.status_code == 201, answer.text
    (cookie,) = SimpleCookie(answer.headers["set-cookie"]).values()
    return cookie


async def test_a_link_signs_in_once(user: User, db: Connection, browser: httpx.AsyncClient, api: Api) -> None:
    link = await issue_link(db, user.user_id, Scope.USER)
    assert timedelta(minutes=14) < link.expires_at - datetime.now(UTC) <= timedelta(minutes=15)
    assert link.url("https://photos.example.com") == f"https://photos.example.com/sign-in#{link.token}"
    answers = await asyncio.gather(*(browser.post(SESSION, json={"link": link.token}) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [201, 401, 401]
    answer = next(answer for answer in answers if answer.status_code == 201)
    assert (answer.json()["user_id"], answer.json()["scope"]) == (user.user_id, "user")
    assert answer.headers["cache-control"] == "no-store"
    cookie = next(iter(SimpleCookie(answer.headers["set-cookie"]).values()))
    assert (cookie["httponly"], cookie["secure"], cookie["samesite"].lower(), cookie["path"], cookie["domain"]) == (
        True, "", "strict", "/", "",
    )  # fmt: skip
    assert cookie.value not in answer.text
    me = await browser.get(ME)
    assert (me.json()["user_id"], me.headers["cache-control"]) == (user.user_id, "no-store")
    assert await db.fetchval("SELECT count(*) FROM sessions WHERE token_hash = $1", key_hash(cookie.value)) == 1
    assert link.token not in api.log.read_text()
    assert cookie.value not in api.log.read_text()


async def test_keys_and_tokens_sign_in_and_nothing_else(user: User, db: Connection, browser: httpx.AsyncClient) -> None:
    for shown in (user.api_key, issue_token(SECRET_KEYS, user.user_id)):
        answer = await browser.post(SESSION, json={"token": shown})
        assert (answer.status_code, answer.json()["user_id"]) == (201, user.user_id)
    link = (await issue_link(db, user.user_id, Scope.USER)).token
    await db.execute("UPDATE sign_in_links SET expires_at = now()")
    browser.cookies.clear()
    unspellable = issue_token(SECRET_KEYS, f"{user.user_id}\0")
    wrongs = ({"link": link}, {"link": user.api_key}, {"token": link}, {"token": "dk_x"}, {"token": "x.y.z"})
    for wrong in (*wrongs, {"token": unspellable}):
        problem(await browser.post(SESSION, json=wrong), Code.UNAUTHORIZED, 401)
    odd: tuple[dict[str, str], ...] = (
        {},
        {"token": "x", "link": "y"},
        {"token": "dk_\x00"},
        {"token": "x" * 4097},
        {"password": "x"},
    )
    for wrong in odd:
        problem(await browser.post(SESSION, json=wrong), Code.INVALID_REQUEST, 400)
    assert not browser.cookies


async def test_no_session_outlives_what_it_began_with(
    new_user: NewUser, db: Connection, browser: httpx.AsyncClient
) -> None:
    somebody = await new_user()
    token = issue_token(SECRET_KEYS, somebody.user_id, lifetime=timedelta(minutes=5))
    answer = await browser.post(SESSION, json={"token": token})
    left = datetime.fromisoformat(answer.json()["ends_at"]) - datetime.now(UTC)
    assert timedelta(minutes=4) < left <= timedelta(minutes=5)
    cookie = await sign_in(browser, somebody)
    (key,) = await list_keys(db, somebody.user_id)
    await revoke_key(db, somebody.user_id, key.key_id)
    assert not await session_store.users_of_sessions(db, [key_hash(cookie.value)])
    problem(await browser.post(SESSION, json={"token": somebody.api_key}), Code.UNAUTHORIZED, 401)


async def test_who_is_suspended_signs_in_by_nothing(
    new_user: NewUser, db: Connection, browser: httpx.AsyncClient
) -> None:
    somebody = await new_user()
    await set_active(db, somebody.user_id, active=False)
    link = (await issue_link(db, somebody.user_id, Scope.USER)).token
    token = issue_token(SECRET_KEYS, somebody.user_id)
    for shown in ({"link": link}, {"token": somebody.api_key}, {"token": token}):
        problem(await browser.post(SESSION, json=shown), Code.UNAUTHORIZED, 401)


@pytest.mark.parametrize("how", ["sign-out", "suspension", "erasure"])
async def test_a_session_ends(new_user: NewUser, db: Connection, browser: httpx.AsyncClient, how: str) -> None:
    somebody = await new_user()
    cookie = await sign_in(browser, somebody)
    await issue_link(db, somebody.user_id, Scope.USER)
    assert (await browser.get(ME)).status_code == 200
    if how == "sign-out":
        answer = await browser.delete(SESSION)
        assert (answer.status_code, answer.headers["set-cookie"].lower().count("max-age=0")) == (204, 1)
        assert not browser.cookies
        # Whoever has kept the cookie has nothing.
        problem(await browser.get(ME, headers={"Cookie": f"{cookie.key}={cookie.value}"}), Code.UNAUTHORIZED, 401)
        assert (await browser.delete(SESSION)).status_code == 204
        return
    if how == "suspension":
        await set_active(db, somebody.user_id, active=False)
        await set_active(db, somebody.user_id, active=True)
    else:
        await erase_user(db, somebody.user_id)
    left = "SELECT user_id FROM sessions UNION ALL SELECT user_id FROM sign_in_links"
    assert somebody.user_id not in [row["user_id"] for row in await db.fetch(left)]

    async def refused() -> bool:
        return (await browser.get(ME)).status_code == 401

    await eventually(refused, "401")


async def test_a_new_session_replaces_the_one_before(
    user: User, new_user: NewUser, db: Connection, browser: httpx.AsyncClient
) -> None:
    """Nobody can have a browser go on with a session that they know."""
    browser.cookies.set(f"darkroom-{browser.base_url.port}", "ds_planted")
    first = await sign_in(browser, user)
    second = await sign_in(browser, await new_user())
    assert len({first.value, second.value, "ds_planted"}) == 3
    assert not await session_store.users_of_sessions(db, [key_hash(first.value)])
    assert not await session_store.users_of_sessions(db, [key_hash("ds_planted")])


FOREIGN = [
    {},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "null"},
    {"Origin": "https://evil.example.com", "Sec-Fetch-Site": "cross-site"},
    {"Origin": "{own}", "Sec-Fetch-Site": "cross-site"},
]


async def test_no_other_page_writes_with_a_session(user: User, browser: httpx.AsyncClient, api: Api) -> None:
    cookie = await sign_in(browser, user)
    body = {"mode": "BACKGROUND_CHANGE", "source_image": await user.photo()}
    async with client_of(api) as other:
        other.cookies.set(cookie.key, cookie.value)
        for foreign in FOREIGN:
            headers = {name: value.format(own=api.base_url) for name, value in foreign.items()}
            for method, path in (
                ("POST", f"{API}/tasks"),
                ("POST", f"{API}/uploads"),
                ("DELETE", f"{API}/files/{body['source_image']}"),
            ):
                problem(await other.request(method, path, json=body, headers=headers), Code.FORBIDDEN, 403)
            if foreign:
                problem(await other.delete(SESSION, headers=headers), Code.FORBIDDEN, 403)
                problem(await other.post(SESSION, json={"token": user.api_key}, headers=headers), Code.FORBIDDEN, 403)
        assert (await other.get(ME)).status_code == 200
        # Over plain http in a network browsers tell nothing but the origin.
        assert (await other.post(f"{API}/tasks", json=body, headers={"Origin": api.base_url})).status_code == 201
    assert (await browser.post(f"{API}/tasks", json=body)).status_code == 201


async def test_a_bearer_wins_over_a_cookie_and_a_cookie_holds_sessions_alone(
    user: User, new_user: NewUser, browser: httpx.AsyncClient, api: Api
) -> None:
    other = await new_user()
    cookie = await sign_in(browser, user)
    bearer = {"Authorization": f"Bearer {other.api_key}"}
    assert (await browser.get(ME, headers=bearer)).json()["user_id"] == other.user_id
    body = {"mode": "BACKGROUND_CHANGE", "source_image": await other.photo()}
    elsewhere = {**bearer, "Sec-Fetch-Site": "cross-site"}
    assert (await browser.post(f"{API}/tasks", json=body, headers=elsewhere)).status_code == 201
    problem(await browser.get(ME, headers={"Authorization": "Bearer dk_wrong"}), Code.UNAUTHORIZED, 401)
    # A proxy's own sign-in says nothing of ours.
    assert (await browser.get(ME, headers={"Authorization": "Basic eDp5"})).json()["user_id"] == user.user_id
    async with client_of(api) as client:
        for swapped in ({"Cookie": f"{cookie.key}={user.api_key}"}, {"Authorization": f"Bearer {cookie.value}"}):
            problem(await client.get(ME, headers=swapped), Code.UNAUTHORIZED, 401)


async def test_behind_https_the_cookie_is_for_https_alone(strict_api: Api, new_user: NewUser) -> None:
    somebody = await new_user(strict_api)
    async with client_of(strict_api) as client:
        for site in (OWN_PAGE, {"Origin": "https://photos.example.com"}):
            answer = await client.post(SESSION, json={"token": somebody.api_key}, headers=site)
            (cookie,) = SimpleCookie(answer.headers["set-cookie"]).values()
            assert (cookie.key, cookie["secure"], cookie["path"]) == ("__Host-darkroom", True, "/")
            signed_in = {"Cookie": f"{cookie.key}={cookie.value}"}
            assert (await client.get(ME, headers=signed_in)).status_code == 200
            # One of a plain name may have been set by any page of a sister domain.
            planted = {"Cookie": f"darkroom-{client.base_url.port}={cookie.value}"}
            problem(await client.get(ME, headers=planted), Code.UNAUTHORIZED, 401)
            answer = await client.delete(f"{API}/files/file_x", headers={**signed_in, **site})
            problem(answer, Code.FILE_NOT_FOUND, 404)


async def test_a_proxy_that_nobody_told_of_is_known_by_the_pages_own_origin(user: User, api: Api) -> None:
    https = api.base_url.replace("http:", "https:")
    async with client_of(api) as client:
        answer = await client.post(SESSION, json={"token": user.api_key}, headers={"Origin": https})
        (cookie,) = SimpleCookie(answer.headers["set-cookie"]).values()
        assert (cookie.key, cookie["secure"]) == ("__Host-darkroom", True)
        signed_in = {"Cookie": f"{cookie.key}={cookie.value}"}
        # A plain GET names no origin.
        assert (await client.get(ME, headers=signed_in)).status_code == 200
        out = await client.delete(SESSION, headers={**signed_in, **OWN_PAGE})
        (gone,) = SimpleCookie(out.headers["set-cookie"]).values()
        assert (gone.key, gone["secure"], gone["max-age"]) == ("__Host-darkroom", True, "0")
        problem(await client.get(ME, headers=signed_in), Code.UNAUTHORIZED, 401)


async def test_use_keeps_a_session_and_time_ends_it(pool: Pool) -> None:
    async with pool.acquire() as connection:
        user_id = await lives.add_user(connection)
        until = datetime.now(UTC) + timedelta(days=30)
        digests = [key_hash(f"ds_{n}") for n in range(3)]
        for digest in digests:
            assert await session_store.begin_until(connection, digest, user_id, until)
        holder = (await session_store.users_of_sessions(connection, [digests[0]])).get(digests[0])
        assert holder is not None
        assert holder.use_is_noted
        await connection.execute(
            "UPDATE sessions SET expires_at = now() + CASE token_hash WHEN $1 THEN interval '2 days' "
            "WHEN $2 THEN interval '0 s' ELSE interval '3 days' END, "
            "ends_at = now() + CASE token_hash WHEN $1 THEN interval '20 days' ELSE interval '3 days' END",
            *digests[:2],
        )
        holder = (await session_store.users_of_sessions(connection, [digests[0]])).get(digests[0])
        assert holder is not None
        assert not holder.use_is_noted
        assert not await session_store.users_of_sessions(connection, [digests[1]])
        await session_store.slide_sessions(connection, digests)
        left = await connection.fetch("SELECT (expires_at - now()) / 86400 AS left FROM sessions ORDER BY token_hash")
        assert sorted(round(row["left"].total_seconds()) for row in left) == [0, 3, 7]
        for _ in range(3):
            await issue_link(connection, user_id, Scope.USER)
        await connection.execute("UPDATE sign_in_links SET expires_at = now()")
    await sweep_sessions(pool, limit=2)
    async with pool.acquire() as connection:
        assert await connection.fetchval("SELECT count(*) FROM sessions") == 2
        assert await connection.fetchval("SELECT count(*) FROM sign_in_links") == 0


async def test_with_one_more_than_a_user_may_have_the_oldest_session_ends(connection: Connection) -> None:
    user_id, other = await lives.add_user(connection), await lives.add_user(connection)
    until = datetime.now(UTC) + timedelta(days=30)
    digests = [key_hash(f"ds_{n}") for n in range(session_store.MOST + 3)]
    assert await session_store.begin_until(connection, key_hash("ds_other"), other, until)
    for digest in digests:
        assert await session_store.begin_until(connection, digest, user_id, until)
    held = await session_store.users_of_sessions(connection, [*digests, key_hash("ds_other")])
    assert held.keys() == {*digests[3:], key_hash("ds_other")}
