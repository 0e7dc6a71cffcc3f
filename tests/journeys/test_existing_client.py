"""The web client that was there before works unchanged: its calls, one by one, in a real browser."""

import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import jwt
import pytest
from playwright.async_api import Browser, Page

from schema.models.edits import REFERENCE_FIELDS, Mode
from service.accounts.users import create_user
from service.database import Connection
from service.settings import Settings
from tests.journeys.browsing import PATIENCE, browser, needs_chromium
from tests.journeys.existing_client.proxy import one_origin
from tests.quick_matte import quick_salience
from tests.running import running_api, running_worker

SAMPLES = Path(__file__).parents[2] / "samples"
POLL_MILLISECONDS = 200
"""A tenth of what the client takes its time for."""
MAX_UPLOAD_BYTES = 500_000

RICH, POOR, STRANGER = "anna@example.com", "bob@example.com", "eve@example.com"
EDITS = {
    Mode.BACKGROUND_CHANGE: ("hopper.jpg", "background_china.jpg", {"background_type": "custom"}),
    Mode.HEAD_SWAP: ("astronaut.jpg", "hopper.jpg", {"blend_strength": 0.8}),
    Mode.POSE_CHANGE: ("man_arms_out.jpg", "figure_arms_raised.jpg", {"preserve_face": True}),
}
"""Source, reference and what else the client sends."""

__all__ = ["browser"]
pytestmark = needs_chromium

Task = dict[str, Any]


class Client:
    """The old client's page, and what a user does on it."""

    def __init__(self, page: Page) -> None:
        self.page = page

    async def call(self, name: str, *arguments: Any) -> Any:
        """One of the page's own functions; its answer."""
        return await self.page.evaluate(f"(given) => client.{name}(...given)", list(arguments))

    async def upload(self, path: Path) -> dict[str, Any]:
        await self.page.set_input_files("#file", path)
        return await self.call("upload")

    async def message(self) -> str:
        """What the page shows as an error."""
        return await self.page.inner_text("#message")


def old_token(settings: Settings, user_id: str, email: str, key: str | None = None) -> str:
    """As the sign-in service issues them."""
    claims = {"sub": user_id, "email": email, "exp": datetime.now(UTC) + timedelta(hours=2)}
    return jwt.encode(claims, key or settings.secret_keys[0], algorithm="HS256")


@pytest.fixture
async def origin(settings: Settings, connection: Connection) -> AsyncGenerator[str]:
    """The page and Darkroom's API on one origin, with a rich user and a poor one."""
    tokens = {STRANGER: old_token(settings, "usr_eve", STRANGER, "somebody else's key, as long as ours is")}
    for email, credits_ in ((RICH, 10_000), (POOR, 10)):
        user = await create_user(connection, email, credits_=credits_, user_id=str(uuid.uuid4()))
        tokens[email] = old_token(settings, user.user_id, email)
    extra = {"MAX_UPLOAD_BYTES": str(MAX_UPLOAD_BYTES)}
    with running_api(settings, extra) as base_url, one_origin(base_url, tokens) as url:
        yield url


@asynccontextmanager
async def opened(browser: Browser, origin: str, email: str | None) -> AsyncGenerator[Client]:
    """The page, in a context of its own; nothing may go wrong in its script."""
    context = await browser.new_context()
    context.set_default_timeout(PATIENCE)
    page = await context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    await page.goto(origin)
    client = Client(page)
    if email is not None:
        await client.call("signIn", email)
    yield client
    assert errors == []
    await context.close()


async def create_everything(client: Client) -> dict[Mode, list[Task]]:
    """A task of each mode under each of its names for the reference, which stands in `config` alone."""
    created: dict[Mode, list[Task]] = {}
    for mode, (source, reference, options) in EDITS.items():
        source_id = (await client.upload(SAMPLES / source))["file_id"]
        reference_id = (await client.upload(SAMPLES / reference))["file_id"]
        for alias in REFERENCE_FIELDS[mode]:
            config = {"quality": "standard", "size": "small", alias: reference_id, **options}
            task = await client.call("create", mode.value, source_id, config)
            assert "failed" not in task, task
            assert task["status"] == "pending"
            assert task["source_image"] == source_id
            assert task["reference_image"] == reference_id
            created.setdefault(mode, []).append(task)
    return created


async def test_it_edits_and_shows_photos(origin: str, settings: Settings, browser: Browser, tmp_path: Path) -> None:
    async with opened(browser, origin, RICH) as client:
        created = await create_everything(client)
        kept = {mode: tasks.pop() for mode, tasks in created.items()}
        given_up = [task for tasks in created.values() for task in tasks]
        for task in given_up:
            cancelled = await client.call("cancel", task["task_id"])
            assert cancelled["status"] == "cancelled"
            assert cancelled["credits_refunded"] == task["credits_consumed"]
        with running_worker(settings, quick_salience(tmp_path)):
            done = [await see_it_done(client, task) for task in kept.values()]
        too_late = await client.call("cancel", done[0]["task_id"])
        await expect_failure(client, too_late, 409, "TASK_NOT_CANCELLABLE")
        await list_them(client, [task["task_id"] for task in done], len(given_up))
        pictures = [task["result"][name] for task in done for name in ("thumbnail", "output_image", "comparison_image")]
        pictures += await look_back(client, len(done) + len(given_up))
        await show(client, pictures)
    # Nothing of the client's is needed to see them: no token, no cookie, no cache.
    async with opened(browser, origin, None) as anybody:
        await show(anybody, pictures)


async def see_it_done(client: Client, task: Task) -> Task:
    seen = cast("list[Task]", await client.call("poll", task["task_id"], POLL_MILLISECONDS))
    done = seen[-1]
    assert done["status"] == "done", done["error"]
    assert [state["progress"] for state in seen] == sorted(state["progress"] for state in seen)
    assert done["progress"] == 100
    await client.call("render", [done])
    text = await client.page.inner_text("#tasks")
    assert text == f"{done['mode']} done 100% {done['created_at'][:4]} {done['processing_time']:.1f} s"
    return done


async def list_them(client: Client, done: list[str], cancelled: int) -> None:
    """Page by page, by status and by mode, in the client's own words."""
    total = len(done) + cancelled
    first = await client.call("list", {"status": "all", "mode": "all", "page": 1, "page_size": 4})
    second = await client.call("list", {"status": "all", "mode": "all", "page": 2, "page_size": 4})
    assert first["pagination"]["total"] == second["pagination"]["total"] == total
    assert first["pagination"]["total_pages"] == -(-total // 4)
    ids = [task["task_id"] for task in first["tasks"] + second["tasks"]]
    assert len(set(ids)) == len(ids) == 8
    listed = await client.call("list", {"status": "done", "page": 1, "page_size": 100})
    assert {task["task_id"] for task in listed["tasks"]} == set(done)
    of_mode = await client.call("list", {"mode": "POSE_CHANGE", "status": "cancelled", "page": 1, "page_size": 20})
    assert [(task["mode"], task["status"]) for task in of_mode["tasks"]] == [("POSE_CHANGE", "cancelled")] * 2
    await client.call("render", first["tasks"])
    assert await client.page.locator("#tasks li").count() == 4


async def look_back(client: Client, total: int) -> list[str]:
    """The inputs' pictures from the history."""
    history = await client.call("history", {"page": 1, "page_size": 20})
    assert history["pagination"]["total"] == len(history["tasks"]) == total
    return sorted({task[name] for task in history["tasks"] for name in ("face_image_url", "target_image_url")})


async def show(client: Client, pictures: list[str]) -> None:
    for path in pictures:
        assert path.startswith("/")
        assert await client.call("show", path) > 0, path
    assert await client.call("show", "/api/v1/files/file_missing") == 0


async def test_it_shows_what_went_wrong(origin: str, browser: Browser, tmp_path: Path) -> None:
    async with opened(browser, origin, RICH) as client:
        photo = (await client.upload(SAMPLES / "hopper.jpg"))["file_id"]
        task = await client.call("create", "BACKGROUND_CHANGE", photo, {})
        await client.call("cancel", task["task_id"])
        assert await client.message() == ""

        await expect_failure(client, await client.call("get", "task_1764915114_a1b2c3"), 404, "TASK_NOT_FOUND")
        await expect_failure(client, await client.call("create", "HEAD_SWAP", "file_none", {}), 404, "FILE_NOT_FOUND")
        await expect_failure(client, await client.call("create", "ENLARGE", photo, {}), 400, "INVALID_REQUEST")

        text = tmp_path / "letter.jpg"
        text.write_text("Dear Darkroom, this is no picture.")
        await expect_failure(client, await client.upload(text), 415, "INVALID_FILE_TYPE")
        large = tmp_path / "large.jpg"
        large.write_bytes((SAMPLES / "hopper.jpg").read_bytes().ljust(2 * MAX_UPLOAD_BYTES, b"\0"))
        await expect_failure(client, await client.upload(large), 413, "FILE_TOO_LARGE")
    async with opened(browser, origin, POOR) as client:
        assert await client.call("history", {"page": 1, "page_size": 20}) == await client.call(
            "list", {"status": "all"}
        )
        photo = (await client.upload(SAMPLES / "hopper.jpg"))["file_id"]
        refused = await client.call("create", "POSE_CHANGE", photo, {"quality": "high", "size": "large"})
        await expect_failure(client, refused, 402, "INSUFFICIENT_CREDITS")
        # 50 x 1.5 x 1.5, rounded up
        assert (refused["required"], refused["current"], refused["deficit"]) == (113, 10, 103)
        # Another user's is no more there than one that never was.
        await expect_failure(client, await client.call("get", task["task_id"]), 404, "TASK_NOT_FOUND")
    async with opened(browser, origin, STRANGER) as client:
        await expect_failure(client, await client.call("list", {"status": "all"}), 401, "UNAUTHORIZED")


async def expect_failure(client: Client, answer: dict[str, Any], status: int, code: str) -> None:
    """The client knows the status, and shows a sentence."""
    assert (answer["failed"], answer["code"]) == (status, code)
    assert answer["detail"] == await client.message()
    assert " " in answer["detail"]
