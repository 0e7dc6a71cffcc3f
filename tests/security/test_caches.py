"""What caches may keep: an address that is signed for a while, and nothing that a token or a cookie opened."""

import httpx

from service.database import Connection
from tests.factories import add_task
from tests.security.test_owners import a_batch
from tests.service.http.serving import API, JSON, User

STREAMS = {f"{API}/tasks/events", f"{API}/tasks/{{task_id}}/events", f"{API}/operator/events"}


async def test_what_a_token_opened_is_asked_for_each_time(user: User, db: Connection) -> None:
    """Whoever sits at the same browser next, or shares a client's cache, has the same address and another token."""
    task = await add_task(db, user.user_id)
    ids = {"task_id": task.task_id, "file_id": await user.photo(), "batch_id": await a_batch(user)}
    paths: JSON = (await user.http.get("/openapi.json")).json()["paths"]
    asked = [
        path
        for path, methods in paths.items()
        if "get" in methods and path.startswith(API) and path not in STREAMS and "/operator/" not in path
    ]
    assert len(asked) > 10
    for path in asked:
        answer = await user.http.get(path.format(**ids))
        assert answer.status_code == 200, path
        kept = {one.strip() for one in answer.headers["cache-control"].split(",")}
        assert kept & {"no-store", "no-cache"}, path


async def test_a_deleted_photo_is_gone_for_caches_too(user: User, anonymous: httpx.AsyncClient) -> None:
    photo = (await user.upload((await user.http.get(f"{API}/files/{await user.photo()}")).content)).json()
    first = await user.http.get(f"{API}/files/{photo['file_id']}")
    again = {"If-None-Match": first.headers["etag"]}
    assert (await user.http.get(f"{API}/files/{photo['file_id']}", headers=again)).status_code == 304
    assert (await anonymous.get(f"{API}/files/{photo['file_id']}", headers=again)).status_code == 401
    assert "max-age" in (await anonymous.get(photo["url"])).headers["cache-control"]
    assert (await user.http.delete(f"{API}/files/{photo['file_id']}")).status_code == 204
    assert (await user.http.get(f"{API}/files/{photo['file_id']}", headers=again)).status_code == 404
