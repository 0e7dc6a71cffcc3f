"""What operators look at over HTTP: for keys of scope admin alone, and nothing of it changes anything."""

import httpx
import msgspec
import pytest

from schema.models.accounts import Scope
from schema.models.operating import Overview
from schema.models.problems import ProblemCode as Code
from service.accounts.keys import issue_key
from service.database import Connection
from tests.service.http.conftest import NewUser
from tests.service.http.serving import API, User, problem

OPERATOR = f"{API}/operator"


@pytest.mark.parametrize("path", [f"{OPERATOR}/events", f"{OPERATOR}/tasks/task_x"])
async def test_only_the_scope_admin_opens_it(user: User, anonymous: httpx.AsyncClient, path: str) -> None:
    problem(await anonymous.get(path), Code.UNAUTHORIZED, 401)
    problem(await user.http.get(path), Code.FORBIDDEN, 403)
    assert (await user.http.head(path)).status_code == 403
    assert (await user.http.post(path)).status_code == 405


async def test_an_operators_key_sees_anybodys_task_and_still_is_its_users(
    user: User, new_user: NewUser, db: Connection
) -> None:
    task = await user.task()
    operator = await new_user()
    key = await issue_key(db, operator.user_id, scope=Scope.ADMIN)
    operator.http.headers["Authorization"] = f"Bearer {key.api_key}"
    history = (await operator.http.get(f"{OPERATOR}/tasks/{task['task_id']}")).json()
    assert (history["task"]["user_id"], history["events"][0]["status"]) == (user.user_id, "pending")
    for nobodys in ("task_nobodys", "%00", "x" * 5000):
        problem(await operator.http.get(f"{OPERATOR}/tasks/{nobodys}"), Code.TASK_NOT_FOUND, 404)
    problem(await operator.http.get(f"{API}/tasks/{task['task_id']}"), Code.TASK_NOT_FOUND, 404)
    async with operator.http.stream("GET", f"{OPERATOR}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        told = aiter(stream.aiter_lines())
        while (await anext(told)) != "event: overview":
            pass
        overview = msgspec.json.decode((await anext(told)).removeprefix("data: "), type=Overview)
    assert sum(one.tasks for one in overview.waiting) >= 1
