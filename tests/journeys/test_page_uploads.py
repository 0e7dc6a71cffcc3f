"""One's own photos on the page: what was sent is seen, used again and deleted, and room is made for the next."""

from typing import Any

import pytest
from playwright.async_api import Locator, Page, Route, expect

from tests.journeys.browsing import needs_chromium, violations
from tests.journeys.darkroom_page import Darkroom, Visitor, add_photos, made, make
from tests.journeys.test_page import NOBODY, PHONE, PORTRAIT, card, focus, house, wider
from tests.npm import npm
from tests.service.http.pictures import picture

__all__ = ["house"]
pytestmark = [needs_chromium, pytest.mark.asyncio(loop_scope="module")]

KEPT = "SELECT filename FROM files WHERE user_id = $1 AND task_id IS NULL ORDER BY uploaded_at DESC, file_id DESC"
FULL = "UPDATE stored_bytes SET bytes = 1073741824 WHERE user_id = $1"
LIST = "**/api/v1/files?*"
SMALL: dict[str, Any] = PHONE | {"viewport": {"width": 320, "height": 640}}


async def kept(house: Darkroom, visitor: Visitor) -> list[str]:
    """The names of their photos on the server, newest first."""
    return [name for (name,) in await house.pool.fetch(KEPT, visitor.user_id)]


async def upload(visitor: Visitor, *names: str, content: bytes = PORTRAIT, kind: str = "image/jpeg") -> None:
    """As another client of theirs does."""
    headers = {"Authorization": f"Bearer {visitor.api_key}"}
    for name in names:
        file: Any = {"name": name, "mimeType": kind, "buffer": content}
        answer = await visitor.context.request.post("/api/v1/uploads", headers=headers, multipart={"file": file})
        assert answer.status == 201, await answer.text()


async def open_photos(page: Page) -> Locator:
    await page.get_by_role("button", name="Photos", exact=True).click()
    dialog = page.get_by_role("dialog", name="Your photos")
    await expect(dialog).to_be_visible()
    return dialog


async def delete(dialog: Locator, name: str) -> None:
    await dialog.get_by_role("button", name=f"Delete {name}", exact=True).click()
    await dialog.get_by_role("button", name=f"Delete for good? {name}", exact=True).click()


async def test_what_was_sent_is_listed_and_deleted_without_what_was_made_of_it(house: Darkroom) -> None:
    async with house.visitor() as visitor:
        page = visitor.page
        await upload(visitor, "from a phone.heic", content=picture("HEIC"), kind="image/heic")
        await add_photos(page, PORTRAIT)
        await make(page)
        await house.work(visitor, *made())
        await expect(card(page, "done")).to_be_visible()
        await add_photos(page, PORTRAIT)
        dialog = await open_photos(page)
        rows = dialog.locator("li")
        await expect(rows).to_have_count(3)
        await expect(rows.nth(0)).to_contain_text("photo0.jpg")
        await expect(rows.nth(0)).to_contain_text(f"{-(-len(PORTRAIT) // 1000)} kB")
        await expect(rows.nth(0).locator("img")).to_have_attribute("data-there", "true")
        # What the browser can't show has its name.
        await expect(rows.nth(2)).to_contain_text("from a phone.heic")
        # The newest is in the form: it goes from there as well.
        await rows.nth(0).get_by_role("button", name="Delete").click()
        assert len(await kept(house, visitor)) == 3
        await rows.nth(0).get_by_role("button", name="Delete for good?").click()
        await expect(rows).to_have_count(2)
        await delete(dialog, "photo0.jpg")
        await expect(rows).to_have_count(1)
        assert await kept(house, visitor) == ["from a phone.heic"]
        await delete(dialog, "from a phone.heic")
        await expect(dialog).to_contain_text("No photo of yours is kept here.")
        assert await kept(house, visitor) == []
        await page.keyboard.press("Escape")
        await expect(page.locator(".photo")).to_have_count(0)
        # The picture stays, alone; it isn't offered to be made of a photo that is gone.
        await card(page, "done").locator("button").click()
        await expect(page.locator(".stage img")).to_have_count(1)
        await expect(page.get_by_role("button", name="Use again")).to_be_disabled()


async def test_a_photo_that_a_waiting_edit_uses_stays_and_says_why(house: Darkroom) -> None:
    async with house.visitor() as visitor:
        page = visitor.page
        await add_photos(page, PORTRAIT)
        await make(page)
        dialog = await open_photos(page)
        await delete(dialog, "photo0.jpg")
        await expect(dialog.get_by_role("alert")).to_contain_text("A task that hasn't ended uses this file.")
        await expect(dialog.get_by_role("button", name="Delete photo0.jpg", exact=True)).to_be_visible()
        assert await kept(house, visitor) == ["photo0.jpg"]
        await house.work(visitor, NOBODY)
        await delete(dialog, "photo0.jpg")
        await expect(dialog.locator("li")).to_have_count(0)
        assert await kept(house, visitor) == []


async def test_a_full_storage_leads_to_the_photos_and_takes_the_next_once_there_is_room(house: Darkroom) -> None:
    async with house.visitor(**SMALL) as visitor:
        page, way = visitor.page, visitor.page.locator(".photo").get_by_role("button", name="Your photos")
        await upload(visitor, "old.jpg")
        await house.pool.execute(FULL, visitor.user_id)
        photo: Any = {"name": "new.jpg", "mimeType": "image/jpeg", "buffer": PORTRAIT}
        await page.locator(".looks input[type=file]").set_input_files(photo)
        await expect(page.locator(".looks").get_by_role("button", name="Your photos")).to_be_visible()
        await page.locator(".photos input[multiple]").set_input_files([photo, photo])
        await expect(page.locator(".photo", has_text="There is no room left")).to_have_count(2)
        assert await wider(page) == 0
        for button in await page.locator(":is(.photo figcaption, .looks) button").all():
            assert await button.evaluate("(one) => one.scrollWidth <= one.clientWidth")
        await way.first.click()
        dialog = page.get_by_role("dialog", name="Your photos")
        await delete(dialog, "old.jpg")
        await expect(dialog).to_contain_text("No photo of yours is kept here.")
        await page.keyboard.press("Escape")
        await expect(way.first).to_be_focused()
        await page.locator(".photo").first.get_by_role("button", name="Try again").click()
        await expect(page.locator(".photo figcaption")).to_have_count(1)
        assert await kept(house, visitor) == ["new.jpg"]


async def test_more_is_listed_past_all_that_was_made_and_is_used_again(house: Darkroom) -> None:
    async with house.visitor() as visitor:
        page = visitor.page
        await upload(visitor, "first.jpg")
        await house.pool.execute(MADE_SINCE, visitor.user_id)
        await upload(visitor, "last.jpg")
        asked: list[str] = []

        async def count(route: Route) -> None:
            asked.append(route.request.url)
            if len(asked) == 1:
                await route.abort()
            else:
                await route.continue_()

        await page.route(LIST, count)
        dialog = await open_photos(page)
        await expect(dialog.get_by_role("alert")).to_contain_text("can't be reached")
        await dialog.get_by_role("button", name="Try again").click()
        await expect(dialog.locator("li")).to_have_count(1)
        await dialog.get_by_role("button", name="Show more").dblclick()
        await expect(dialog.locator("li")).to_have_count(2)
        await expect(dialog.get_by_role("button", name="Show more")).to_have_count(0)
        assert len(asked) == 4
        await dialog.get_by_role("button", name="Use first.jpg").click()
        await expect(dialog).to_have_count(0)
        await expect(page.locator(".photo img")).to_have_attribute("data-there", "true")
        await expect(page.locator("#photos-heading")).to_be_focused()
        await make(page)
        await page.unroute_all(behavior="ignoreErrors")


MADE_SINCE = """
INSERT INTO files (file_id, user_id, task_id, purpose, filename, blob_key, sha256, content_type, size, width, height)
SELECT 'file_' || lpad(n::text, 26, '0'), user_id, 'task', 'output', 'made.jpg', 'made/' || n, sha256, content_type,
       1, 1, 1
  FROM files, generate_series(1, 150) AS n WHERE user_id = $1
"""


async def test_by_keyboard_the_focus_goes_on_to_the_next_photo_and_each_deletion_is_told(house: Darkroom) -> None:
    async with house.visitor() as visitor:
        page = visitor.page
        await upload(visitor, "a.jpg", "b.jpg", "c.jpg")
        await focus(page, ".top button:nth-of-type(2)")
        await page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog", name="Your photos")
        await expect(dialog.locator("li")).to_have_count(3)
        await focus(page, "[aria-label='Delete b.jpg']")
        for deleted, nearest in (("b.jpg", "Delete a.jpg"), ("a.jpg", "Delete c.jpg")):
            await page.keyboard.press("Enter")
            await expect(dialog.get_by_role("button", name=f"Delete for good? {deleted}")).to_be_focused()
            await page.keyboard.press("Enter")
            await expect(dialog.get_by_role("status")).to_have_text(f"{deleted}: Deleted.")
            await expect(dialog.get_by_role("button", name=nearest, exact=True)).to_be_focused()
        # Whoever goes on elsewhere isn't asked any more.
        await page.keyboard.press("Enter")
        await page.keyboard.press("Shift+Tab")
        await expect(dialog.get_by_role("button", name="Delete c.jpg", exact=True)).to_be_visible()
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await page.keyboard.press("Enter")
        await expect(dialog.get_by_role("heading", name="Your photos")).to_be_focused()
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("button", name="Photos", exact=True)).to_be_focused()
        assert await kept(house, visitor) == []


async def test_on_a_phone_at_night_in_both_languages_and_for_screen_readers(house: Darkroom) -> None:
    npm()
    contexts: list[dict[str, Any]] = [{"color_scheme": "light"}, SMALL | {"color_scheme": "dark"}]
    for context in contexts:
        async with house.visitor(**context) as visitor:
            page = visitor.page
            await upload(
                visitor, "a photo with quite a long name, as telephones and cameras give them.jpg", "short.jpg"
            )
            dialog = await open_photos(page)
            await expect(dialog.locator("img[data-there=true]")).to_have_count(2)
            assert await violations(page) == []
            assert await wider(page) == 0
            assert await dialog.evaluate("(dialog) => dialog.scrollWidth <= dialog.clientWidth")
            await page.keyboard.press("Escape")
            await page.get_by_role("button", name="中文").click()
            await page.get_by_role("button", name="照片", exact=True).click()
            await expect(page.get_by_role("dialog", name="我的照片")).to_contain_text("删除照片后")
            await page.get_by_role("button", name="删除 short.jpg").click()
            await page.get_by_role("button", name="确定永久删除").click()
            await expect(page.get_by_role("dialog").get_by_role("status")).to_have_text("short.jpg: 已删除。")
            assert await wider(page) == 0


async def test_the_head_of_the_page_is_one_line_however_narrow_it_is(house: Darkroom) -> None:
    async with house.visitor() as visitor:
        page = visitor.page
        await page.locator(".top .button").first.evaluate("(button) => (button.textContent = '1,000,000 credits')")
        for width in (320, 360, 384, 385, 414, 450, 512, 513):
            await page.set_viewport_size({"width": width, "height": 640})
            assert await wider(page) == 0, width
            assert await page.locator(".top").evaluate("(top) => top.clientHeight") == 64, width
