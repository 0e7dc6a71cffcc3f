"""The page for users, in Chromium: what a person does there from the sign-in to the picture, and what may go wrong."""

import asyncio
import os
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, Route, expect

from actors.engines.seam import EngineError, Progress
from schema.models.edits import Mode
from schema.models.problems import FailureCode
from service.embedded.servers import EmbeddedServers
from tests.journeys.browsing import needs_chromium, violations
from tests.journeys.darkroom_page import PHOTOS, RESULTS, Darkroom, Gate, add_photos, darkroom, made, make
from tests.npm import npm
from tests.service.http.pictures import picture

pytestmark = [needs_chromium, pytest.mark.asyncio(loop_scope="module")]

SCREENSHOTS = os.environ.get("SCREENSHOTS")
"""Where pictures of the page go, for the documents: `SCREENSHOTS=docs/page make test T=tests/journeys/test_page.py`,
where a Chinese font is, or that language's own name is boxes."""

HAIR = Progress(70, "Cutting out the hair")
NOBODY = EngineError(FailureCode.NO_PERSON_DETECTED, "Nobody was found in the photo. Send one that shows a person.")
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "has_touch": True,
    "is_mobile": True,
}
PORTRAIT = PHOTOS[Mode.BACKGROUND_CHANGE]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(
    servers: EmbeddedServers, template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Darkroom]:
    async with darkroom(servers, template, tmp_path_factory.mktemp("page")) as running:
        yield running


async def shoot(page: Page, name: str) -> None:
    """A picture for the documents, if they are asked for."""
    if SCREENSHOTS is not None:
        await page.screenshot(path=Path(SCREENSHOTS) / f"{name}.jpg", type="jpeg", quality=82)


def card(page: Page, status: str) -> Any:
    return page.locator(f".card[data-status={status}]").first


@pytest.mark.parametrize("mode", Mode)
async def test_a_photo_becomes_a_picture(house: Darkroom, mode: Mode) -> None:
    """Three clicks: the edit, the photo, the button; then before and after, and the picture itself."""
    async with house.visitor() as visitor:
        page = visitor.page
        await page.locator(f".mode:has(input[value={mode}])").click()
        await add_photos(page, PHOTOS[mode])
        if mode is Mode.BACKGROUND_CHANGE:
            await shoot(page, "page")
        price = int((await page.locator("#price strong").inner_text()).split()[0])
        await make(page)
        await expect(page.locator(".top .button").first).to_have_text(f"{10_000 - price:,} credits")
        gate = Gate()
        finish = await house.working(visitor, gate, HAIR, gate, *made())
        await expect(page.locator(".working")).to_contain_text("Cutting out the hair")
        await expect(page.locator(".working progress")).to_have_attribute("value", "70")
        await finish()
        await card(page, "done").locator("button").click()
        await expect(page.locator(".stage img[data-there=true]")).to_have_count(2)
        line = page.locator(".line")
        before = await line.get_attribute("style") or ""
        await page.locator(".stage input").focus()
        await page.keyboard.press("ArrowRight")
        await expect(line).not_to_have_attribute("style", before)
        box = await page.locator(".stage").bounding_box()
        assert box is not None
        await page.mouse.click(box["x"] + box["width"] / 4, box["y"] + box["height"] / 3)
        await expect(page.locator(".stage input")).to_have_value("25")
        await page.get_by_label("Zoom in").click()
        zoomed = await page.locator(".stage").bounding_box()
        assert zoomed is not None
        assert zoomed["width"] == pytest.approx(2 * box["width"], rel=0.01)
        async with page.expect_download() as download:
            await page.get_by_role("link", name="Download").click()
        assert (await (await download.value).path()).read_bytes() == RESULTS[mode]


async def test_a_refused_photo_says_why_and_gives_the_credits_back(house: Darkroom) -> None:
    async with house.visitor() as visitor:
        page = visitor.page
        await add_photos(page, PORTRAIT)
        await make(page)
        await house.work(visitor, NOBODY)
        await card(page, "failed").locator("button").click()
        viewer = page.locator("dialog.viewer")
        await expect(viewer.locator("img[data-there=true]")).to_be_visible()
        await expect(viewer).to_contain_text(NOBODY.message)
        await expect(viewer).to_contain_text("credits are back")
        await expect(viewer).to_contain_text("Best: one person")
        await expect(page.locator(".top .button").first).to_have_text("10,000 credits")
        await viewer.get_by_role("button", name="Try again").click()
        await expect(viewer).to_contain_text("Waiting")
        await house.work(visitor, *made())
        await expect(viewer.locator(".stage")).to_be_visible()
        await page.keyboard.press("Escape")
        # Where a press gives no focus, as in Safari, the question is taken back all the same.
        await card(page, "failed").locator("button").click()
        await viewer.get_by_role("button", name="Delete").evaluate("button => button.click()")
        await expect(viewer.get_by_role("button", name="Delete for good?")).to_be_visible()
        await viewer.locator(".close").focus()
        await expect(viewer.get_by_role("button", name="Delete", exact=True)).to_be_visible()
        await page.keyboard.press("Escape")
        # Deleted in another tab first, then here: it is gone, and nothing else.
        await page.evaluate(
            """async () => {
                const { tasks } = await (await fetch("/api/v1/tasks?status=failed")).json();
                await fetch(`/api/v1/tasks/${tasks[0].task_id}`, { method: "DELETE" });
            }"""
        )
        await card(page, "failed").locator("button").click()
        await viewer.get_by_role("button", name="Delete").click()
        await viewer.get_by_role("button", name="Delete for good?").click()
        await expect(card(page, "failed")).to_have_count(0)
        await expect(viewer).to_have_count(0)
        await expect(card(page, "done")).to_have_count(1)


async def test_what_waits_is_there_after_a_reload_and_can_be_cancelled(house: Darkroom) -> None:
    async with house.visitor() as visitor:
        page = visitor.page
        await page.locator(".looks label", has_text="Sunset").click()
        await add_photos(page, PORTRAIT)
        await page.reload()
        # The photo was sent: it is in the form still, and so is the look.
        await expect(page.locator(".photo")).to_have_count(1)
        await expect(page.locator(".looks label", has_text="Sunset").locator("input")).to_be_checked()
        await make(page)
        await page.reload()
        await card(page, "pending").locator("button").click()
        await page.get_by_role("button", name="Cancel").click()
        await expect(card(page, "cancelled")).to_be_attached()
        await expect(page.locator("dialog.viewer")).to_contain_text("credits are back")
        await page.get_by_role("button", name="Delete").click()
        await page.get_by_role("button", name="Delete for good?").click()
        await expect(page.locator(".card")).to_have_count(0)


async def test_who_is_signed_out_meanwhile_signs_in_again_and_goes_on(house: Darkroom) -> None:
    async with house.visitor() as visitor:
        page = visitor.page
        await add_photos(page, PORTRAIT)
        await visitor.context.clear_cookies()
        await page.locator(".press button").click()
        dialog = page.locator("dialog.small-dialog")
        await dialog.locator("input").fill("dk_wrong")
        await page.keyboard.press("Enter")
        await expect(dialog).to_contain_text("isn't valid")
        await dialog.locator("input").fill(visitor.api_key)
        await page.keyboard.press("Enter")
        await expect(dialog).to_have_count(0)
        await make(page)
        await house.work(visitor, *made())
        await expect(card(page, "done")).to_be_visible()


async def test_the_sign_in_stays_however_often_it_is_waved_away(house: Darkroom) -> None:
    async with house.visitor() as visitor:
        page, dialog = visitor.page, visitor.page.locator("dialog.small-dialog")
        await add_photos(page, PORTRAIT)
        await visitor.context.clear_cookies()
        await page.locator(".press button").click()
        await expect(dialog).to_be_visible()
        # Chromium asks once whether a dialog may be closed, and closes it then.
        for _ in range(4):
            await page.keyboard.press("Escape")
        await expect(dialog.locator("input")).to_be_focused()
        await dialog.locator("input").fill(visitor.api_key)
        await page.keyboard.press("Enter")
        await expect(dialog).to_have_count(0)


async def test_back_leaves_what_lies_over_the_page_and_forward_comes_again(house: Darkroom) -> None:
    async with house.visitor() as visitor:
        page, dialog = visitor.page, visitor.page.locator("dialog")
        await add_photos(page, PORTRAIT)
        await make(page)
        await house.work(visitor, NOBODY)
        for button in (card(page, "failed").locator("button"), page.get_by_role("button", name="credits")):
            await button.click()
            await expect(dialog).to_be_visible()
            await page.go_back()
            await expect(dialog).to_have_count(0)
            await expect(button).to_be_focused()
            await page.go_forward()
            await expect(dialog).to_be_visible()
            await page.keyboard.press("Escape")
            await page.wait_for_function("() => history.state === null")
            await expect(dialog).to_have_count(0)
        # What was closed is no place to go back to, whatever else was opened there.
        await card(page, "failed").locator("button").click()
        await dialog.get_by_role("button", name="Try again").click()
        await expect(dialog).to_contain_text("Waiting")
        await page.reload()
        await page.wait_for_function("() => history.state === null")
        await expect(card(page, "failed")).to_be_visible()
        await expect(dialog).to_have_count(0)
        await page.go_back()
        assert page.url == "about:blank"


async def test_another_tab_shows_nothing_of_whoever_was_signed_in_before(house: Darkroom) -> None:
    async with house.visitor() as visitor, house.visitor() as stranger:
        page, balance = visitor.page, visitor.page.locator(".top .button").first
        await add_photos(page, PORTRAIT)
        await make(page)
        await expect(balance).to_have_text("9,964 credits")
        await house.work(visitor, NOBODY)
        await expect(card(page, "failed")).to_be_visible()
        # Asked for later it would be the other's, and the page begin anew in the midst of what follows.
        await expect(balance).to_have_text("10,000 credits")
        other = await visitor.context.request.post("/api/v1/session", data={"token": stranger.api_key})
        assert other.status == 201
        await add_photos(page, PORTRAIT)
        await page.locator(".press button").click()
        await expect(card(page, "pending")).to_be_visible()
        await expect(page.locator(".card")).to_have_count(1)
        await page.locator(".card button").click()
        await page.get_by_role("button", name="Cancel").click()
        await expect(card(page, "cancelled")).to_be_attached()


async def test_a_page_that_back_brings_as_it_was_left_is_nobody_elses(house: Darkroom) -> None:
    """Chromium and Safari keep a page with its stream, but not for whoever drives them from outside."""
    async with house.visitor() as visitor, house.visitor() as stranger:
        page, balance = visitor.page, visitor.page.locator(".top .button").first
        await add_photos(page, PORTRAIT)
        await make(page)
        await expect(balance).to_have_text("9,964 credits")
        other = await visitor.context.request.post("/api/v1/session", data={"token": stranger.api_key})
        assert other.status == 201
        await page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
        await expect(balance).to_have_text("10,000 credits")
        await expect(page.locator(".card")).to_have_count(0)


async def test_a_browser_without_scripts_is_told_what_is_needed(house: Darkroom) -> None:
    async with house.visitor(signed_in=False, java_script_enabled=False) as bare, house.visitor() as visitor:
        await expect(bare.page.get_by_text("Darkroom needs JavaScript")).to_be_visible()
        await expect(visitor.page.get_by_text("Darkroom needs JavaScript")).to_be_hidden()


async def test_a_language_that_scripts_do_not_know_is_no_obstacle(house: Darkroom) -> None:
    """A browser takes its language from a system that may have none."""
    async with house.visitor() as visitor:
        page = visitor.page
        await page.add_init_script("Object.defineProperty(navigator, 'languages', { value: ['en-US@posix'] })")
        await page.reload()
        await expect(page.locator(".top .button").first).to_have_text("10,000 credits")


async def test_a_photo_that_was_not_taken_for_nothing_of_its_own_is_sent_again(house: Darkroom) -> None:
    """Once the server can be reached, by a press; by itself once whoever sent it is signed in again."""
    async with house.visitor() as visitor:
        page, photos = visitor.page, visitor.page.locator(".photos input[multiple]")
        photo: Any = {"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": PORTRAIT}
        await page.route("**/api/v1/uploads", lambda route: route.abort())
        await photos.set_input_files([photo])
        await expect(page.locator(".photo")).to_contain_text("can't be reached")
        await page.unroute_all(behavior="ignoreErrors")
        await page.get_by_role("button", name="Try again").click()
        await expect(page.locator(".press button")).to_be_enabled()
        await visitor.context.clear_cookies()
        await photos.set_input_files([photo])
        await page.locator("dialog.small-dialog input").fill(visitor.api_key)
        await page.keyboard.press("Enter")
        await expect(page.locator(".photo")).to_have_count(2)
        await expect(page.locator(".press button")).to_be_enabled()
        # The network comes back, and the stream never noticed that it was away.
        await visitor.context.set_offline(True)
        await photos.set_input_files([photo])
        await expect(page.locator(".photo")).to_have_count(3)
        await expect(page.locator(".photo .wrong")).to_contain_text("can't be reached")
        await visitor.context.set_offline(False)
        await expect(page.locator(".press button")).to_be_enabled()
        # What is wrong with the photo itself no repetition mends.
        await photos.set_input_files([photo | {"buffer": b"no picture"}])
        await expect(page.locator(".photo .wrong")).to_contain_text("isn't an image")
        await expect(page.locator(".photo .wrong button")).to_have_count(0)


async def test_a_slow_and_broken_network_is_waited_for_without_a_jump(house: Darkroom) -> None:
    async with house.visitor() as visitor:
        page = visitor.page
        await add_photos(page, PORTRAIT)
        await make(page)
        await house.work(visitor, *made())
        await expect(card(page, "done")).to_be_visible()
        failed: list[str] = []

        async def hinder(route: Route) -> None:
            if not failed and "/modes" in route.request.url:
                failed.append(route.request.url)
                await route.abort()
                return
            await asyncio.sleep(0.2)
            await route.continue_()

        await page.route("**/api/v1/**", hinder)
        await page.add_init_script(SHIFTS)
        await page.reload()
        await expect(page.locator(".trouble")).to_contain_text("can't be reached")
        await expect(page.locator(".frame img[data-there=true]")).to_be_visible()
        await expect(page.locator(".trouble")).to_have_count(0)
        assert await page.evaluate("shifts.filter((shift) => shift.from === 'IMG')") == []
        await page.unroute_all(behavior="ignoreErrors")


async def test_a_history_that_can_not_be_read_is_no_empty_one_and_asked_for_again(house: Darkroom) -> None:
    async with house.visitor() as visitor:
        page = visitor.page
        await expect(page.locator(".nothing")).to_be_visible()
        await page.route("**/api/v1/tasks/history*", lambda route: route.abort())
        await page.reload()
        await expect(page.locator(".trouble")).to_contain_text("can't be reached")
        await expect(page.locator(".gallery-head")).to_be_visible()
        await expect(page.locator(".nothing")).to_have_count(0)
        await page.unroute_all(behavior="ignoreErrors")
        await expect(page.locator(".nothing")).to_be_visible()
        await expect(page.locator(".trouble")).to_have_count(0)
        # Nor is one that a filter asks for; whoever asked for it asks again.
        await page.route("**/api/v1/tasks/history*", lambda route: route.abort())
        await page.locator(".gallery-head select").first.select_option("failed")
        await expect(page.locator(".more .trouble")).to_contain_text("can't be reached")
        await expect(page.locator(".nothing")).to_have_count(0)
        await page.unroute_all(behavior="ignoreErrors")
        await page.locator(".more .trouble button").click()
        await expect(page.locator(".nothing")).to_contain_text("with this filter")
        await expect(page.locator(".trouble")).to_have_count(0)


async def test_a_ledger_and_a_sign_out_that_come_to_nothing_say_so(house: Darkroom) -> None:
    async with house.visitor() as visitor:
        page, dialog = visitor.page, visitor.page.locator("dialog.small-dialog")
        for address, press, again in (("me/credits*", None, "Try again"), ("session", "Sign out", "Sign out")):
            await page.route(f"**/api/v1/{address}", lambda route: route.abort())
            button = dialog.get_by_role("button", name=press) if press else page.get_by_role("button", name="credits")
            await button.click()
            await expect(dialog.locator(".wrong")).to_contain_text("can't be reached")
            await page.unroute_all(behavior="ignoreErrors")
            await dialog.get_by_role("button", name=again).click()
            await expect(dialog.locator(".wrong")).to_have_count(0)
            await expect(page.locator(".ledger li")).to_have_count(0 if press else 1)
        await expect(page.locator("#key")).to_be_visible()


SHIFTS = """
window.shifts = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries())
    for (const source of entry.sources) shifts.push({ from: source.node?.nodeName, value: entry.value });
}).observe({ type: "layout-shift", buffered: true });
"""


SCROLLED = """
window.scrolled = [];
const scroll = Element.prototype.scrollIntoView;
Element.prototype.scrollIntoView = function (...how) {
  const before = scrollY;
  scroll.apply(this, how);
  scrolled.push(scrollY - before);
};
"""


async def test_who_wants_no_motion_is_led_to_the_pictures_at_once(house: Darkroom) -> None:
    async with house.visitor(viewport={"width": 1280, "height": 500}) as visitor:
        page = visitor.page
        await page.add_init_script(SCROLLED)
        await page.reload()
        await add_photos(page, PORTRAIT)
        await make(page)
        await house.work(visitor, NOBODY)
        await card(page, "failed").locator("button").click()
        await page.get_by_role("button", name="Use again").click()
        await page.wait_for_function("scrolled.length === 2")
        down, up = await page.evaluate("scrolled")
        assert down > 0 > up


async def test_several_photos_at_once(house: Darkroom) -> None:
    async with house.visitor() as visitor:
        page = visitor.page
        await add_photos(page, *PHOTOS.values())
        notes: Any = [{"name": "notes.txt", "mimeType": "text/plain", "buffer": b"no picture"}]
        await page.locator(".photos input[multiple]").set_input_files(notes)
        await expect(page.locator(".invitation .wrong")).to_contain_text("notes.txt: no picture")
        assert (await page.locator("#price strong").inner_text()) == "108 credits"
        await page.get_by_role("button", name="Make 3 pictures").click()
        await expect(page.locator(".card")).to_have_count(3)
        await expect(page.locator(".gallery")).to_contain_text("2 before it")
        batches = await house.pool.fetch("SELECT DISTINCT batch_id FROM tasks WHERE user_id = $1", visitor.user_id)
        assert len(batches) == 1
        await house.work(visitor, *made())
        await expect(page.locator(".card[data-status=done]")).to_have_count(3)
        await page.get_by_label("Filter by status").select_option("failed")
        await expect(page.locator(".card")).to_have_count(0)
        await page.get_by_label("Filter by status").select_option("done")
        await expect(page.locator(".frame img[data-there=true]")).to_have_count(3)
        await card(page, "done").locator("button").click()
        await page.get_by_role("button", name="Use again").click()
        await expect(page.locator(".photo")).to_have_count(1)
        await page.locator(".top .button").first.click()
        await expect(page.locator(".ledger li")).to_have_count(4)


async def test_a_photo_that_the_browser_cant_show_is_taken_all_the_same(house: Darkroom) -> None:
    """HEIC: the form shows its name, the viewer the result alone."""
    async with house.visitor() as visitor:
        page = visitor.page
        photo: Any = {"name": "from a phone.heic", "mimeType": "", "buffer": picture("HEIC")}
        await page.locator(".photos input[multiple]").set_input_files([photo])
        await expect(page.locator(".photo")).to_contain_text("from a phone.heic")
        await make(page)
        await house.work(visitor, *made())
        await card(page, "done").locator("button").click()
        stage = page.locator(".stage img")
        await expect(stage).to_have_count(1)
        await expect(stage).to_have_attribute("data-there", "true")
        # Without a photo beside it, it can be looked at closely all the same.
        width = await stage.evaluate("(image) => image.clientWidth")
        await page.get_by_label("Zoom in").click()
        assert await stage.evaluate("(image) => image.clientWidth") == pytest.approx(2 * width, abs=2)


async def test_on_a_phone_nothing_is_wider_than_the_screen(house: Darkroom) -> None:
    async with house.visitor(**PHONE, color_scheme="dark") as visitor:
        page = visitor.page
        await add_photos(page, PORTRAIT)
        assert await wider(page) == 0
        await shoot(page, "phone")
        # Safari draws no legend of a fieldset that scrolls.
        scrolling = "all => all.filter(one => getComputedStyle(one).overflow !== 'visible').length"
        assert await page.locator("fieldset").evaluate_all(scrolling) == 0
        await page.locator(".press button").tap()
        await expect(page.locator(".card")).to_have_count(1)
        await house.work(visitor, *made())
        await card(page, "done").locator("button").tap()
        await expect(page.locator(".stage")).to_be_visible()
        assert await wider(page) == 0


async def wider(page: Page) -> int:
    """Pixels by which the page could be scrolled sideways."""
    return await page.evaluate("document.documentElement.scrollWidth - innerWidth")


async def test_a_keyboard_is_enough(house: Darkroom) -> None:
    async with house.visitor() as visitor:
        page = visitor.page
        # So that the chooser is caught from now on: to say so as late as it opens may be too late.
        page.on("filechooser", lambda _: None)
        await focus(page, ".mode input:checked")
        await page.keyboard.press("ArrowLeft")
        await expect(page.locator(".mode input[value=HEAD_SWAP]")).to_be_checked()
        await focus(page, ".photos input[multiple]")
        async with page.expect_file_chooser() as chooser:
            await page.keyboard.press("Enter")
        photo: Any = {"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": PHOTOS[Mode.HEAD_SWAP]}
        await (await chooser.value).set_files([photo])
        await focus(page, ".looks input:checked")
        await page.keyboard.press("ArrowRight")
        await expect(page.locator(".press button")).to_be_enabled()
        await focus(page, ".press button")
        await page.keyboard.press("Enter")
        await expect(page.locator(".card")).to_have_count(1)
        await house.work(visitor, *made())
        await focus(page, ".card button")
        await page.keyboard.press("Enter")
        await expect(page.locator("dialog .stage")).to_be_visible()
        await focus(page, ".stage input")
        await page.keyboard.press("End")
        await expect(page.locator(".stage input")).to_have_value("100")
        await page.keyboard.press("Escape")
        await expect(page.locator("dialog")).to_have_count(0)
        await expect(page.locator(".card button")).to_be_focused()


async def focus(page: Page, selector: str) -> None:
    """By the tabulator alone."""
    for _ in range(60):
        await page.keyboard.press("Tab")
        if await page.evaluate("(selector) => document.activeElement?.matches(selector)", selector):
            return
    raise AssertionError(f"the tabulator doesn't lead to {selector}")


async def test_chinese_is_spoken_too(house: Darkroom) -> None:
    async with house.visitor(locale="zh-CN") as visitor:
        page = visitor.page
        await expect(page.get_by_role("heading", level=1)).to_contain_text("想改变什么")
        assert await page.evaluate("document.documentElement.lang") == "zh-CN"
        await add_photos(page, PORTRAIT)
        await make(page)
        await house.work(visitor, NOBODY)
        await expect(card(page, "failed")).to_contain_text("没有找到人物")
        await page.get_by_role("button", name="English").click()
        await expect(card(page, "failed")).to_contain_text(NOBODY.message)
        await page.reload()
        await expect(page.get_by_role("heading", level=1)).to_have_text("What should change?")


async def test_screen_readers_find_their_way(house: Darkroom) -> None:
    """By axe: the sign-in, the form and the gallery, a result and a refusal, by day and by night."""
    npm()
    for scheme in ("light", "dark"):
        async with house.visitor(signed_in=False, color_scheme=scheme) as visitor:
            page = visitor.page
            await expect(page.locator("#key")).to_be_visible()
            assert await violations(page) == []
            await page.locator("#key").fill(visitor.api_key)
            await page.keyboard.press("Enter")
            await add_photos(page, PORTRAIT)
            await page.locator("summary").click()
            await make(page)
            await house.work(visitor, NOBODY if scheme == "dark" else HAIR, *made())
            end = card(page, "failed" if scheme == "dark" else "done")
            await expect(end).to_be_visible()
            assert await violations(page) == []
            await end.locator("button").click()
            await expect(page.locator("dialog img[data-there=true]").first).to_be_visible()
            assert await violations(page) == []
