"""What every answer says to browsers and caches, and what it takes to be answered at all."""

import httpx
import pytest

from schema.models.problems import ProblemCode as Code
from tests.security.raw import send_raw
from tests.service.http.conftest import NewUser
from tests.service.http.serving import API, PHOTO, Api, User, client_of, problem


async def every_kind(user: User, client: httpx.AsyncClient) -> list[httpx.Response]:
    """An answer of each kind: JSON, problems of several makers, a file in all its ways, pages, no content."""
    uploaded = (await user.upload(PHOTO)).json()
    url = uploaded["url"].removeprefix("https://photos.example.com")
    etag = (await client.get(url)).headers["etag"]
    return [
        await client.get("/livez"),
        await client.get(f"{API}/modes"),
        await client.get("/openapi.json"),
        await client.get("/docs"),
        await client.get("/docs-assets/swagger-ui.css"),
        await client.get(f"{API}/me"),
        await client.get("/nothing/here"),
        await client.patch(f"{API}/modes"),
        await client.options(f"{API}/modes"),
        await client.get(url),
        await client.get(url, headers={"Range": "bytes=0-1"}),
        await client.get(url, headers={"Range": "bytes=9999999-"}),
        await client.get(url, headers={"If-None-Match": etag}),
        await client.get(url, headers={"If-Match": '"x"'}),
        await client.get(url + "x"),
        await user.http.get(f"{API}/me"),
        await user.http.post(f"{API}/tasks", content=b"{"),
        await user.http.delete(f"{API}/files/{uploaded['file_id']}"),
    ]


@pytest.mark.parametrize("origin", [None, "https://app.example.com", "https://elsewhere.example.com"])
async def test_every_answer_varies_by_origin_once_origins_are_named(
    strict_api: Api, new_user: NewUser, origin: str | None
) -> None:
    user = await new_user(strict_api)
    async with client_of(strict_api) as client:
        for one in (client, user.http):
            one.headers.update({"Origin": origin} if origin else {})
        for answer in await every_kind(user, client):
            assert "origin" in answer.headers.get("vary", "").lower(), answer.request.url.path


async def test_without_origins_nothing_varies(user: User, anonymous: httpx.AsyncClient) -> None:
    for answer in await every_kind(user, anonymous):
        assert "origin" not in answer.headers.get("vary", "").lower(), answer.request.url.path


async def test_browsers_are_told_to_be_careful_with_every_answer(user: User, anonymous: httpx.AsyncClient) -> None:
    for answer in await every_kind(user, anonymous):
        path = answer.request.url.path
        assert answer.headers["x-content-type-options"] == "nosniff", path
        assert answer.headers["referrer-policy"] == "no-referrer", path
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy, path
        is_picture = answer.headers.get("content-type", "").startswith("image/")
        assert "frame-ancestors 'none'" in policy, path
        # Pictures are shown by the pages of an app, wherever these come from.
        assert answer.headers["cross-origin-resource-policy"] == "cross-origin" if is_picture else True, path


@pytest.mark.parametrize(
    ("hosts", "version", "status"),
    [
        (["photos.example.com"], "1.1", 200),
        (["photos.example.com:8443"], "1.1", 200),
        (["[::1]:8000"], "1.1", 200),
        (["my_service:8000"], "1.1", 200),
        ([], "1.0", 200),
        ([], "1.1", 400),
        (["a.example", "b.example"], "1.1", 400),
        (["a.example", "a.example"], "1.1", 400),
        ([""], "1.1", 400),
        (["a.example, b.example"], "1.1", 400),
        (["a.example/../b"], "1.1", 400),
        (["user@a.example"], "1.1", 400),
        (["a.example:port"], "1.1", 400),
        (["[::1"], "1.1", 400),
        (["b\xfccher.example"], "1.1", 400),
    ],
)
async def test_a_request_names_one_host(api: Api, hosts: list[str], version: str, status: int) -> None:
    lines = [f"GET /livez HTTP/{version}", *(f"Host: {host}" for host in hosts), "Connection: close"]
    answer = await send_raw(api, ["\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"])
    assert answer.status == status
    head = answer.text.partition(b"\r\n\r\n")[0].lower()
    assert b"x-request-id" in head
    if status == 400:
        assert b"application/problem+json" in head


async def test_a_wrong_host_is_a_problem_like_others(anonymous: httpx.AsyncClient) -> None:
    problem(await anonymous.get(f"{API}/modes", headers={"Host": "a b"}), Code.INVALID_REQUEST, 400)
