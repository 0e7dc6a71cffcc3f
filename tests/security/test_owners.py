"""What isn't yours isn't there: on every route with an id, also on those that are added tomorrow."""

import re
from collections.abc import Iterator

import httpx

from schema.models.tasks import TaskStatus
from service.database import Connection
from service.database.statements import load_queries
from tests.factories import add_task
from tests.service.http.conftest import NewUser
from tests.service.http.serving import API, JSON, PHOTO, User

BY_FENCE = {
    "outcome_of",
    "update_progress",
    "renew_lease",
    "holds_claim",
    "complete_task",
    "fail_task",
    "requeue_task",
}
"""A worker's: the fencing token names the one who may."""

INSIDE = {
    "mark_undispatched": "the dispatcher's",
    "get_file": "for whoever brings a signed URL",
    "place_events": "resumes from an event of the users whose events it places",
    "task_and_owner": "for whoever brings a signed URL",
}

NEVER = {
    "task_id": "task_never0000000000000000000",
    "file_id": "file_never0000000000000000000",
    "delivery_id": "dlv_never00000000000000000000",
    "batch_id": "batch_never00000000000000000",
}


async def operations_with_an_id(client: httpx.AsyncClient) -> list[tuple[str, str, str]]:
    """(method, path, parameter) of every operation that takes an id in its path, but those of operators."""
    paths: JSON = (await client.get("/openapi.json")).json()["paths"]
    found: list[tuple[str, str, str]] = []
    for path, methods in paths.items():
        if path.startswith(f"{API}/operator/"):
            continue
        names = re.findall(r"{(\w+)}", path)
        assert len(names) <= 1, f"{path}: teach this test which ids belong together"
        found += [(method.upper(), path, names[0]) for method in methods if names]
    return found


async def a_delivery(user: User) -> str:
    answer = await user.http.post(f"{API}/me/webhooks/ping", json={"url": "https://hooks.example.com/"})
    return answer.json()["delivery_id"]


async def a_batch(user: User) -> str:
    edit = {"mode": "BACKGROUND_CHANGE", "source_image": await user.photo()}
    return (await user.http.post(f"{API}/tasks/batch", json={"tasks": [edit]})).json()["batch_id"]


async def test_another_users_ids_are_not_found_on_any_route(user: User, new_user: NewUser, db: Connection) -> None:
    other = await new_user()
    theirs = {
        "task_id": [(await add_task(db, other.user_id, status)).task_id for status in TaskStatus],
        "file_id": [(await other.upload(PHOTO)).json()["file_id"]],
        "delivery_id": [await a_delivery(other)],
        "batch_id": [await a_batch(other)],
    }
    nobodys = {"task_id": [(await add_task(db, None)).task_id]}
    operations = await operations_with_an_id(user.http)
    assert len(operations) >= 6

    async def everything() -> list[object]:
        return [
            await db.fetch("SELECT * FROM tasks WHERE task_id = ANY($1)", theirs["task_id"] + nobodys["task_id"]),
            await db.fetch("SELECT * FROM files WHERE user_id = $1", other.user_id),
            await db.fetch("SELECT * FROM users WHERE user_id = $1", other.user_id),
            await db.fetchval("SELECT count(*) FROM tasks WHERE user_id = $1", user.user_id),
        ]

    before = await everything()
    for method, path, name in operations:
        assert name in theirs, f"{path}: teach this test what a {name} is"
        for headers in ({}, {"Idempotency-Key": "mine"}):
            never = await user.http.request(method, path.replace(f"{{{name}}}", NEVER[name]), headers=headers)
            assert never.status_code == 404, (method, path, never.text)
            for one in theirs[name] + nobodys.get(name, []):
                answer = await user.http.request(method, path.replace(f"{{{name}}}", one), headers=headers)
                assert answer.status_code == 404, (method, path, answer.text)
                # Not a word differs from what an id that never was gets.
                told, expected = answer.json(), never.json()
                assert told["detail"] == expected["detail"].replace(NEVER[name], one)
                assert {**told, "detail": 0, "instance": 0, "request_id": 0} == {
                    **expected,
                    "detail": 0,
                    "instance": 0,
                    "request_id": 0,
                }
    assert await everything() == before


async def test_the_same_routes_are_the_owners(user: User, db: Connection) -> None:
    """So that the test above doesn't pass because a route is broken for everybody."""
    for method, path, name in await operations_with_an_id(user.http):
        if name == "task_id":
            # A stream of a task that goes on doesn't end.
            ended = path.endswith(("retry", "events")) or method == "DELETE"
            status = TaskStatus.FAILED if ended else TaskStatus.PENDING
            mine = (await add_task(db, user.user_id, status, source_image=await user.photo())).task_id
        elif name == "delivery_id":
            mine = await a_delivery(user)
        elif name == "batch_id":
            mine = await a_batch(user)
        else:
            mine = (await user.upload(PHOTO)).json()["file_id"]
        answer = await user.http.request(method, path.replace(f"{{{name}}}", mine))
        assert answer.is_success, (method, path, answer.text)


async def test_a_cursor_of_another_user_leads_into_ones_own_list(user: User, new_user: NewUser, db: Connection) -> None:
    other = await new_user()
    for _ in range(3):
        await add_task(db, other.user_id)
    cursor = (await other.http.get(f"{API}/tasks", params={"page_size": 1})).json()["pagination"]["next_cursor"]
    assert cursor
    entries = (await other.http.get(f"{API}/me/credits", params={"page_size": 1})).json()["entries"]
    assert len(entries) == 1
    mine = await add_task(db, user.user_id)
    for route in ("/tasks", "/tasks/history"):
        listed = (await user.http.get(API + route, params={"cursor": cursor})).json()["tasks"]
        assert {task["task_id"] for task in listed} <= {mine.task_id}
    counted = (await user.http.get(f"{API}/tasks/stats")).json()
    assert counted["total"] == 1


def test_who_may_is_asked_in_sql() -> None:
    """A statement that takes the id of a task, a file or a key takes its user's, too, or is known by name here."""

    def unasked() -> Iterator[str]:
        for query in statements.values():
            ids = {"task_id", "file_id", "key_id"} & set(query.parameters)
            if ids and "user_id" not in query.parameters:
                yield query.name

    tables = (
        "task_submission",
        "task_claims",
        "task_endings",
        "task_messages",
        "task_reading",
        "task_events",
        "batches",
        "line",
        "files",
        "accounts",
        "webhooks",
    )
    statements = {name: query for table in tables for name, query in load_queries(table).items()}
    assert set(unasked()) == BY_FENCE | set(INSIDE)
    for name in BY_FENCE:
        assert "lease_token = :" in statements[name].sql.replace("$", ":")
