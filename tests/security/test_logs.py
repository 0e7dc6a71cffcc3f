"""What a log must never hold, after everything was done that could put it there; and who may write its lines."""

import json
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from msgspec import Struct

from schema.models.tasks import TaskStatus
from service.accounts.tokens import issue_token
from service.accounts.users import create_user
from service.database import Connection
from service.settings import Settings
from tests.factories import add_task
from tests.running import running
from tests.security.raw import send_raw
from tests.service.http.conftest import SECRET_KEYS
from tests.service.http.proxy import proxied
from tests.service.http.serving import API, PHOTO, Api, User, client_of, serving

WEBHOOK_SECRET = "token-inside-a-webhook-address"
EMAIL = "somebody-in-particular@example.com"


class Done(Struct, frozen=True):
    """A log in which everything has been done, and the secrets that took part in it."""

    lines: list[str]
    secrets: dict[str, str]


def password_of(url: str) -> str:
    password = urlsplit(url).password
    assert password
    return password


async def use(user: User, db: Connection) -> list[str]:
    """Do everything, rightly and wrongly; the signatures that were met."""
    file = (await user.upload(PHOTO, "holiday.jpg")).json()
    assert (await user.http.get(file["url"])).status_code == 200
    assert (await user.http.get(file["url"] + "x")).status_code == 403
    hook = f"https://hooks.example.com/x?key={WEBHOOK_SECRET}"
    task = await user.task(webhook_url=hook)
    assert (await user.create(webhook_url=f"https://u:{WEBHOOK_SECRET}@example.com/")).status_code == 400
    assert (await user.create(webhook_url=WEBHOOK_SECRET)).status_code == 400
    assert (await user.http.get(f"{API}/tasks/{task['task_id']}?wait=0&token={user.api_key}")).status_code == 200
    assert (await user.http.post(f"{API}/tasks/{task['task_id']}/cancel")).status_code == 200
    assert (await user.http.post(f"{API}/tasks/{task['task_id']}/retry")).status_code == 201
    assert (await user.http.get(f"{API}/tasks/history")).status_code == 200
    assert (await user.http.get(f"{API}/me")).json()["email"] == EMAIL
    # A defect: a row that isn't what the code expects.
    broken = await add_task(db, user.user_id, TaskStatus.FAILED)
    await db.execute("UPDATE tasks SET error = $2 WHERE task_id = $1", broken.task_id, {"code": 5})
    assert (await user.http.get(f"{API}/tasks/{broken.task_id}")).status_code == 500
    await db.execute("DELETE FROM tasks WHERE task_id = $1", broken.task_id)
    assert (await user.http.post(f"{API}/tasks", content=b"{" + user.api_key.encode())).status_code == 400
    return parse_qs(urlsplit(str(file["url"])).query)["signature"]


@pytest.fixture
async def done(settings: Settings, connection: Connection, tmp_path: Path) -> Done:
    log = tmp_path / "api.log"
    made = await create_user(connection, EMAIL, credits_=10_000)
    token = issue_token(SECRET_KEYS, made.user_id)
    with proxied(settings.database_url) as database, proxied(settings.redis_url) as redis:
        behind = Settings(
            database_url=database.url,
            redis_url=redis.url,
            storage_url=settings.storage_url,
            secret_keys=SECRET_KEYS,
        )
        with serving(behind, log, {"LOG_FORMAT": "json"}) as api:
            signatures: list[str] = []
            for bearer in (made.api_key, token):
                async with client_of(api, bearer) as client:
                    signatures += await use(User(made.user_id, bearer, client), connection)
            async with client_of(api, made.api_key) as client:
                redis.shut()
                assert (await client.get(f"{API}/me")).status_code == 200
                database.shut()
                assert (await client.get(f"{API}/me")).status_code == 503
                assert (await client.get("/readyz")).status_code == 503
                wrong_key = made.api_key[:-6] + "WRONG!"
                assert (await client.get(f"{API}/me", headers={"Authorization": f"Bearer {wrong_key}"})).status_code
    return Done(
        log.read_text().splitlines(),
        {
            "an API key": made.api_key.removeprefix("dk_")[:20],
            "a JWT": token,
            "a JWT's signature": token.rpartition(".")[2],
            "a JWT's claims": token.split(".")[1],
            "the signing key": SECRET_KEYS[0],
            "the older signing key": SECRET_KEYS[1],
            "the database's password": password_of(settings.database_url),
            "Redis's password": password_of(settings.redis_url),
            "a webhook's address": WEBHOOK_SECRET,
            "a bearer": "Bearer ",
            "a signed query": "signature=",
            "a person's address": EMAIL,
            **{f"signature {number}": signature for number, signature in enumerate(signatures)},
        },
    )


async def test_no_secret_is_ever_logged(done: Done) -> None:
    assert len(done.lines) > 30
    text = "\n".join(done.lines)
    # Everything is there that was to be done: requests, a defect with its traceback, servers that went away.
    for told in ('"status":200', '"status":201', '"status":500', '"status":503', "is away", "exception"):
        assert told in text.replace('": ', '":'), told
    assert {name for name, secret in done.secrets.items() if secret in text} == set()


async def test_json_logs_are_an_object_a_line_whatever_happens(done: Done) -> None:
    for line in done.lines:
        entry = json.loads(line)
        assert {"event", "level", "timestamp"} <= set(entry)


async def test_headers_write_no_lines(strict_api: Api) -> None:
    """Odd bytes in every header that ends up, or might end up, in a log."""
    evil = [
        b"x\r\n\tfolded",
        b"\x1b[31mred",
        b'","level":"critical","event":"forged',
        b"\x00",
        b"\xe2\x80\xa8",
        b"a" * 9000,
    ]
    before = len(strict_api.log.read_text().splitlines())
    for value in evil:
        for name in (b"X-Request-Id", b"User-Agent", b"X-Forwarded-For", b"Referer", b"Traceparent"):
            head = (
                b"GET /api/v1/modes HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + name + b": " + value + b"\r\n\r\n"
            )
            answer = await send_raw(strict_api, [head])
            assert answer.status in {200, 400, 431}
            assert b"forged" not in answer.text.partition(b"\r\n\r\n")[0]
    for line in strict_api.log.read_text().splitlines()[before:]:
        entry = json.loads(line)
        assert entry["event"] != "forged"
        assert entry["level"] in {"info", "warning"}
        assert len(line) < 2000
        assert "\x1b" not in line


@pytest.mark.parametrize("command", [["api", "--port", "0"], ["worker"], ["migrate"]])
async def test_a_start_that_fails_tells_no_password(settings: Settings, tmp_path: Path, command: list[str]) -> None:
    wrong = urlsplit(settings.database_url)
    host = wrong.netloc.rpartition("@")[2]
    secret = "wrong-password-of-a-real-server"
    bad = Settings(
        database_url=wrong._replace(netloc=f"postgres:{secret}@{host}").geturl(),
        redis_url=settings.redis_url,
        storage_url=settings.storage_url,
        secret_keys=SECRET_KEYS,
    )
    log = tmp_path / "start.log"
    with running(*command, settings=bad, extra={"LOG_FORMAT": "json"}, log=log) as process:
        assert process.wait(timeout=30) == 1
    text = log.read_text()
    assert "PostgreSQL" in text
    for one in (secret, *SECRET_KEYS, password_of(settings.redis_url)):
        assert one not in text
