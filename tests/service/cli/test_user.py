"""`darkroom user`: accounts, their credits, keys and tokens."""

import json
from typing import Any

import jwt

from service.accounts.keys import key_hash
from service.database import Connection
from service.settings import Settings
from tests.conftest import SECRET_KEY
from tests.running import run_command


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
    assert answer_of(settings, "grant", "usr_ada", "--", "-75")["current_credits"] == 0
    refused = run_command("user", "grant", "usr_ada", "--", "-1", settings=settings)
    assert refused.returncode == 1
    assert refused.stderr == "darkroom: The balance is 0; -1 would make it negative.\n"
    assert answer_of(settings, "show", "usr_ada")["current_credits"] == 0
    assert await connection.fetchval("SELECT sum(amount) FROM credit_ledger WHERE user_id = 'usr_ada'") == 0

    assert answer_of(settings, "delete", "usr_ada", "--yes")["deleted"]
    assert run_command("user", "show", "usr_ada", settings=settings).returncode == 1
    kept = await connection.fetch("SELECT user_id, amount, reason FROM credit_ledger ORDER BY entry_id")
    assert [tuple(entry) for entry in kept] == [(None, 50, None), (None, 25, None), (None, -75, None)]


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


def test_an_email_is_taken_once(settings: Settings) -> None:
    answer_of(settings, "create", "ada@example.com")
    again = run_command("user", "create", "ADA@example.com", settings=settings)
    assert again.returncode == 1
    assert again.stderr == "darkroom: There is a user with this email already.\n"
