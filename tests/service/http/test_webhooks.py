"""/api/v1/me/webhook-secret and /api/v1/me/webhooks."""

from datetime import UTC, datetime, timedelta

import pytest

from schema.models.problems import ProblemCode as Code
from service.database import Connection
from tests.service.http.serving import API, JSON, User, fields_of, problem

SECRET = f"{API}/me/webhook-secret"
DELIVERIES = f"{API}/me/webhooks/deliveries"
PING = f"{API}/me/webhooks/ping"
URL = "https://hooks.example.com/hook"


async def ping(user: User) -> JSON:
    answer = await user.http.post(PING, json={"url": URL})
    assert answer.status_code == 202, answer.text
    return answer.json()


async def test_a_secret_is_ones_own_readable_again_and_rotates(user: User) -> None:
    first = (await user.http.get(SECRET)).json()
    assert first["secret"].startswith("whsec_")
    assert (await user.http.get(SECRET)).json() == first
    rotated = await user.http.post(f"{SECRET}/rotate")
    assert rotated.status_code == 200
    assert rotated.json() != first
    assert (await user.http.get(SECRET)).json() == rotated.json()


async def test_a_ping_is_a_delivery(user: User) -> None:
    made = await ping(user)
    assert set(made) == {
        "delivery_id", "event_id", "task_id", "url", "type", "status", "attempts", "next_attempt_at", "last_status",
        "last_error", "last_response", "created_at",
    }  # fmt: skip
    assert (made["type"], made["status"], made["attempts"], made["task_id"], made["url"]) == (
        "ping", "waiting", 0, None, URL,
    )  # fmt: skip
    assert (await user.http.get(DELIVERIES)).json()["deliveries"] == [made]


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "http://[::ffff:10.0.0.1]/", "ftp://example.com/", "", 1])
async def test_a_ping_goes_where_webhooks_go(user: User, url: object) -> None:
    answer = await user.http.post(PING, json={"url": url})
    assert fields_of(problem(answer, Code.INVALID_REQUEST, 400)) == ["url"]
    assert (await user.http.get(DELIVERIES)).json()["deliveries"] == []


async def test_deliveries_are_listed_newest_first_by_status_in_pages(user: User, db: Connection) -> None:
    made = [await ping(user) for _ in range(3)]
    await db.execute(
        "UPDATE webhook_deliveries SET status = 'failed', next_attempt_at = NULL, ended_at = now() "
        "WHERE delivery_id = $1",
        made[0]["delivery_id"],
    )
    first = (await user.http.get(DELIVERIES, params={"page_size": 2})).json()
    assert [one["delivery_id"] for one in first["deliveries"]] == [one["delivery_id"] for one in made[:0:-1]]
    query = {"page_size": 2, "cursor": first["pagination"]["next_cursor"]}
    last = (await user.http.get(DELIVERIES, params=query)).json()
    assert [one["delivery_id"] for one in last["deliveries"]] == [made[0]["delivery_id"]]
    assert last["pagination"]["next_cursor"] is None
    failed = (await user.http.get(DELIVERIES, params={"status": "failed"})).json()["deliveries"]
    assert [one["delivery_id"] for one in failed] == [made[0]["delivery_id"]]
    for query, field in (({"status": "lost"}, "status"), ({"cursor": "x"}, "cursor")):
        answer = await user.http.get(DELIVERIES, params=query)
        assert fields_of(problem(answer, Code.INVALID_REQUEST, 400)) == [field]


async def test_what_ended_can_be_told_again(user: User, db: Connection) -> None:
    made = await ping(user)
    await db.execute(
        "UPDATE webhook_deliveries SET status = 'gone', attempts = 4, tries = 4, next_attempt_at = NULL, "
        "ended_at = now() WHERE delivery_id = $1",
        made["delivery_id"],
    )
    answer = await user.http.post(f"{DELIVERIES}/{made['delivery_id']}/redeliver")
    assert answer.status_code == 202
    again = answer.json()
    assert (again["status"], again["attempts"], again["event_id"]) == ("waiting", 4, made["event_id"])
    assert abs(datetime.fromisoformat(again["next_attempt_at"]) - datetime.now(UTC)) < timedelta(minutes=1)
    problem(await user.http.post(f"{DELIVERIES}/dlv_nobodys/redeliver"), Code.NOT_FOUND, 404)
