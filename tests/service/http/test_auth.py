"""Whose request is it? A key or a token of somebody active, or 401."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from typing import Any

import httpx
import pytest

from schema.models.problems import ProblemCode as Code
from service.accounts import store
from service.accounts.keys import issue_key, key_hash, list_keys, revoke_key
from service.accounts.tokens import issue_token
from service.accounts.users import create_user, set_active
from service.accounts.uses import Uses
from service.database import Connection, Pool
from tests.service.http.conftest import SECRET_KEYS, NewUser
from tests.service.http.looking import eventually
from tests.service.http.serving import API, User, problem

ME = f"{API}/me"


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(header: dict[str, Any] | bytes, claims: dict[str, Any] | bytes, key: str = SECRET_KEYS[0]) -> str:
    """A token with a good signature of whatever it says."""
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, claims)]
    text = ".".join(encoded(part) for part in parts)
    return f"{text}.{encoded(hmac.digest(key.encode(), text.encode(), hashlib.sha256))}"


HS256 = {"alg": "HS256", "typ": "JWT"}


def soon() -> int:
    return int(time.time()) + 60


async def ask(client: httpx.AsyncClient, authorization: str) -> httpx.Response:
    return await client.get(ME, headers=[(b"Authorization", authorization.encode())])


async def test_a_key_and_a_token_name_their_user(user: User, anonymous: httpx.AsyncClient) -> None:
    plain = signed(HS256, {"sub": user.user_id, "exp": soon()})
    like_the_sign_in_service = signed(HS256, {"sub": user.user_id, "email": "a@b.c", "exp": soon(), "aud": "web"})
    for token in (user.api_key, issue_token(SECRET_KEYS, user.user_id), plain, like_the_sign_in_service):
        for scheme in ("Bearer", "bearer", "BEARER"):
            answer = await ask(anonymous, f"{scheme} {token}")
            assert (answer.status_code, answer.json()["user_id"]) == (200, user.user_id)


async def test_every_secret_key_verifies(user: User, anonymous: httpx.AsyncClient) -> None:
    token = signed(HS256, {"sub": user.user_id, "exp": soon()}, SECRET_KEYS[1])
    assert (await ask(anonymous, f"Bearer {token}")).status_code == 200


async def test_no_token_is_401_on_every_private_route(anonymous: httpx.AsyncClient) -> None:
    paths: dict[str, dict[str, Any]] = (await anonymous.get("/openapi.json")).json()["paths"]
    private = [
        (method, path.replace("{task_id}", "task_a").replace("{file_id}", "file_a"))
        for path, operations in paths.items()
        for method, operation in operations.items()
        if {} not in operation.get("security", []) or "files" in path
    ]
    assert len(private) >= 14
    for method, path in private:
        problem(await anonymous.request(method, path), Code.UNAUTHORIZED, 401)


GARBAGE = [
    "",
    "Bearer",
    "Bearer x",
    "Bearer dk_",
    "Bearer dk_" + "x" * 43,
    "Bearer dk_späß",
    "Bearer " + "x" * 20_000,
    "Bearer ..",
    "Bearer " + "." * 4000,
    "Basic dXNlcjpwYXNz",
    "Bearer " + encoded(b"[" * 2000) + ".e30.x",
    "Bearer " + encoded(b"\xff\xfe") + ".e30.x",
    "Bearer " + encoded(b"null") + ".e30.x",
]


async def test_garbage_is_401(anonymous: httpx.AsyncClient) -> None:
    for authorization in GARBAGE:
        problem(await ask(anonymous, authorization), Code.UNAUTHORIZED, 401)


async def test_a_key_must_be_sent_whole_and_as_a_bearer(user: User, anonymous: httpx.AsyncClient) -> None:
    for wrong in (user.api_key[:-1], user.api_key + "x", user.api_key.upper(), f"{user.api_key} {user.api_key}"):
        problem(await ask(anonymous, f"Bearer {wrong}"), Code.UNAUTHORIZED, 401)
    problem(await ask(anonymous, user.api_key), Code.UNAUTHORIZED, 401)
    problem(await anonymous.get(ME, params={"token": user.api_key}), Code.UNAUTHORIZED, 401)


@pytest.mark.parametrize(
    ("header", "changes"),
    [
        (HS256, {"exp": 1_600_000_000}),
        (HS256, {"exp": None}),
        (HS256, {"exp": "soon"}),
        (HS256, {"exp": float("nan")}),
        (HS256, {"exp": float("inf")}),
        (HS256, {"nbf": 4_000_000_000}),
        (HS256, {"nbf": "0"}),
        (HS256, {"nbf": True}),
        (HS256, {"nbf": []}),
        (HS256, {"sub": None}),
        (HS256, {"sub": 5}),
        (HS256, {"sub": "usr_nobody"}),
        (HS256, {"sub": ""}),
        (HS256, {"sub": "usr_\0"}),
        (HS256, {"sub": "usr_\ud800"}),
        (HS256, {"sub": "x" * 2000}),
        ({"alg": "HS512"}, {}),
        ({"alg": "RS256"}, {}),
        ({"alg": "none"}, {}),
        ({"alg": "None"}, {}),
        ({"alg": None}, {}),
        ({"alg": ["HS256"]}, {}),
        ({}, {}),
        ({**HS256, "crit": ["exp"]}, {}),
    ],
    ids=str,
)
async def test_a_token_that_says_the_wrong_things_is_401(
    user: User, anonymous: httpx.AsyncClient, header: dict[str, Any], changes: dict[str, Any]
) -> None:
    """Its signature is good, each time."""
    claims = {"sub": user.user_id, "exp": soon(), **changes}
    claims = {name: value for name, value in claims.items() if value is not None}
    problem(await ask(anonymous, f"Bearer {signed(header, claims)}"), Code.UNAUTHORIZED, 401)


async def test_clocks_may_differ_by_half_a_minute(user: User, anonymous: httpx.AsyncClient) -> None:
    """By ours the token has just expired, or isn't valid yet; the clock of whoever issued it says otherwise."""
    now = int(time.time())
    for changes in ({"exp": now - 20}, {"nbf": now + 25}, {"nbf": now + 25, "iat": now + 25, "exp": now + 3600.5}):
        token = signed(HS256, {"sub": user.user_id, "exp": soon(), **changes})
        assert (await ask(anonymous, f"Bearer {token}")).status_code == 200, changes
    for changes in ({"exp": now - 31}, {"nbf": now + 40}):
        token = signed(HS256, {"sub": user.user_id, "exp": soon(), **changes})
        problem(await ask(anonymous, f"Bearer {token}"), Code.UNAUTHORIZED, 401)


async def test_a_token_without_a_good_signature_is_401(user: User, anonymous: httpx.AsyncClient) -> None:
    claims = {"sub": user.user_id, "exp": soon()}
    good = signed(HS256, claims)
    header, body, signature = good.split(".")
    other_body = signed(HS256, {**claims, "exp": soon() + 1}).split(".")[1]
    none = encoded(b'{"alg":"none","typ":"JWT"}')
    for wrong in (
        signed(HS256, claims, "somebody else's secret key, as long"),
        signed(HS256, claims, ""),
        f"{header}.{other_body}.{signature}",
        f"{header}.{body}.",
        f"{header}.{body}",
        f"{none}.{body}.",
        f"{none}.{body}.{signature}",
    ):
        problem(await ask(anonymous, f"Bearer {wrong}"), Code.UNAUTHORIZED, 401)


async def test_a_signature_that_was_made_with_the_public_half_of_a_pair_is_401(
    user: User, anonymous: httpx.AsyncClient
) -> None:
    """The old trick: an RS256 token's verification key, taken for an HMAC's."""
    token = signed({"alg": "RS256", "typ": "JWT"}, {"sub": user.user_id, "exp": soon()}, "-----BEGIN PUBLIC KEY-----")
    problem(await ask(anonymous, f"Bearer {token}"), Code.UNAUTHORIZED, 401)


async def test_a_revoked_key_and_an_inactive_user_are_401_within_five_seconds(
    new_user: NewUser, db: Connection, anonymous: httpx.AsyncClient
) -> None:
    """Both are remembered for 5 s, so both are used before; another key of the same user goes on."""
    revoked, inactive = await new_user(), await new_user()
    second_key = (await issue_key(db, revoked.user_id)).api_key
    token = issue_token(SECRET_KEYS, inactive.user_id)
    all_ = [f"Bearer {one}" for one in (revoked.api_key, inactive.api_key, token)]
    assert [(await ask(anonymous, one)).status_code for one in all_] == [200, 200, 200]
    (key, _) = await list_keys(db, revoked.user_id)
    assert await revoke_key(db, revoked.user_id, key.key_id)
    assert not (await set_active(db, inactive.user_id, active=False)).is_active
    since = time.monotonic()

    async def refused(authorization: str) -> bool:
        return (await ask(anonymous, authorization)).status_code == 401

    for one in all_:
        await eventually(lambda one=one: refused(one), "401")
    assert time.monotonic() - since < 7
    assert (await ask(anonymous, f"Bearer {second_key}")).status_code == 200


async def test_streams_that_are_open_end_for_whom_they_would_not_be_opened_again(
    new_user: NewUser, db: Connection, anonymous: httpx.AsyncClient
) -> None:
    """Whoever reads by a key that was revoked, or was suspended, is told nothing more; other keys of theirs are."""
    revoked, inactive = await new_user(), await new_user()
    second = {"Authorization": f"Bearer {(await issue_key(db, revoked.user_id)).api_key}"}
    tasks = {one.user_id: (await one.task()) for one in (revoked, inactive)}
    link = (await inactive.http.get(ME)).json()["events_url"]
    reading = [
        asyncio.create_task(client.get(path, headers=headers, timeout=60))
        for client, path, headers in (
            (revoked.http, f"{API}/tasks/events", {}),
            (revoked.http, f"{API}/tasks/{tasks[revoked.user_id]['task_id']}/events", {}),
            (inactive.http, f"{API}/tasks/events", {}),
            (anonymous, link, {}),
            (anonymous, f"{API}/tasks/events", second),
        )
    ]
    await asyncio.sleep(1)
    (key, _) = await list_keys(db, revoked.user_id)
    assert await revoke_key(db, revoked.user_id, key.key_id)
    assert not (await set_active(db, inactive.user_id, active=False)).is_active
    await asyncio.sleep(5.2)
    await db.execute(
        "UPDATE tasks SET status = 'cancelled', cancelled_at = now(), credits_refunded = credits_consumed"
        " WHERE user_id = ANY ($1)",
        list(tasks),
    )
    *over, told = reading
    answers = await asyncio.wait_for(asyncio.gather(*over), 10)
    assert [answer.text.count("event: status") for answer in answers] == [1, 1, 1, 1]
    done, _ = await asyncio.wait([told], timeout=0.2)
    assert not done
    told.cancel()


async def test_a_key_that_was_revoked_before_its_first_use_is_401_at_once(
    user: User, db: Connection, anonymous: httpx.AsyncClient
) -> None:
    issued = await issue_key(db, user.user_id)
    assert await revoke_key(db, user.user_id, issued.key_id)
    problem(await ask(anonymous, f"Bearer {issued.api_key}"), Code.UNAUTHORIZED, 401)


async def test_many_tokens_at_once_are_told_apart(new_user: NewUser, anonymous: httpx.AsyncClient) -> None:
    users = [await new_user() for _ in range(10)]
    answers = await asyncio.gather(*(ask(anonymous, f"Bearer {user.api_key}") for user in users for _ in range(3)))
    assert [answer.json()["user_id"] for answer in answers] == [user.user_id for user in users for _ in range(3)]


async def test_a_resumed_user_is_let_in_again(new_user: NewUser, db: Connection, anonymous: httpx.AsyncClient) -> None:
    somebody = await new_user()
    await set_active(db, somebody.user_id, active=False)
    authorization = f"Bearer {somebody.api_key}"
    problem(await ask(anonymous, authorization), Code.UNAUTHORIZED, 401)
    await set_active(db, somebody.user_id, active=True)

    async def admitted() -> bool:
        return (await ask(anonymous, authorization)).status_code == 200

    await eventually(admitted, "200")


async def test_the_last_use_of_a_key_is_noted_now_and_then(
    new_user: NewUser, db: Connection, anonymous: httpx.AsyncClient
) -> None:
    somebody = await new_user()
    assert [key.last_used_at for key in await list_keys(db, somebody.user_id)] == [None]
    assert (await ask(anonymous, f"Bearer {somebody.api_key}")).status_code == 200

    async def noted() -> bool:
        return (await list_keys(db, somebody.user_id))[0].last_used_at is not None

    await eventually(noted, "noted")


async def test_uses_are_noted_together_once_in_a_while_and_never_in_the_way(pool: Pool) -> None:
    async with pool.acquire() as connection:
        made = [await create_user(connection, f"{n}@x.test", credits_=0) for n in range(3)]
        digests = [key_hash(one.api_key) for one in made]
    uses = Uses(pool, store.note_use_of_keys)
    for digest in [*digests, digests[0], key_hash("dk_unknown")]:
        uses.note(digest)
    await uses.close()
    async with pool.acquire() as connection:
        for one, digest in zip(made, digests, strict=True):
            (key,) = await list_keys(connection, one.user_id)
            assert key.last_used_at is not None
            holder = (await store.users_of_keys(connection, [digest])).get(digest)
            assert holder is not None
            assert holder.use_is_noted
        await connection.execute("UPDATE api_keys SET last_used_at = now() - interval '1 hour'")
        holder = (await store.users_of_keys(connection, [digests[0]])).get(digests[0])
        assert holder is not None
        assert not holder.use_is_noted
        # Where nothing can be written, nobody is told but the log.
        await connection.execute("ALTER TABLE api_keys RENAME TO gone")
    uses.note(digests[0])
    await uses.close()
