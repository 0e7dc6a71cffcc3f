"""Accounts: made, credited, shown, erased; keys that can be revoked; tokens that run out."""

import asyncio
import base64
import json
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import asyncpg
import jwt
import pytest

from schema.models.problems import ProblemCode
from schema.models.tasks import TaskStatus
from service.accounts import keys, known, store, users
from service.accounts.authentication import Authenticator
from service.accounts.credits import get_ledger
from service.accounts.tokens import issue_token, subject_of
from service.cursors import encode_cursor
from service.database import Connection, Pool
from service.refusals import Refused
from tests import lives
from tests.factories import add_file

SECRETS = (
    "the key that signs, of sixty-four bytes and more, so that HS512 takes it too",
    "an older key, which still verifies tokens",
)


@pytest.fixture
async def user_id(connection: Connection) -> str:
    return await lives.add_user(connection)


async def holder_of(connection: Connection, api_key: str) -> store.Holder | None:
    digest = keys.key_hash(api_key)
    return (await store.users_of_keys(connection, [digest])).get(digest)


async def test_a_new_account_has_credits_a_ledger_and_a_key(connection: Connection, pool: Pool) -> None:
    new = await users.create_user(connection, "Ada@example.com", credits_=70)
    account = await users.get_account(pool, new.user_id)
    assert (account.email, account.username, account.current_credits) == ("Ada@example.com", "Ada", 70)
    (entry,) = await store.ledger_page(connection, new.user_id, None, 10)
    assert (entry.kind, entry.amount, entry.balance_after) == ("opening", 70, 70)
    holder = await holder_of(connection, new.api_key)
    assert holder is not None
    assert (holder.user_id, holder.is_active) == (new.user_id, True)


@pytest.mark.parametrize("same", ["email", "user id"])
async def test_an_email_and_an_id_are_one_accounts(connection: Connection, pool: Pool, same: str) -> None:
    await users.create_user(connection, "ada@example.com", credits_=5, user_id="usr_ada")
    before = await lives.everything(pool)
    email, user_id = ("ADA@example.com", "usr_2") if same == "email" else ("bob@example.com", "usr_ada")
    with pytest.raises(Refused, match=same) as caught:
        await users.create_user(connection, email, credits_=5, user_id=user_id)
    assert caught.value.code is ProblemCode.INVALID_REQUEST
    assert await lives.everything(pool) == before


async def test_users_are_found_by_id_and_by_email(connection: Connection) -> None:
    new = await users.create_user(connection, "ada@example.com", credits_=0)
    for name in (new.user_id, "Ada@Example.com"):
        assert (await users.find_user(connection, name)).user_id == new.user_id
    with pytest.raises(Refused) as caught:
        await users.find_user(connection, "bob@example.com")
    assert caught.value.code is ProblemCode.NOT_FOUND


async def test_grants_change_the_balance_and_the_ledger(connection: Connection, pool: Pool, user_id: str) -> None:
    assert await users.grant(connection, user_id, 50, "a present") == lives.CREDITS + 50
    assert await users.grant(connection, user_id, -lives.CREDITS, None) == 50
    with pytest.raises(Refused) as caught:
        await users.grant(connection, user_id, -51, None)
    assert caught.value.code is ProblemCode.INVALID_REQUEST
    entries = await store.ledger_page(connection, user_id, None, 10)
    assert [(entry.amount, entry.balance_after, entry.reason) for entry in entries] == [
        (-lives.CREDITS, 50, None),
        (50, lives.CREDITS + 50, "a present"),
        (lives.CREDITS, lives.CREDITS, "opening credits"),
    ]
    await lives.assert_balanced(pool)


async def test_grants_at_once_never_take_a_balance_below_zero(connection: Connection, pool: Pool, user_id: str) -> None:
    async def take() -> int | None:
        async with pool.acquire() as taking:
            return await store.grant_credits(taking, user_id, -lives.CREDITS // 4, None)

    balances = await asyncio.gather(*(take() for _ in range(9)))
    assert sorted(each for each in balances if each is not None) == [0, 250, 500, 750]
    await lives.assert_balanced(pool)
    with pytest.raises(Exception, match="current_credits"):
        await connection.execute("UPDATE users SET current_credits = -1 WHERE user_id = $1", user_id)


async def test_the_ledger_in_pages(connection: Connection, pool: Pool, user_id: str) -> None:
    for amount in range(1, 12):
        await users.grant(connection, user_id, amount, None)
    seen: list[int] = []
    cursor = None
    while True:
        page = await get_ledger(pool, user_id, cursor=cursor, page_size=5)
        seen += [entry.amount for entry in page.entries]
        cursor = page.pagination.next_cursor
        if cursor is None:
            break
    assert seen == [*range(11, 0, -1), lives.CREDITS]


@pytest.mark.parametrize("cursor", ["", "not a cursor", encode_cursor("text"), encode_cursor(2**70), "_____w"])
async def test_a_cursor_that_is_none_is_refused(pool: Pool, user_id: str, cursor: str) -> None:
    with pytest.raises(Refused) as caught:
        await get_ledger(pool, user_id, cursor=cursor, page_size=5)
    assert (caught.value.code, caught.value.field) == (ProblemCode.INVALID_REQUEST, "cursor")


async def test_erasure_takes_everything_but_the_ledgers_numbers(
    connection: Connection, pool: Pool, user_id: str
) -> None:
    await lives.reach(pool, user_id, TaskStatus.FAILED)
    await users.grant(connection, user_id, 5, "for Ada Lovelace, 12 St James's Square")
    file = await add_file(connection, user_id)
    other = await lives.add_user(connection)
    kept = await add_file(connection, other)
    assert await users.erase_user(connection, user_id) == user_id
    seen = await lives.everything(pool)
    assert [row["user_id"] for row in seen["users"]] == [other]
    assert seen["tasks"] == seen["claim_turns"] == []
    assert [row["file_id"] for row in seen["files"]] == [kept.file_id]
    assert file.blob_key in {row["blob_key"] for row in seen["blob_removals"]}
    theirs = [row for row in seen["credit_ledger"] if row["user_id"] is None]
    assert [row["amount"] for row in theirs] == [lives.CREDITS, -lives.PRICE, lives.PRICE, 5]
    assert {row["reason"] for row in theirs} == {None}
    with pytest.raises(Refused) as caught:
        await users.get_account(pool, user_id)
    assert caught.value.code is ProblemCode.UNAUTHORIZED


KEPT_OF_THEM = """
INSERT INTO webhook_hosts (user_id, host, failures, failed_at) VALUES ('THEM', 'a.example', 1, now());
INSERT INTO webhook_secrets (user_id, sealed, sealed_by) VALUES ('THEM', 'x', 'y');
INSERT INTO sign_in_links (token_hash, user_id, scope, expires_at) VALUES (sha256('x'), 'THEM', 'user', now());
INSERT INTO sessions (token_hash, user_id, scope, expires_at, ends_at)
VALUES (sha256('x'), 'THEM', 'user', now(), now());
INSERT INTO legacy_quarantine (kind, record_id, reason, fields, fingerprint)
VALUES ('user', 'THEM', '', '{}', ''), ('task', 'task_torn', '', jsonb_build_object('data', '{"user_id": "THEM"}'), '');
INSERT INTO legacy_remarks (kind, record_id, reasons, fields, fingerprint)
VALUES ('user', 'THEM', '{}', NULL, ''), ('task', 'TASK', '{}', '{"user_id": "THEM"}', '');
"""


async def test_erasure_leaves_no_table_that_names_them(connection: Connection, pool: Pool, user_id: str) -> None:
    """What refers to no user, so that nothing would take it along, too."""
    task = await lives.create(connection, user_id, webhook_url="https://a.example/")
    await lives.cancel(pool, user_id, task.task_id)
    await connection.execute(KEPT_OF_THEM.replace("THEM", user_id).replace("TASK", task.task_id))
    tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")

    async def naming_them() -> set[str]:
        named = "SELECT FROM {0} AS kept WHERE strpos(kept::text, $1) > 0"
        return {name for (name,) in tables if await connection.fetch(named.format(name), user_id)}

    assert await naming_them() >= {
        *("users", "tasks", "files", "credit_ledger", "api_keys", "sessions", "sign_in_links", "claim_turns"),
        *(
            "task_events",
            "webhook_deliveries",
            "webhook_hosts",
            "webhook_secrets",
            "legacy_quarantine",
            "legacy_remarks",
        ),
    }
    await users.erase_user(connection, user_id)
    assert await naming_them() == set()


# Keys


async def test_a_key_is_shown_once_and_can_be_revoked(connection: Connection, user_id: str) -> None:
    issued = await keys.issue_key(connection, user_id)
    assert issued.api_key.startswith("dk_")
    first, second = await keys.list_keys(connection, user_id)
    assert second.key_id == issued.key_id
    assert issued.api_key.endswith(second.hint)
    assert issued.api_key not in str(await connection.fetch("SELECT * FROM api_keys"))
    assert not await keys.revoke_key(connection, await lives.add_user(connection), issued.key_id)
    assert await keys.revoke_key(connection, user_id, issued.key_id)
    assert not await keys.revoke_key(connection, user_id, issued.key_id)
    assert await holder_of(connection, issued.api_key) is None
    assert [key.revoked_at is not None for key in await keys.list_keys(connection, user_id)] == [False, True]
    assert first.revoked_at is None


# Tokens


def test_a_token_names_its_user_whichever_key_signed_it() -> None:
    for secrets in (SECRETS, SECRETS[1:]):
        assert subject_of(issue_token(secrets, "usr_1"), SECRETS) == "usr_1"
    assert subject_of(issue_token(SECRETS, "usr_1"), SECRETS[1:]) is None


def a_token(algorithm: str = "HS256", **claims: object) -> str:
    return jwt.encode(claims, SECRETS[0], algorithm=algorithm)


NOW = datetime.now(UTC)
LATER = NOW + timedelta(hours=1)


@pytest.mark.parametrize(
    "token",
    [
        a_token(sub="usr_1"),
        a_token(exp=LATER),
        a_token(sub="usr_1", exp=NOW - timedelta(seconds=32)),
        a_token("HS512", sub="usr_1", exp=LATER),
        a_token(sub="usr_1", exp=LATER, nbf=LATER),
        a_token(sub="usr_1", exp=LATER)[:-4] + "AAAA",
        "a.b.c",
        "",
    ],
    ids=["no end", "nobody", "ran out", "another algorithm", "not yet", "another signature", "no token", "nothing"],
)
def test_other_tokens_name_nobody(token: str) -> None:
    assert subject_of(token, SECRETS) is None


def test_an_unsigned_token_names_nobody() -> None:
    def part(value: Mapping[str, object]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    claims = {"sub": "usr_1", "exp": int(LATER.timestamp())}
    assert subject_of(f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims)}.", SECRETS) is None


# Both


@pytest.fixture
def authenticator(pool: Pool) -> Authenticator:
    return Authenticator(pool, SECRETS)


async def who(authenticator: Authenticator, token: str) -> str | None:
    caller = await authenticator.by_bearer(token)
    return caller and caller.user_id


async def test_keys_and_tokens_stand_for_their_user(
    connection: Connection, user_id: str, authenticator: Authenticator
) -> None:
    issued = await keys.issue_key(connection, user_id)
    assert await who(authenticator, issued.api_key) == user_id
    assert await who(authenticator, issue_token(SECRETS, user_id)) == user_id


@pytest.mark.parametrize(
    "token", ["", "dk_", "dk_" + "a" * 43, "a" * 5000, "dk_ünïcode", issue_token(SECRETS, "usr_unknown"),
              issue_token(SECRETS, "usr\0"), issue_token(("another secret key of some length",), "usr_1")]
)  # fmt: skip
async def test_nothing_else_stands_for_anybody(authenticator: Authenticator, token: str) -> None:
    assert await authenticator.by_bearer(token) is None


@pytest.mark.parametrize("what", ["key", "token"])
async def test_a_user_who_is_not_active_is_nobody(
    connection: Connection, user_id: str, authenticator: Authenticator, what: str
) -> None:
    await connection.execute("UPDATE users SET is_active = false")
    token = (await keys.issue_key(connection, user_id)).api_key if what == "key" else issue_token(SECRETS, user_id)
    assert await authenticator.by_bearer(token) is None


@pytest.mark.parametrize("what", ["key", "token"])
async def test_who_was_known_is_looked_up_again_after_5_seconds(
    connection: Connection, user_id: str, authenticator: Authenticator, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    clock = [1000.0]
    monkeypatch.setattr(known.time, "monotonic", lambda: clock[0])
    issued = await keys.issue_key(connection, user_id)
    token = issued.api_key if what == "key" else issue_token(SECRETS, user_id)
    assert await who(authenticator, token) == user_id
    if what == "key":
        await keys.revoke_key(connection, user_id, issued.key_id)
    else:
        await connection.execute("UPDATE users SET is_active = false")
    clock[0] += 4.9
    assert await who(authenticator, token) == user_id
    clock[0] += 0.2
    assert await authenticator.by_bearer(token) is None


@pytest.mark.parametrize("what", ["key", "token"])
async def test_whoever_keeps_coming_is_looked_up_with_all_others_and_waits_for_no_look(
    connection: Connection, pool: Pool, user_id: str, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(known, "REFRESHED_EVERY", 0.01)
    others = [user_id, await lives.add_user(connection)]
    tokens = [
        (await keys.issue_key(connection, other)).api_key if what == "key" else issue_token(SECRETS, other)
        for other in others
    ]
    authenticator = Authenticator(pool, SECRETS)
    assert [await who(authenticator, token) for token in tokens] == others
    await connection.execute("UPDATE users SET is_active = false WHERE user_id = $1", user_id)
    async with asyncio.timeout(known.KNOWN_SECONDS - 1):
        while await who(authenticator, tokens[0]) is not None:  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0.01)
    assert await who(authenticator, tokens[1]) == others[1]
    await authenticator.close()


NFC, NFD = "jos\u00e9@example.com", "jose\u0301@example.com"


@pytest.mark.parametrize(("first", "again"), [(NFC, NFD), (NFD, NFC), (NFD.upper(), NFD)])
async def test_an_email_is_one_however_it_is_spelt(connection: Connection, first: str, again: str) -> None:
    new = await users.create_user(connection, first, credits_=0)
    assert unicodedata.is_normalized("NFC", new.email)
    for spelling in (NFC, NFD, new.user_id):
        found = await users.find_user(connection, spelling)
        assert (found.user_id, found.email) == (new.user_id, new.email)
    with pytest.raises(Refused, match="email"):
        await users.create_user(connection, again, credits_=0)


async def test_what_others_write_into_the_table_is_spelt_alike(connection: Connection) -> None:
    """The sign-in service beside Darkroom writes its accounts itself."""
    await connection.execute("INSERT INTO users (user_id, email) VALUES ('a', $1), ('b', 'b@example.com')", NFD)
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute("UPDATE users SET email = $1 WHERE user_id = 'b'", NFC)
    assert (await users.find_user(connection, NFC)).user_id == "a"
    assert await connection.fetchval("SELECT email FROM users WHERE user_id = 'a'") == NFC


async def test_twins_from_before_are_each_found_by_their_own_spelling(connection: Connection) -> None:
    await connection.execute("ALTER TABLE users DISABLE TRIGGER users_spell_email")
    await connection.execute("INSERT INTO users (user_id, email) VALUES ('a', $1), ('b', $2)", NFC, NFD)
    await connection.execute("ALTER TABLE users ENABLE TRIGGER users_spell_email")
    assert (await users.find_user(connection, NFC)).user_id == "a"
    assert (await users.find_user(connection, NFD.upper())).user_id == "b"
    # What doesn't touch its email doesn't fail on it.
    assert await users.grant(connection, "b", 5, None) == 5
