"""What only a browser shows: its cache between <img> and fetch(), and what it lets a page do."""

import http.server
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from playwright.async_api import Browser

from service.accounts.users import create_user
from service.database import Connection
from service.settings import Settings
from tests.journeys.browsing import browser, needs_chromium, open_page
from tests.running import free_port
from tests.service.http.serving import API, PHOTO, Api, User, client_of, serving

__all__ = ["browser"]
pytestmark = needs_chromium


@contextmanager
def page_at(port: int) -> Generator[str]:
    """An empty page on an origin of its own; the origin."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!DOCTYPE html><title>an app</title>")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
            del format, args

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.shutdown()
        server.server_close()


SHOW = """url => new Promise((fine, wrong) => {
    const image = new Image(); image.onload = () => fine(image.naturalWidth); image.onerror = wrong; image.src = url;
})"""


async def test_a_picture_that_was_shown_can_be_fetched(
    browser: Browser,
    settings: Settings,
    connection: Connection,
    tmp_path: Path,
) -> None:
    """The same signed URL, from the pages of an allowed origin: the browser gives fetch() what it cached for <img>."""
    made = await create_user(connection, "app@example.com", credits_=100)
    with page_at(free_port()) as origin, serving(settings, tmp_path / "api.log", {"CORS_ORIGINS": origin}) as api:
        url = api.base_url + await uploaded(api, made.user_id, made.api_key)
        page = await open_page(browser)
        await page.goto(origin)
        assert await page.evaluate(SHOW, url) > 0
        assert await page.evaluate("async url => (await fetch(url)).status", url) == 200
        assert await page.evaluate("async url => (await fetch(url, {method: 'HEAD'})).status", url) == 200
        asked = {"headers": {"Authorization": f"Bearer {made.api_key}", "If-None-Match": '"x"'}}
        preflighted = "async ([url, asked]) => (await fetch(url, asked)).status"
        assert await page.evaluate(preflighted, [f"{api.base_url}{API}/me", asked]) == 200


async def test_a_picture_is_shown_by_pages_of_any_site(
    browser: Browser,
    settings: Settings,
    connection: Connection,
    tmp_path: Path,
) -> None:
    made = await create_user(connection, "app@example.com", credits_=100)
    with page_at(free_port()) as origin, serving(settings, tmp_path / "api.log") as api:
        url = api.base_url + await uploaded(api, made.user_id, made.api_key)
        page = await open_page(browser)
        # Another site than 127.0.0.1.
        await page.goto(origin.replace("127.0.0.1", "localhost"))
        assert await page.evaluate(SHOW, url) > 0


async def uploaded(api: Api, user_id: str, api_key: str) -> str:
    """The signed path of a photo of theirs."""
    async with client_of(api, api_key) as client:
        return str((await User(user_id, api_key, client).upload(PHOTO)).json()["url"])
