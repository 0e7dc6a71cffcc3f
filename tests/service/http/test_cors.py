"""CORS_ORIGINS: pages of these origins may call the API from a browser; without it, none may."""

import httpx
import pytest

from schema.models.problems import ProblemCode as Code
from tests.service.http.conftest import NewUser
from tests.service.http.serving import API, Api, client_of, problem

ORIGIN = "https://app.example.com"


async def preflight(client: httpx.AsyncClient, path: str, method: str, origin: str = ORIGIN) -> httpx.Response:
    return await client.options(
        path,
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": "authorization,content-type,idempotency-key",
        },
    )


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/tasks"), ("POST", "/uploads"), ("DELETE", "/tasks/task_a"), ("GET", "/tasks/task_a"), ("GET", "/me")],
)
async def test_a_preflight_of_a_known_origin_is_allowed(strict_api: Api, method: str, path: str) -> None:
    async with client_of(strict_api) as client:
        answer = await preflight(client, API + path, method)
    assert answer.status_code in {200, 204}
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert method in answer.headers["access-control-allow-methods"]
    allowed = answer.headers["access-control-allow-headers"].lower()
    for name in ("authorization", "content-type", "idempotency-key"):
        assert name in allowed


async def test_a_strange_origin_is_not_allowed(strict_api: Api, new_user: NewUser) -> None:
    user = await new_user(strict_api)
    refused = await preflight(user.http, f"{API}/tasks", "POST", "https://evil.example.com")
    assert "access-control-allow-origin" not in refused.headers
    answer = await user.http.get(f"{API}/me", headers={"Origin": "https://evil.example.com"})
    assert "access-control-allow-origin" not in answer.headers


async def test_answers_and_errors_may_be_read_by_a_known_origin(strict_api: Api, new_user: NewUser) -> None:
    user = await new_user(strict_api)
    origin = {"Origin": ORIGIN}
    fine = await user.create(origin)
    assert fine.status_code == 201
    missing = await user.http.get(f"{API}/tasks/task_none", headers=origin)
    problem(missing, Code.TASK_NOT_FOUND, 404)
    unauthorized = await user.http.get(f"{API}/me", headers={**origin, "Authorization": "Bearer x"})
    problem(unauthorized, Code.UNAUTHORIZED, 401)
    malformed = await user.http.post(f"{API}/tasks", content=b"{", headers=origin)
    problem(malformed, Code.INVALID_REQUEST, 400)
    for answer in (fine, missing, unauthorized, malformed):
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        exposed = answer.headers["access-control-expose-headers"].lower()
        for name in ("location", "retry-after", "x-request-id", "idempotent-replayed", "etag"):
            assert name in exposed
        assert "origin" in answer.headers["vary"].lower()
        assert "access-control-allow-credentials" not in answer.headers


async def test_without_origins_nothing_is_said(anonymous: httpx.AsyncClient) -> None:
    answer = await anonymous.get(f"{API}/modes", headers={"Origin": ORIGIN})
    assert answer.status_code == 200
    assert not any(name.startswith("access-control") for name in answer.headers)
