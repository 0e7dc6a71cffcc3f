"""Origins that look like an allowed one, and those that browsers invent."""

import httpx
import pytest

from service.settings import Settings
from tests.service.http.conftest import NewUser
from tests.service.http.serving import API, Api, client_of, serving
from tests.service.http.test_cors import ORIGIN, preflight

STRANGE = [
    "null",
    "*",
    "",
    "https://app.example.com.evil.com",
    "https://evil.com/https://app.example.com",
    "https://xapp.example.com",
    "https://app.example.com:8443",
    "https://app.example.com@evil.com",
    "https://app.example.com%60.evil.com",
    "http://app.example.com",
    "https://appXexample.com",
    "https://app.example.com, https://evil.com",
    "file://",
]


@pytest.mark.parametrize("origin", STRANGE)
async def test_only_the_origin_itself_is_allowed(strict_api: Api, new_user: NewUser, origin: str) -> None:
    user = await new_user(strict_api)
    for answer in (
        await preflight(user.http, f"{API}/tasks", "POST", origin),
        await user.http.get(f"{API}/me", headers={"Origin": origin}),
    ):
        assert "access-control-allow-origin" not in answer.headers
        assert "access-control-allow-credentials" not in answer.headers


async def test_by_default_not_even_errors_and_preflights_speak_of_origins(anonymous: httpx.AsyncClient) -> None:
    for origin in (ORIGIN, "null"):
        for answer in (
            await preflight(anonymous, f"{API}/tasks", "POST", origin),
            await anonymous.get(f"{API}/me", headers={"Origin": origin}),
        ):
            assert not any(name.startswith("access-control") for name in answer.headers)


async def test_everybodys_origin_comes_without_credentials(
    http_settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """With `*` any page may ask, but no browser lends it what it holds for us; we set no cookies anyway."""
    log = tmp_path_factory.mktemp("open") / "api.log"
    with serving(http_settings, log, {"CORS_ORIGINS": "*"}) as api:
        async with client_of(api) as client:
            for answer in (
                await client.get(f"{API}/modes", headers={"Origin": "https://any.example.org"}),
                await preflight(client, f"{API}/tasks", "POST", "https://any.example.org"),
            ):
                assert answer.headers["access-control-allow-origin"] == "*"
                assert "access-control-allow-credentials" not in answer.headers
                assert "set-cookie" not in answer.headers
