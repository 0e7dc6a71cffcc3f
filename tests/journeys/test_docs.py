"""/docs in a browser: what it offers to try succeeds as it stands, once a photo was uploaded there."""

from pathlib import Path

import msgspec
from playwright.async_api import Browser, Locator, Page

from schema.models.edits import Mode
from service.accounts.users import create_user
from service.database import Connection
from service.http.openapi.edits import EXAMPLES
from service.settings import Settings
from tests.journeys.browsing import browser, needs_chromium, open_page
from tests.service.http.serving import API, PHOTO, serving

__all__ = ["browser"]
pytestmark = needs_chromium


async def opened(page: Page, operation: str) -> Locator:
    """An operation, opened and ready to be tried."""
    block = page.locator(f"#operations-{operation}")
    await block.locator(".opblock-summary-control").first.click()
    await block.locator(".try-out__btn").click()
    return block


async def executed(page: Page, block: Locator, path: str) -> int:
    """The status that trying it gets."""
    async with page.expect_response(lambda answer: answer.url.endswith(path)) as answer:
        await block.locator("button.execute").click()
    return (await answer.value).status


async def test_every_example_succeeds_as_it_stands(
    browser: Browser, settings: Settings, connection: Connection, tmp_path: Path
) -> None:
    made = await create_user(connection, "app@example.com", credits_=1000)
    with serving(settings, tmp_path / "api.log") as api:
        page = await open_page(browser)
        await page.goto(f"{api.base_url}/docs")
        await page.click("button.authorize")
        await page.locator(".auth-container input").first.fill(made.api_key)
        await page.locator(".auth-btn-wrapper button.authorize").first.click()
        await page.locator(".auth-btn-wrapper button.btn-done").first.click()
        create = await opened(page, "Tasks-create_task")
        assert await executed(page, create, f"{API}/tasks") == 404
        upload = await opened(page, "Files-upload")
        photo = {"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": PHOTO}
        await upload.locator("input[type=file]").set_input_files(photo)  # pyright: ignore[reportArgumentType]
        assert await executed(page, upload, f"{API}/uploads") == 201
        for name in EXAMPLES:
            await create.locator(".opblock-section-request-body .examples-select select").select_option(name)
            prefilled = await create.locator("textarea.body-param__text").input_value()
            assert msgspec.json.decode(prefilled)["mode"] == EXAMPLES[name]["mode"]
            assert await executed(page, create, f"{API}/tasks") == 201, prefilled
    modes = await connection.fetch("SELECT DISTINCT mode FROM tasks")
    assert {mode for (mode,) in modes} == set(Mode)
