"""/docs in a browser: they work under their policy, and what they offer to try succeeds once a photo was uploaded."""

from pathlib import Path

import msgspec
from playwright.async_api import Browser, ConsoleMessage, Locator, Page, Request

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


async def test_they_work_under_the_policy_they_are_sent_with_and_every_example_succeeds_as_it_stands(
    browser: Browser, settings: Settings, connection: Connection, tmp_path: Path
) -> None:
    made = await create_user(connection, "app@example.com", credits_=1000)
    with serving(settings, tmp_path / "api.log") as api:
        page = await open_page(browser)
        complaints: list[str] = []

        def heard(message: ConsoleMessage) -> None:
            if message.type in {"error", "warning"}:
                complaints.append(message.text)

        def failed(request: Request) -> None:
            complaints.append(f"failed: {request.url}")

        page.on("console", heard)
        page.on("requestfailed", failed)
        await page.goto(f"{api.base_url}/docs")
        modes = await opened(page, "Modes-list_modes")
        assert await executed(page, modes, f"{API}/modes") == 200
        await modes.locator(".live-responses-table").wait_for()
        assert "HEAD_SWAP" in await modes.locator(".live-responses-table").inner_text()
        assert complaints == []
        await modes.locator(".opblock-summary-control").first.click()
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
    asked = await connection.fetch("SELECT DISTINCT mode FROM tasks")
    assert {mode for (mode,) in asked} == set(Mode)
