"""GET and DELETE /api/v1/files/{file_id}: for the owner's token or for a signed URL, and for nobody else."""

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from schema.models.problems import ProblemCode as Code
from schema.models.tasks import TaskStatus
from service.cursors import encode_cursor
from service.database import Connection
from service.signing import Signer
from tests.factories import add_file, add_task
from tests.service.http.conftest import SECRET_KEYS, NewUser
from tests.service.http.pictures import picture
from tests.service.http.serving import API, JSON, PHOTO, User, fields_of, problem


@pytest.fixture
async def file(user: User) -> JSON:
    answer = await user.upload(PHOTO)
    assert answer.status_code == 201
    return answer.json()


async def test_the_owner_reads_a_file_with_a_token(user: User, file: JSON) -> None:
    answer = await user.http.get(f"{API}/files/{file['file_id']}")
    assert answer.status_code == 200
    assert answer.content == PHOTO
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["content-length"] == str(len(PHOTO))
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_signed_url_loads_without_a_token(anonymous: httpx.AsyncClient, file: JSON) -> None:
    answer = await anonymous.get(file["url"])
    assert (answer.status_code, answer.content) == (200, PHOTO)
    assert "private" in answer.headers["cache-control"]
    assert "ratelimit-limit" not in answer.headers


async def test_a_signed_url_is_valid_for_one_to_two_hours_to_the_full_hour(file: JSON) -> None:
    expires = int(parse_qs(urlsplit(str(file["url"])).query)["expires"][0])
    assert expires % 3600 == 0
    assert 3600 <= expires - datetime.now(UTC).timestamp() <= 7200


async def test_the_content_type_is_the_contents(user: User, anonymous: httpx.AsyncClient) -> None:
    file = (await user.upload(picture("WEBP"), "photo.html")).json()
    answer = await anonymous.get(file["url"])
    assert answer.headers["content-type"] == "image/webp"
    assert "photo.html" not in answer.headers["content-disposition"]


async def test_another_users_file_is_not_found(new_user: NewUser, file: JSON) -> None:
    other = await new_user()
    problem(await other.http.get(f"{API}/files/{file['file_id']}"), Code.FILE_NOT_FOUND, 404)
    problem(await other.http.delete(f"{API}/files/{file['file_id']}"), Code.FILE_NOT_FOUND, 404)


@pytest.mark.parametrize("file_id", ["file_none", "..%2F..%2Fetc%2Fpasswd", "%00", "x" * 1000, "%F0%9F%93%B7"])
async def test_what_never_was_is_not_found(user: User, file_id: str) -> None:
    answer = await user.http.get(f"{API}/files/{file_id}")
    assert answer.status_code == 404
    assert answer.json()["code"] in {"FILE_NOT_FOUND", "NOT_FOUND"}


async def test_no_token_is_401(anonymous: httpx.AsyncClient, file: JSON) -> None:
    problem(await anonymous.get(f"{API}/files/{file['file_id']}"), Code.UNAUTHORIZED, 401)
    problem(await anonymous.delete(file["url"]), Code.UNAUTHORIZED, 401)


async def test_a_bad_expired_or_moved_signature_is_403(user: User, anonymous: httpx.AsyncClient, file: JSON) -> None:
    path, _, query = file["url"].partition("?")
    other = (await user.upload(PHOTO)).json()
    expired = Signer(SECRET_KEYS, "file").query(file["file_id"], 1_600_000_000)
    foreign = Signer(["somebody else's secret key"], "file").query(file["file_id"], 4_000_000_000)
    purpose = Signer(SECRET_KEYS, "events").query(file["file_id"], 4_000_000_000)
    expires, _, signature = query.partition("&")
    postponed = f"expires={int(expires.removeprefix('expires=')) + 3600}&{signature}"
    moved = other["url"].partition("?")[2]
    wrong = [f"{query}x", expired, foreign, purpose, postponed, moved, expires, signature, "expires=&signature="]
    for bad in [*wrong, f"{query}&expires=4000000000", "expires=9" + "9" * 3000 + f"&{signature}"]:
        problem(await anonymous.get(f"{path}?{bad}"), Code.FORBIDDEN, 403)


async def test_an_older_secret_key_still_verifies(anonymous: httpx.AsyncClient, file: JSON) -> None:
    query = Signer(SECRET_KEYS[1:], "file").query(file["file_id"], 4_000_000_000)
    assert (await anonymous.get(f"{API}/files/{file['file_id']}?{query}")).status_code == 200


async def test_a_known_etag_is_304(anonymous: httpx.AsyncClient, file: JSON) -> None:
    etag = (await anonymous.get(file["url"])).headers["etag"]
    assert etag.startswith('"')
    for known in (etag, f'"other", W/{etag}', "*"):
        answer = await anonymous.get(file["url"], headers={"If-None-Match": known})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)
    assert (await anonymous.get(file["url"], headers={"If-None-Match": '"other"'})).status_code == 200


async def test_only_the_file_that_is_meant_is_given(anonymous: httpx.AsyncClient, file: JSON) -> None:
    etag = (await anonymous.get(file["url"])).headers["etag"]
    for meant in (etag, f'"other", {etag}', "*"):
        answer = await anonymous.get(file["url"], headers={"If-Match": meant})
        assert (answer.status_code, answer.content) == (200, PHOTO)
    # A weak tag says that two pictures are much the same: not enough here.
    for meant in ('"other"', f"W/{etag}"):
        # It comes before what would be 304 or 206.
        more = {"If-None-Match": etag, "Range": "bytes=0-1"}
        answer = await anonymous.get(file["url"], headers={"If-Match": meant, **more})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (412, b"", etag)


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [("bytes=2-5", 2, 6), ("bytes=-5", -5, None), ("bytes=10-", 10, None), ("bytes=0-999999999", 0, None)],
)
async def test_a_range_is_206(anonymous: httpx.AsyncClient, file: JSON, asked: str, start: int, end: int) -> None:
    answer = await anonymous.get(file["url"], headers={"Range": asked})
    assert (answer.status_code, answer.content) == (206, PHOTO[start:end])
    first = start % len(PHOTO)
    assert answer.headers["content-range"] == f"bytes {first}-{first + len(answer.content) - 1}/{len(PHOTO)}"


@pytest.mark.parametrize("asked", ["bytes=999999999-", "bytes=-0"])
async def test_a_range_beyond_the_end_is_416(anonymous: httpx.AsyncClient, file: JSON, asked: str) -> None:
    answer = await anonymous.get(file["url"], headers={"Range": asked})
    assert (answer.status_code, answer.content) == (416, b"")
    assert answer.headers["content-range"] == f"bytes */{len(PHOTO)}"


@pytest.mark.parametrize("asked", ["bytes=5-2", "bytes=1-2,4-5", "lines=1-2", "bytes=", "bytes=-", "bytes=a-b"])
async def test_a_range_that_makes_no_sense_is_ignored(anonymous: httpx.AsyncClient, file: JSON, asked: str) -> None:
    answer = await anonymous.get(file["url"], headers={"Range": asked})
    assert (answer.status_code, answer.content) == (200, PHOTO)


async def test_a_range_of_another_version_is_the_whole_file(anonymous: httpx.AsyncClient, file: JSON) -> None:
    etag = (await anonymous.get(file["url"])).headers["etag"]
    same = await anonymous.get(file["url"], headers={"Range": "bytes=0-1", "If-Range": etag})
    other = await anonymous.get(file["url"], headers={"Range": "bytes=0-1", "If-Range": '"other"'})
    assert (same.status_code, other.status_code) == (206, 200)
    for weak in (f"W/{etag}", "Sat, 28 Nov 2026 06:00:00 GMT", "*"):
        answer = await anonymous.get(file["url"], headers={"Range": "bytes=0-1", "If-Range": weak})
        assert (answer.status_code, answer.content) == (200, PHOTO)


async def test_a_deleted_file_is_gone_for_everybody(
    user: User, anonymous: httpx.AsyncClient, file: JSON, db: Connection
) -> None:
    path = f"{API}/files/{file['file_id']}"
    blob = await db.fetchval("SELECT blob_key FROM files WHERE file_id = $1", file["file_id"])
    answer = await user.http.delete(path)
    assert (answer.status_code, answer.content) == (204, b"")
    for again in (await user.http.delete(path), await user.http.get(path), await anonymous.get(file["url"])):
        problem(again, Code.FILE_NOT_FOUND, 404)
    assert await db.fetchval("SELECT due_at <= now() FROM blob_removals WHERE blob_key = $1", blob)


@pytest.mark.parametrize("status", TaskStatus)
@pytest.mark.parametrize("column", ["source_image", "reference_image"])
async def test_a_file_that_an_unfinished_task_uses_stays(
    user: User, file: JSON, db: Connection, status: TaskStatus, column: str
) -> None:
    await add_task(db, user.user_id, status, **{column: file["file_id"]})
    answer = await user.http.delete(f"{API}/files/{file['file_id']}")
    if status.ended:
        assert answer.status_code == 204
    else:
        problem(answer, Code.FILE_IN_USE, 409)


async def test_ones_own_files_are_listed_newest_first(user: User, new_user: NewUser, db: Connection) -> None:
    await (await new_user()).photo()
    uploaded = [(await user.upload(PHOTO, f"{n}.jpg", purpose="x" * n)).json() for n in range(3)]
    made = await add_file(db, user.user_id, task_id="task_1", purpose="output")
    answer = await user.http.get(f"{API}/files")
    assert answer.status_code == 200
    result, *uploads = answer.json()["files"]
    assert (result["file_id"], result["purpose"]) == (made.file_id, "output")
    assert uploads == [{**one, "purpose": "x" * n or None} for n, one in reversed([*enumerate(uploaded)])]
    assert answer.json()["pagination"] == {
        "page": None, "page_size": 20, "total": None, "total_capped": False, "total_pages": None, "next_cursor": None,
    }  # fmt: skip
    first = (await user.http.get(f"{API}/files", params={"page_size": 3})).json()
    cursor = first["pagination"]["next_cursor"]
    rest = (await user.http.get(f"{API}/files", params={"page_size": 3, "cursor": cursor})).json()
    assert [*first["files"], *rest["files"]] == [result, *uploads]


async def test_a_list_of_files_is_its_owners(user: User, anonymous: httpx.AsyncClient) -> None:
    problem(await anonymous.get(f"{API}/files"), Code.UNAUTHORIZED, 401)
    url = str((await user.upload(PHOTO)).json()["url"])
    problem(await anonymous.get(f"{API}/files?{url.partition('?')[2]}"), Code.UNAUTHORIZED, 401)
    for wrong in ("x", "", encode_cursor([1]), encode_cursor([10**30, "a"]), encode_cursor([1, "\0"])):
        answer = await user.http.get(f"{API}/files", params={"cursor": wrong})
        assert fields_of(problem(answer, Code.INVALID_REQUEST, 400)) == ["cursor"]
