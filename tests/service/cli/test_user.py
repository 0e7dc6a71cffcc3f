"""`darkroom user`: accounts, their credits, keys and tokens."""

import asyncio
import json
from typing import Any

import jwt
from msgspec import structs

from service.accounts.keys import key_hash
from service.database import Connection, Pool
from service.settings import Settings
from tests import lives
from tests.conftest import SECRET_KEY
from tests.running import run_command
from tests.service.http.proxy import proxied


def answer_of(settings: Settings, *arguments: str) -> Any:
    done = run_command("user", *arguments, settings=settings)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


async def test_an_account_from_its_first_key_to_its_erasure(settings: Settings, connection: Connection) -> None:
    made = answer_of(settings, "create", "Ada@example.com", "--credits", "50", "--user-id", "usr_ada")
    assert made["user_id"] == "usr_ada"
    stored = await connection.fetchrow("SELECT * FROM api_keys")
    assert stored is not None
    assert stored["key_hash"] == key_hash(made["api_key"])
    assert made["api_key"] not in str(stored)

    assert answer_of(settings, "grant", "ada@example.com", "25", "--reason", "sorry")["current_credits"] == 75
    assert answer_of(settings, "grant", "usr_ada", "-75")["current_credits"] == 0
    assert run_command("user", "grant", "usr_ada", "5", "--raeson", "typo", settings=settings).returncode == 2
    refused = run_command("user", "grant", "usr_ada", "--", "-1", settings=settings)
    assert refused.returncode == 1
    assert refused.stderr == "darkroom: The balance is 0; with -1 it would be negative. Nothing was changed.\n"
    assert answer_of(settings, "show", "usr_ada")["current_credits"] == 0
    assert await connection.fetchval("SELECT sum(amount) FROM credit_ledger WHERE user_id = 'usr_ada'") == 0

    assert answer_of(settings, "delete", "usr_ada", "--yes")["deleted"]
    assert run_command("user", "show", "usr_ada", settings=settings).returncode == 1
    kept = await connection.fetch("SELECT user_id, amount, reason FROM credit_ledger ORDER BY entry_id")
    assert [tuple(entry) for entry in kept] == [(None, 50, None), (None, 25, None), (None, -75, None)]


async def test_a_grant_whose_answer_was_lost_may_have_been_made_and_says_so(
    settings: Settings, pool: Pool, connection: Connection
) -> None:
    """Whoever took it for one that failed would grant it twice."""
    user_id = await lives.add_user(connection)
    with proxied(settings.database_url) as way:
        there = structs.replace(settings, database_url=way.url)
        async with pool.acquire() as looking, connection.transaction():
            await connection.execute("SELECT FROM users WHERE user_id = $1 FOR UPDATE", user_id)
            grant = asyncio.to_thread(run_command, "user", "grant", user_id, "5", settings=there)
            granting = asyncio.create_task(grant)
            await lives.until_blocked(looking)
            await asyncio.to_thread(way.shut)
            done = await granting
    assert done.returncode == 1
    assert f"darkroom user show {user_id}" in done.stderr

    async def granted() -> bool:
        return await lives.balance(pool, user_id) == lives.CREDITS + 5

    await lives.until(granted)


async def test_keys_are_listed_and_revoked(settings: Settings, connection: Connection) -> None:
    answer_of(settings, "create", "ada@example.com")
    second = answer_of(settings, "key", "ada@example.com")
    listed = answer_of(settings, "key", "ada@example.com", "--list")
    assert [key["hint"] for key in listed][1] == second["api_key"][-4:]
    assert second["api_key"] not in json.dumps(listed)
    answer_of(settings, "key", "ada@example.com", "--revoke", second["key_id"])
    assert await connection.fetchval("SELECT count(*) FROM api_keys WHERE revoked_at IS NULL") == 1
    again = run_command("user", "key", "ada@example.com", "--revoke", second["key_id"], settings=settings)
    assert again.returncode == 1
    assert "was revoked already" in again.stderr


def test_a_token_is_signed_for_an_hour(settings: Settings) -> None:
    made = answer_of(settings, "create", "ada@example.com")
    done = run_command("user", "token", "ada@example.com", settings=settings)
    claims = jwt.decode(done.stdout.strip(), SECRET_KEY, algorithms=["HS256"])
    assert claims["sub"] == made["user_id"]
    assert claims["exp"] - claims["iat"] == 3600


async def test_a_link_and_a_key_are_a_users_or_an_operators(settings: Settings, connection: Connection) -> None:
    answer_of(settings, "create", "ada@example.com")
    for scope, *asked in (("user",), ("admin", "--operator")):
        made = answer_of(settings, "link", "ada@example.com", *asked)
        address, _, token = made["url"].partition("#")
        assert address == "http://127.0.0.1:0/sign-in"  # on the port that `environment` sets
        stored = await connection.fetchval("SELECT scope FROM sign_in_links WHERE token_hash = $1", key_hash(token))
        assert stored == scope
    assert answer_of(settings, "key", "ada@example.com", "--admin")["scope"] == "admin"
    scopes = await connection.fetch("SELECT scope FROM api_keys ORDER BY created_at")
    assert [row["scope"] for row in scopes] == ["user", "admin"]


def test_an_email_is_taken_once(settings: Settings) -> None:
    answer_of(settings, "create", "ada@example.com")
    again = run_command("user", "create", "ADA@example.com", settings=settings)
    assert again.returncode == 1
    assert again.stderr == "darkroom: There is a user with this email already.\n"


def test_keys_have_names_and_tell_their_last_use(settings: Settings) -> None:
    answer_of(settings, "create", "ada@example.com")
    made = answer_of(settings, "key", "ada@example.com", "--name", " the shop ")
    assert made["name"] == "the shop"
    first, second = answer_of(settings, "key", "ada@example.com", "--list")
    assert (first["name"], second["name"], second["last_used_at"]) == (None, "the shop", None)
    for wrong in ("", "a\nb", "x" * 101):
        assert run_command("user", "key", "ada@example.com", "--name", wrong, settings=settings).returncode == 2
    both = run_command("user", "key", "ada@example.com", "--name", "x", "--list", settings=settings)
    assert both.returncode == 2


async def test_users_are_listed_page_by_page(settings: Settings, connection: Connection) -> None:
    await connection.execute(
        "INSERT INTO users (user_id, email, is_active) "
        "SELECT 'usr_' || n, 'user' || n || '@example.com', n <> 3 FROM generate_series(1, 5) AS n"
    )
    await connection.execute("UPDATE users SET email = E'\\x1b[31m@example.com' WHERE user_id = 'usr_2'")
    pages: list[dict[str, Any]] = []
    after: list[str] = []
    while not pages or pages[-1]["next"]:
        pages.append(answer_of(settings, "list", "--json", "--limit", "2", *after))
        after = ["--after", pages[-1]["next"] or ""]
    assert [[one["user_id"] for one in page["users"]] for page in pages] == [
        ["usr_1", "usr_2"], ["usr_3", "usr_4"], ["usr_5"],
    ]  # fmt: skip
    listed = run_command("user", "list", "--limit", "4", settings=settings)
    assert [line.split()[0] for line in listed.stdout.splitlines()] == ["usr_1", "usr_2", "usr_3", "usr_4"]
    assert [line.endswith("suspended") for line in listed.stdout.splitlines()] == [False, False, True, False]
    assert "\x1b" not in listed.stdout
    assert listed.stderr == "There are more: --after usr_4\n"


def test_a_user_is_suspended_and_resumed(settings: Settings) -> None:
    answer_of(settings, "create", "ada@example.com")
    assert answer_of(settings, "suspend", "ada@example.com")["is_active"] is False
    assert answer_of(settings, "show", "ada@example.com")["is_active"] is False
    assert answer_of(settings, "resume", "ada@example.com")["is_active"] is True
    assert run_command("user", "suspend", "nobody@example.com", settings=settings).returncode == 1
