"""A Darkroom whose page is looked at: the API, Chromium, and a worker whose engine does as a test tells it."""

import asyncio
import io
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any, Literal

from msgspec import Struct
from PIL import Image
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from actors.bench import Bench, Limits
from actors.editor import Editor
from actors.engines.seam import Artifact, EditRequest, Finished
from schema.models.edits import Mode
from service.accounts.users import create_user
from service.database import Pool, open_pool
from service.embedded.servers import EmbeddedServers
from service.files.storage import Storage
from service.http.pictures import AFTER, BEFORE, DIRECTORY, picture_name
from service.queue import Queue
from service.settings import Settings
from service.tasks.dispatch import Dispatcher
from service.tasks.watching import Changes
from service.tasks.workers import see_worker
from tests.actors.scripted import FakeEngine, Step
from tests.databases import create, drop, url_of_database
from tests.journeys.browsing import CHROMIUM, FLAGS, PATIENCE
from tests.keys import KEYS
from tests.service.http.serving import serving

REDIS_DATABASE = 3
FORGOTTEN = "DELETE FROM tasks WHERE status = 'pending' AND user_id = $1"
WAITING = "SELECT task_id FROM tasks WHERE status = 'pending' AND user_id = $1 ORDER BY created_at"
SIZE = (560, 700)
DESK: dict[str, Any] = {"viewport": {"width": 1280, "height": 860}, "locale": "en-GB", "reduced_motion": "reduce"}


def example(mode: Mode, what: str) -> bytes:
    """A picture of a mode's example, as a JPEG: what the engine made of a sample photo, and the photo."""
    with Image.open(DIRECTORY / f"{picture_name(mode, what)}.webp") as picture:
        written = io.BytesIO()
        picture.convert("RGB").resize(SIZE).save(written, "JPEG", quality=88)
    return written.getvalue()


PHOTOS = {mode: example(mode, BEFORE) for mode in Mode}
RESULTS = {mode: example(mode, AFTER) for mode in Mode}


def _drawing(kind: Literal["output", "thumbnail"]) -> Step:
    async def draw(request: EditRequest) -> Artifact:
        path = request.workspace / f"{kind}.jpg"
        path.write_bytes(RESULTS[request.mode])
        return Artifact(kind, path, "image/jpeg", *SIZE)

    return draw


def made() -> tuple[Step, ...]:
    """The end of a script that works."""
    metadata: dict[str, Any] = {"width": SIZE[0], "height": SIZE[1], "format": "JPEG", "engine": "fake", "warnings": []}
    return _drawing("output"), _drawing("thumbnail"), Finished(metadata)


class Gate:
    """A step of a script that waits for the test."""

    def __init__(self) -> None:
        self._open = asyncio.Event()

    async def __call__(self, _: EditRequest) -> None:
        await self._open.wait()

    def open(self) -> None:
        self._open.set()


class Visitor(Struct, frozen=True):
    """Somebody with an account, and their browser."""

    user_id: str
    api_key: str
    context: BrowserContext
    page: Page
    complaints: list[str]
    """What the browser's console said, and what wasn't caught."""


class Darkroom(Struct, frozen=True):
    """What is running."""

    base_url: str
    pool: Pool
    browser: Browser
    engine: FakeEngine
    editor: Editor

    @asynccontextmanager
    async def visitor(self, *, signed_in: bool = True, **context: Any) -> AsyncGenerator[Visitor]:
        """A new user in a browser of their own, with the page open."""
        async with self.pool.acquire() as connection:
            user = await create_user(connection, f"{token_hex(6)}@example.com", credits_=10_000)
            # Without a worker nobody knows of places in line.
            await see_worker(connection, "worker", slots=1, modes=[*Mode])
        opened = await self.browser.new_context(base_url=self.base_url, **DESK | context)
        opened.set_default_timeout(PATIENCE)
        page = await opened.new_page()
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if "Content Security" in said.text else None)
        if signed_in:
            answer = await opened.request.post("/api/v1/session", data={"token": user.api_key})
            assert answer.status == 201, await answer.text()
            # A stream that opens later sends again what a test has broken off.
            async with page.expect_response("**/api/v1/tasks/events*"):
                await page.goto("/")
        else:
            await page.goto("/")
        yield Visitor(user.user_id, user.api_key, opened, page, complaints)
        await opened.close()
        # Whoever comes next is neither behind what is left waiting, nor is that claimed in place of theirs.
        await self.pool.execute(FORGOTTEN, user.user_id)
        assert complaints == []

    async def work(self, visitor: Visitor, *script: Step) -> None:
        """Do what waits of theirs, as the script says."""
        self.engine.script = script
        for (task_id,) in await self.pool.fetch(WAITING, visitor.user_id):
            await self.editor.take(task_id)

    async def working(self, visitor: Visitor, gate: Gate, *script: Step) -> Callable[[], Awaitable[None]]:
        """Begin to, until the gate; what is answered opens that and waits for the end."""
        doing = asyncio.create_task(self.work(visitor, *script))

        async def finish() -> None:
            gate.open()
            await doing

        return finish


@asynccontextmanager
async def darkroom(servers: EmbeddedServers, template: str, directory: Path) -> AsyncGenerator[Darkroom]:
    """One for all tests of a module."""
    name = f"page_{token_hex(6)}"
    settings = Settings(
        database_url=await create(servers.database_url, name, template),
        redis_url=url_of_database(servers.redis_url, str(REDIS_DATABASE)),
        storage_url=(directory / "files").as_uri(),
        secret_keys=("a secret key for the tests of the page alone",),
    )
    (directory / "workspaces").mkdir()
    storage = Storage.made(settings.storage_url)
    with serving(settings, directory / "api.log", {"RATE_LIMIT_PER_MINUTE": "0"}) as api:
        async with async_playwright() as playwright:
            pool, queue = await open_pool(settings), Queue(settings.redis_url, KEYS)
            dispatcher = Dispatcher(pool, queue)
            await dispatcher.start()
            engine = FakeEngine()
            bench = Bench(
                pool=pool,
                storage=storage,
                changes=Changes(dispatcher),
                limits=Limits(timeout_seconds=60, max_attempts=3, max_pixels=10_000_000),
                workspaces=directory / "workspaces",
                stopping=asyncio.Event(),
            )
            editor = Editor(bench, dispatcher, [dict.fromkeys(Mode, engine)], worker_id="worker")
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=PATIENCE)
            yield Darkroom(api.base_url, pool, browser, engine, editor)
            await browser.close()
            await editor.close()
            await dispatcher.close()
            await queue.close()
            await pool.close()
    await drop(servers.database_url, name)


async def add_photos(page: Page, *photos: bytes) -> None:
    """Choose photos as a person does, and wait until they are sent."""
    files: Any = [
        {"name": f"photo{number}.jpg", "mimeType": "image/jpeg", "buffer": photo} for number, photo in enumerate(photos)
    ]
    await page.locator(".photos input[multiple]").set_input_files(files)
    await expect(page.locator(".photo")).to_have_count(len(photos))
    await expect(page.locator(".press button")).to_be_enabled()


async def make(page: Page) -> None:
    """Press the button, and see the new picture appear."""
    before = await page.locator(".card").count()
    await page.locator(".press button").click()
    await expect(page.locator(".card")).not_to_have_count(before)
