"""HEAD answers where GET does, with the same headers: monitors, CDNs and link previews ask it."""

from collections.abc import Mapping

import httpx
import pytest

from tests.service.http.serving import API, PHOTO, Api, User, client_of

ITS_OWN = {"date", "x-request-id", "ratelimit-remaining", "ratelimit-reset"}
"""Headers that no two requests share."""


def lasting(headers: httpx.Headers) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in ITS_OWN}


async def same_as_get(client: httpx.AsyncClient, path: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
    """The answer to a HEAD, which must be that to a GET but for its body."""
    got, asked = await client.get(path, headers=headers), await client.head(path, headers=headers)
    assert asked.status_code == got.status_code, path
    assert asked.content == b"", path
    if got.status_code < 400:
        assert lasting(asked.headers) == lasting(got.headers), path
    else:
        assert set(asked.headers) == set(got.headers), path
    return asked


@pytest.fixture
async def filled(user: User) -> dict[str, str]:
    """What stands for the ids in a path."""
    edit = {"mode": "BACKGROUND_CHANGE", "source_image": await user.photo()}
    batch = (await user.http.post(f"{API}/tasks/batch", json={"tasks": [edit]})).json()
    task = batch["tasks"][0]
    return {"{task_id}": task["task_id"], "{file_id}": task["source_image"], "{batch_id}": batch["batch_id"]}


async def test_wherever_get_is(user: User, filled: dict[str, str]) -> None:
    document = (await user.http.get("/openapi.json")).json()
    paths = [path for path, item in document["paths"].items() if "get" in item and not path.endswith("/events")]
    assert {"/livez", "/readyz", f"{API}/tasks/{{task_id}}", f"{API}/me"} <= set(paths)
    assets = ["/docs-assets/swagger-ui.css", "/docs-assets/swagger-ui-bundle.js"]
    for path in [*paths, "/openapi.json", "/docs", *assets, "/nothing", f"{API}/tasks/task_none"]:
        for name, value in filled.items():
            path = path.replace(name, value)  # noqa: PLW2901 - the path is being filled
        await same_as_get(user.http, path)


async def test_a_file_is_told_with_its_length_and_not_read(user: User, api: Api) -> None:
    uploaded = (await user.upload(PHOTO)).json()
    async with client_of(api) as anonymous:
        whole = await same_as_get(anonymous, uploaded["url"])
        assert whole.headers["content-length"] == str(len(PHOTO))
        etag = whole.headers["etag"]
        part = await same_as_get(anonymous, uploaded["url"], {"Range": "bytes=2-5"})
        assert (part.status_code, part.headers["content-length"]) == (206, "4")
        assert (await same_as_get(anonymous, uploaded["url"], {"If-None-Match": etag})).status_code == 304
        assert (await same_as_get(anonymous, uploaded["url"], {"If-Match": '"x"'})).status_code == 412
        assert (await same_as_get(anonymous, uploaded["url"] + "x")).status_code == 403
        # The same connection goes on.
        assert (await anonymous.get(uploaded["url"])).content == PHOTO


async def test_what_is_allowed_is_told_by_options_and_by_405(user: User, anonymous: httpx.AsyncClient) -> None:
    """Without a token too."""
    for path, methods in {
        f"{API}/tasks": {"GET", "HEAD", "OPTIONS", "POST"},
        f"{API}/tasks/task_none": {"DELETE", "GET", "HEAD", "OPTIONS"},
        f"{API}/uploads": {"OPTIONS", "POST"},
        f"{API}/modes": {"GET", "HEAD", "OPTIONS"},
        "/livez": {"GET", "HEAD", "OPTIONS"},
    }.items():
        asked = await anonymous.options(path)
        assert asked.status_code in {200, 204}, path
        refused = await user.http.patch(path)
        assert refused.status_code == 405, path
        for answer in (asked, refused):
            assert {method.strip() for method in answer.headers["allow"].split(",")} == methods, path
    assert (await user.http.head(f"{API}/uploads")).status_code == 405
