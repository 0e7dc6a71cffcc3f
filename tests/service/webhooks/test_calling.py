"""What receivers do to a delivery: each fault is told, nothing private reached, and it arrives when they are well."""

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest

from schema.models.webhooks import DeliveryRecord
from service.database import Connection, Pool
from service.outbound.guard import GuardedTransport, outbound_client
from service.webhooks import secrets, store
from service.webhooks.calling import READ, Answer, call, signed_headers
from service.webhooks.delivering import Deliverer
from service.webhooks.secrets import Seal
from tests.running import nobodys_port
from tests.service.webhooks.conftest import PUBLIC, deliveries, told
from tests.service.webhooks.receiver import Behaviour, Came, Receiver, answers, hang, receiving, status

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


async def flood(_came: Came, writer: asyncio.StreamWriter) -> None:
    """A gigabyte, if it is let."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
    for _ in range(1000):
        writer.write(b"x" * 1_000_000)
        await writer.drain()


async def hang_in_the_body(came: Came, writer: asyncio.StreamWriter) -> None:
    writer.write(CHUNKED)
    await hang(came, writer)


async def attempted(connection: Connection, deliverer: Deliverer) -> DeliveryRecord:
    """The only delivery, after its next attempt."""
    await connection.execute("UPDATE webhook_deliveries SET next_attempt_at = now() WHERE status = 'waiting'")
    await connection.execute("DELETE FROM webhook_hosts")
    (row,) = await deliveries(connection)
    await deliverer.take(row.delivery_id)
    (row,) = await deliveries(connection)
    return row


async def test_faults_are_told_and_it_arrives_once_the_receiver_is_well(
    pool: Pool, connection: Connection, deliverer: Deliverer, receiver: Receiver, seal: Seal, user_id: str
) -> None:
    task = await told(pool, user_id, receiver.url)
    faults: list[tuple[Behaviour, int | None, str]] = [
        (status(500), 500, "answered 500"),
        (status(404), 404, "answered 404"),
        (status(302, "Location: http://127.0.0.1:22/secret"), 302, "redirects to http://127.0.0.1:22/secret"),
        (status(302, "Location: http://xn--a/"), None, "can't be called"),
        (answers(b""), None, "the connection broke"),
        (answers(b"HTTP/1.1 200 OK\r\nConte"), None, "the connection broke"),
        (answers(b"SSH-2.0-OpenSSH\r\n\r\n"), None, "no HTTP"),
        (answers(b"HTTP/1.1 500 No\r\nContent-Length: 5000\r\n\r\n" + b"why\0" * 1000), 500, "answered 500"),
    ]
    for behave, code, words in faults:
        receiver.behave = behave
        row = await attempted(connection, deliverer)
        assert (row.status, row.last_status) == ("waiting", code)
        assert words in (row.last_error or ""), row.last_error
        assert len(row.last_response or "") <= 4 * READ
    receiver.behave = answers()
    row = await attempted(connection, deliverer)
    assert (row.status, row.last_status, row.last_error, row.last_response) == ("delivered", 200, None, "ok")
    assert row.attempts == len(faults) + 1 == len(receiver.came)
    (secret,) = await secrets.signing_secrets(pool, seal, user_id)
    for came in receiver.came:
        body = came.verified_by(secret)
        assert came.headers["webhook-id"] == row.event_id
        assert (body["type"], body["data"]["task_id"]) == ("task.done", task.task_id)
        assert body["data"]["result"]["output_image"].startswith(f"{PUBLIC}/api/v1/files/")
        assert body["data"]["events_url"].startswith(PUBLIC)


@pytest.mark.parametrize("behave", [flood, hang_in_the_body, answers(CHUNKED + b"5\r\nhel")])
async def test_a_status_is_an_answer_whatever_becomes_of_its_body(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, behave: Behaviour
) -> None:
    monkeypatch.setattr("service.webhooks.calling.READ_WITHIN", 0.2)
    receiver.behave = behave
    async with outbound_client(allow_private=True, seconds=5) as client:
        answer = await call(client, receiver.url, {}, "{}")
    assert answer.taken
    assert len(answer.body or "") <= READ


@pytest.mark.parametrize(
    ("code", "says", "seconds"),
    [
        (503, "120", 120),
        (429, timedelta(hours=1), 3600),
        (429, "Sun, 06 Nov 1994 08:49:37 GMT", 0),
        (500, "120", None),
        *((503, odd, None) for odd in ("", "soon", "-5", "1.5", "\xb2", "9" * 400, "Sun, 99 Nov 9999 08:49:37 GMT")),
    ],
)
async def test_for_how_long_to_stay_away_is_understood(
    receiver: Receiver, code: int, says: str | timedelta, seconds: float | None
) -> None:
    if isinstance(says, timedelta):
        says = format_datetime(datetime.now(UTC) + says, usegmt=True)
    receiver.behave = answers(
        f"HTTP/1.1 {code} No\r\nContent-Length: 0\r\nRetry-After: {says}\r\n\r\n".encode("latin-1")
    )
    async with outbound_client(allow_private=True, seconds=5) as client:
        pause = (await call(client, receiver.url, {}, "{}")).pause
    assert (pause and max(pause, timedelta(0)).total_seconds()) == (seconds and pytest.approx(seconds, abs=60))


async def test_a_status_that_came_in_time_is_an_answer_whatever_time_its_body_takes(receiver: Receiver) -> None:
    receiver.behave = hang_in_the_body
    async with outbound_client(allow_private=True, seconds=5) as client:
        assert (await call(client, receiver.url, {}, "{}", within=1)).taken


async def test_who_says_nothing_or_is_not_there_is_told_so(receiver: Receiver) -> None:
    receiver.behave = hang
    async with outbound_client(allow_private=True, seconds=5) as client:
        assert await call(client, receiver.url, {}, "{}", within=0.2) == Answer(error="no answer within 0.2 s")
        nowhere = f"http://127.0.0.1:{nobodys_port()}/"
        assert await call(client, nowhere, {}, "{}") == Answer(error="no connection: nobody listens there")
        answer = await call(client, "http://no-such-name.invalid/", {}, "{}")
        assert answer.error == "no-such-name.invalid could not be looked up"


async def test_a_name_that_leads_inside_on_the_second_look_up_reaches_nothing() -> None:
    answers_of_the_name = iter([["93.184.215.14"], ["127.0.0.1"]])
    reached: list[httpx.URL] = []

    async def resolve(_: str) -> list[str]:
        return next(answers_of_the_name)

    def answer(request: httpx.Request) -> httpx.Response:
        reached.append(request.url)
        return httpx.Response(500, stream=httpx.ByteStream(b""))

    transport = GuardedTransport(allow_private=False, resolve=resolve, inner=httpx.MockTransport(answer))
    async with outbound_client(allow_private=False, seconds=1, transport=transport) as client:
        assert (await call(client, "https://a.example/", {}, "{}")).status == 500
        refused = await call(client, "https://a.example/", {}, "{}")
    assert "private" in (refused.error or "")
    assert [url.host for url in reached] == ["93.184.215.14"]


async def test_a_rotation_signs_with_both_for_a_day(
    pool: Pool, connection: Connection, seal: Seal, user_id: str
) -> None:
    (old,) = await secrets.signing_secrets(pool, seal, user_id)
    new = await secrets.rotate(pool, seal, user_id)
    assert await secrets.signing_secrets(pool, seal, user_id) == [new, old]
    headers = signed_headers([new, old], "task_1.3", "{}")
    assert len(headers["webhook-signature"].split()) == 2
    async with receiving() as receiver, outbound_client(allow_private=True, seconds=5) as client:
        await call(client, receiver.url, headers, "{}")
        for secret in (new, old):
            receiver.came[0].verified_by(secret)
    await connection.execute("UPDATE webhook_secrets SET previous_until = now()")
    assert await secrets.signing_secrets(pool, seal, user_id) == [new]
    kept = await connection.fetchrow("SELECT sealed, previous FROM webhook_secrets")
    assert kept is not None
    assert new not in kept["sealed"]


async def test_who_rotates_a_secret_while_it_is_sealed_anew_has_the_new_one(
    pool: Pool, user_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, both = Seal(["the old one, long enough"]), Seal(["the new", "the old one, long enough"])
    await secrets.signing_secrets(pool, old, user_id)
    look, rotated = store.secrets_to_reseal, list[str]()

    async def meanwhile(*asked: Any, **how: Any) -> list[store.OldSeal]:
        page = await look(*asked, **how)
        rotated.append(await secrets.rotate(pool, old, user_id))
        return page

    monkeypatch.setattr(store, "secrets_to_reseal", meanwhile)
    await secrets.reseal(pool, both, limit=10)
    assert (await secrets.signing_secrets(pool, both, user_id))[0] == rotated[0]


async def test_an_older_key_that_goes_breaks_no_receiver(pool: Pool, user_id: str) -> None:
    old, both, new = (
        Seal(["the old one, long enough"]),
        Seal(["the new", "the old one, long enough"]),
        Seal(["the new"]),
    )
    await secrets.signing_secrets(pool, old, user_id)
    await secrets.rotate(pool, old, user_id)
    known = await secrets.signing_secrets(pool, both, user_id)
    await secrets.reseal(pool, both, limit=1)
    assert await secrets.signing_secrets(pool, new, user_id) == known
    # One that nobody sealed anew can't be read any more: a new one is made.
    (other,) = await secrets.signing_secrets(pool, old, user_id)
    assert other not in known
    assert await secrets.signing_secrets(pool, old, user_id) == [other]
