"""The page as it stays open: thousands of pictures, networks that come and go, and what had the focus going away."""

import asyncio
import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.async_api import Page, Route, expect

from actors.engines.seam import EditRequest, EngineError
from schema.models.problems import FailureCode
from schema.models.tasks import TaskStatus
from tests.factories import add_task
from tests.journeys.browsing import needs_chromium
from tests.journeys.darkroom_page import Darkroom, Gate, Visitor, add_photos, made, make
from tests.journeys.test_page import NOBODY, PORTRAIT, card, house

__all__ = ["house"]
pytestmark = [needs_chromium, pytest.mark.asyncio(loop_scope="module")]

EVENTS = "**/api/v1/tasks/events*"
STREAM: Any = {"content_type": "text/event-stream", "body": "retry: 100\n\n"}
TIMEOUT = EngineError(FailureCode.ENGINE_TIMEOUT, "The engine took too long. Try again.")


def chosen(content: bytes = PORTRAIT, name: str = "photo.jpg", kind: str = "image/jpeg") -> Any:
    return {"name": name, "mimeType": kind, "buffer": content}


async def add_history(house: Darkroom, visitor: Visitor, tasks: int) -> None:
    async with house.pool.acquire() as connection:
        for _ in range(tasks):
            await add_task(connection, visitor.user_id, TaskStatus.CANCELLED)


async def test_what_was_scrolled_to_stays_when_the_stream_begins_anew(house: Darkroom) -> None:
    """What came meanwhile, and went, is seen all the same; a page of the history alone was left."""
    async with house.visitor() as visitor:
        page, cards = visitor.page, visitor.page.locator(".card")
        await add_history(house, visitor, 60)
        answers: list[int] = []
        is_cut = asyncio.Event()

        async def cut(route: Route) -> None:
            if not is_cut.is_set():
                await route.fulfill(status=200, **STREAM)
            elif not answers:
                answers.append(403)
                await route.fulfill(status=403, content_type="text/html", body="no")
            else:
                await route.continue_()

        await page.route(EVENTS, cut)
        await page.reload()
        await expect(cards).not_to_have_count(0)
        while await cards.count() < 60:
            # Not to its button, which is gone once all are there.
            await page.evaluate("scrollTo(0, document.body.scrollHeight)")
            await page.wait_for_timeout(50)
        await cards.nth(50).locator("button").click()
        await expect(page.locator("dialog.viewer")).to_be_visible()
        deleted, *_ = [row[0] for row in await house.pool.fetch(NEWEST, visitor.user_id)]
        await house.pool.execute("DELETE FROM tasks WHERE task_id = $1", deleted)
        await add_history(house, visitor, 2)
        is_cut.set()
        await expect(cards).to_have_count(61)
        await expect(page.locator(f"#{deleted}")).to_have_count(0)
        await expect(page.locator("dialog.viewer")).to_be_visible()
        await page.unroute_all(behavior="ignoreErrors")


NEWEST = "SELECT task_id FROM tasks WHERE user_id = $1 ORDER BY created_at DESC"


async def test_what_a_silent_stream_does_not_tell_is_asked_for(house: Darkroom) -> None:
    """As behind a proxy that holds streams back: a picture stayed at work until the page was loaded again."""
    async with house.visitor() as visitor:
        page = visitor.page
        await page.clock.install()
        await page.route(EVENTS, lambda _: None)
        await page.reload()
        await add_photos(page, PORTRAIT)
        await make(page)
        gate, claimed = Gate(), asyncio.Event()

        async def tell(_: EditRequest) -> None:
            claimed.set()

        finish = await house.working(visitor, gate, tell, gate, *made())
        await claimed.wait()
        await page.clock.run_for(6_000)
        await expect(card(page, "processing")).to_be_visible()
        await finish()
        await page.clock.run_for(16_000)
        await expect(card(page, "done")).to_be_visible()
        await page.unroute_all(behavior="ignoreErrors")


async def test_a_server_that_says_nothing_any_more_is_told_as_away(house: Darkroom) -> None:
    """A machine that is gone closes no connection: a picture stayed at work, and the page said that all was well."""
    async with house.visitor() as visitor:
        page = visitor.page
        await page.clock.install()
        await page.route(EVENTS, lambda _: None)
        await page.reload()
        await add_photos(page, PORTRAIT)
        await make(page)
        await add_photos(page, PORTRAIT)
        await page.route("**/api/v1/**", lambda _: None)
        await page.locator(".press button").click()
        await page.clock.run_for(60_000)
        await expect(page.get_by_text("The connection is lost")).to_be_visible()
        await expect(page.get_by_text("The server can't be reached")).to_be_visible()
        await page.unroute_all(behavior="ignoreErrors")
        async with page.expect_response("**/api/v1/tasks/events*"):
            await page.clock.run_for(60_000)
        await expect(page.get_by_text("The connection is lost")).not_to_be_visible()
        await make(page)
        await expect(page.locator(".card")).to_have_count(2)


async def test_of_many_that_were_made_elsewhere_every_photo_is_shown(house: Darkroom) -> None:
    async with house.visitor() as visitor:
        page = visitor.page
        await page.evaluate(MAKE_ELSEWHERE, 60)
        await expect(page.locator(".card")).to_have_count(60)
        await expect(page.locator(".frame img")).to_have_count(60)


MAKE_ELSEWHERE = """async (count) => {
    const form = new FormData();
    const canvas = new OffscreenCanvas(300, 400);
    canvas.getContext("2d").fillRect(0, 0, 300, 400);
    form.append("file", await canvas.convertToBlob({ type: "image/jpeg" }), "photo.jpg");
    const { file_id } = await (await fetch("/api/v1/uploads", { method: "POST", body: form })).json();
    const tasks = Array.from({ length: count }, () => ({ mode: "BACKGROUND_CHANGE", source_image: file_id }));
    const headers = { "Content-Type": "application/json" };
    await fetch("/api/v1/tasks/batch", { method: "POST", headers, body: JSON.stringify({ tasks }) });
}"""


async def test_a_picture_that_could_not_be_had_is_there_once_the_network_is(house: Darkroom) -> None:
    async with house.visitor() as visitor:
        page = visitor.page
        await add_photos(page, PORTRAIT)
        await make(page)
        await house.work(visitor, *made())
        await expect(card(page, "done")).to_be_visible()
        await page.route("**/api/v1/files/**", lambda route: route.abort())
        asked: list[str] = []
        page.on("requestfailed", lambda request: asked.append(request.url))
        await page.reload()
        await expect(card(page, "done")).to_be_visible()
        while not asked:
            await page.wait_for_timeout(20)
        await page.unroute_all(behavior="ignoreErrors")
        await page.evaluate("dispatchEvent(new Event('online'))")
        await expect(page.locator(".frame img[data-there=true]")).to_be_visible()


async def test_a_filter_that_met_no_network_is_read_once_there_is_one_and_a_deletion_says_so(house: Darkroom) -> None:
    async with house.visitor(viewport={"width": 390, "height": 844}) as visitor:
        page = visitor.page
        await add_photos(page, PORTRAIT)
        await make(page)
        await house.work(visitor, *made())
        await card(page, "done").locator("button").click()
        await visitor.context.set_offline(True)
        for name in ("Delete", "Delete for good?"):
            await page.get_by_role("button", name=name).click()
        await expect(page.locator("dialog .wrong")).to_contain_text("can't be reached")
        # A button that says why it failed was wider than a telephone.
        fits = (
            "[...document.querySelectorAll('.bar *')].every((one) => one.getBoundingClientRect().right <= innerWidth)"
        )
        assert await page.evaluate(fits)
        await expect(page.get_by_role("button", name="Delete", exact=True)).to_be_visible()
        await page.keyboard.press("Escape")
        await page.get_by_label("Filter by status").select_option("failed")
        await expect(page.locator(".more .trouble")).to_contain_text("can't be reached")
        await visitor.context.set_offline(False)
        await expect(page.locator(".nothing")).to_contain_text("with this filter")


async def test_a_form_of_yesterday_shows_its_photos(house: Darkroom) -> None:
    """Their signed addresses have expired since; whoever is signed in may see their own files all the same."""
    async with house.visitor() as visitor:
        page = visitor.page
        await add_photos(page, PORTRAIT)
        await page.route("**/api/v1/files/*signature*", lambda route: route.fulfill(status=403, body="expired"))
        await page.reload()
        await expect(page.locator(".photo img[data-there=true]")).to_be_visible()
        await page.unroute_all(behavior="ignoreErrors")


async def test_a_retry_that_is_pressed_twice_is_one(house: Darkroom) -> None:
    async with house.visitor() as visitor:
        page = visitor.page
        await add_photos(page, PORTRAIT)
        await make(page)
        await house.work(visitor, NOBODY)
        await card(page, "failed").locator("button").click()
        await page.get_by_role("button", name="Try again").dblclick()
        await expect(page.locator(".card")).to_have_count(2)
        await page.reload()
        await expect(page.locator(".card")).to_have_count(2)


async def test_what_is_added_while_pictures_are_asked_for_stays(house: Darkroom) -> None:
    async with house.visitor() as visitor:
        page = visitor.page
        await add_photos(page, PORTRAIT)
        held = asyncio.Event()

        async def hold(route: Route) -> None:
            await held.wait()
            await route.continue_()

        await page.route("**/api/v1/tasks", hold)
        await page.locator(".press button").click()
        await expect(page.locator(".press button")).to_have_text("Sending…")
        await page.locator(".photos input[multiple]").set_input_files([chosen(), chosen()])
        await expect(page.locator(".photo")).to_have_count(3)
        held.set()
        await expect(page.locator(".card")).to_have_count(1)
        await expect(page.locator(".photo")).to_have_count(2)
        await expect(page.get_by_role("button", name="Make 2 pictures")).to_be_enabled()


async def test_photos_are_sent_a_few_at_a_time_and_those_taken_out_never(house: Darkroom) -> None:
    async with house.visitor() as visitor:
        page = visitor.page
        sent: list[Route] = []
        await page.route("**/api/v1/uploads", lambda route: sent.append(route))  # noqa: PLW0108 - playwright marks it
        await page.locator(".photos input[multiple]").set_input_files([chosen()] * 12)
        await expect(page.locator(".photo", has_text="Sending…")).to_have_count(3)
        # The page says so before the browser's word of its requests is here.
        while len(sent) < 3:
            await page.wait_for_timeout(20)
        for _ in range(9):
            await page.locator(".photo .close").last.click()
        for route in sent[:]:
            await route.continue_()
        await expect(page.get_by_role("button", name="Make 3 pictures")).to_be_enabled()
        assert len(sent) == 3
        await page.unroute_all(behavior="ignoreErrors")


async def test_what_is_dropped_beside_the_frame_is_taken_and_a_link_is_told(house: Darkroom, tmp_path: Path) -> None:
    """The browser left the page for it, and everything that was in the form with it."""
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(PORTRAIT)
    async with house.visitor() as visitor:
        page = visitor.page
        link = {"mimeType": "text/uri-list", "data": "https://example.com/a.html"}
        heading = page.get_by_role("heading", level=1)
        await drop(page, heading, {"items": [], "files": [str(photo)], "dragOperationsMask": 1})
        await expect(page.locator(".photo img")).to_have_count(1)
        await drop(page, heading, {"items": [link], "dragOperationsMask": 1})
        await expect(page.locator(".invitation .wrong")).to_contain_text("https://example.com/a.html: no picture")
        assert page.url == f"{house.base_url}/"


async def drop(page: Page, place: Any, data: dict[str, Any]) -> None:
    box = await place.bounding_box()
    devices = await page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        await devices.send(
            "Input.dispatchDragEvent", {"type": kind, "x": box["x"] + 5, "y": box["y"] + 5, "data": data}
        )


async def test_a_file_that_is_gone_before_it_was_sent_is_told_as_that(house: Darkroom, tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(PORTRAIT)
    async with house.visitor() as visitor:
        page = visitor.page
        await page.route("**/api/v1/uploads", lambda route: route.abort())
        await page.locator(".photos input[multiple]").set_input_files([photo])
        await expect(page.locator(".photo .wrong")).to_contain_text("can't be reached")
        await page.unroute_all(behavior="ignoreErrors")
        photo.unlink()
        await page.locator(".photo .wrong button").click()
        await expect(page.locator(".photo .wrong")).to_contain_text("moved, changed or deleted")
        await expect(page.locator(".photo .wrong button")).to_have_count(0)
        await expect(page.locator("#price")).to_contain_text("Remove the photo that won't do")


async def test_what_browsers_open_and_the_server_does_not_take_becomes_a_jpeg(house: Darkroom) -> None:
    """Large ones did, since they were made smaller; small ones were refused."""
    written = io.BytesIO()
    Image.new("RGB", (300, 400), "red").save(written, "GIF")
    async with house.visitor() as visitor:
        page = visitor.page
        await page.locator(".photos input[multiple]").set_input_files(
            [chosen(written.getvalue(), "a.gif", "image/gif")]
        )
        await expect(page.locator(".press button")).to_be_enabled()


WI_FI = (200, "text/html", "<h1>Sign in to this Wi-Fi</h1>")
PROXY = (502, "application/json", '{"error": "bad gateway"}')


@pytest.mark.parametrize(("status", "kind", "body"), [WI_FI, PROXY], ids=["wi-fi", "proxy"])
async def test_an_answer_that_is_not_ours_is_an_absence(house: Darkroom, status: int, kind: str, body: str) -> None:
    async with house.visitor() as visitor:
        page = visitor.page
        await page.route("**/api/v1/me", lambda route: route.fulfill(status=status, content_type=kind, body=body))
        await page.reload()
        await expect(page.locator(".trouble")).to_contain_text("can't be reached")
        await page.unroute_all(behavior="ignoreErrors")
        await expect(page.locator(".trouble")).to_have_count(0)
        await expect(page.locator(".nothing")).to_be_visible()


async def test_the_photo_is_not_blamed_for_an_engine(house: Darkroom) -> None:
    async with house.visitor() as visitor:
        page, viewer = visitor.page, visitor.page.locator("dialog.viewer")
        await add_photos(page, PORTRAIT)
        await make(page)
        await house.work(visitor, TIMEOUT)
        await house.work(visitor, TIMEOUT)
        await house.work(visitor, TIMEOUT)
        await card(page, "failed").locator("button").click()
        await expect(viewer).to_contain_text("It didn't work")
        await expect(viewer).not_to_contain_text("Best:")


async def test_the_focus_goes_on_where_what_had_it_went(house: Darkroom) -> None:
    """To the next photo, card or part of the page: it fell back to the page's beginning."""
    async with house.visitor() as visitor:
        page = visitor.page
        await add_photos(page, PORTRAIT, PORTRAIT)
        closes = page.locator(".photo .close")
        await closes.first.focus()
        await page.keyboard.press("Enter")
        await expect(closes).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.locator(".photos input[multiple]")).to_be_focused()
        for cards in (1, 2):
            await add_photos(page, PORTRAIT)
            await page.locator(".press button").focus()
            await page.keyboard.press("Enter")
            await expect(page.locator(".card")).to_have_count(cards)
            await expect(page.locator("#pictures")).to_be_focused()
        # A picture that is made while one looks, its Cancel focused.
        await page.locator(".card button").first.focus()
        await page.keyboard.press("Enter")
        await page.get_by_role("button", name="Cancel").focus()
        await house.work(visitor, *made())
        await expect(page.locator("dialog .stage")).to_be_visible()
        await expect(page.locator("dialog .close")).to_be_focused()
        zoom = page.get_by_role("button", name="Zoom in")
        await zoom.focus()
        for _ in range(3):
            await page.keyboard.press("Enter")
        await expect(zoom).to_be_focused()
        remaining = page.locator(".card button").last
        await page.get_by_role("button", name="Delete").focus()
        await page.keyboard.press("Enter")
        await page.keyboard.press("Enter")
        await expect(page.locator(".card")).to_have_count(1)
        await expect(remaining).to_be_focused()


async def test_what_ends_is_announced_once_each_and_many_together(house: Darkroom) -> None:
    async with house.visitor() as visitor:
        page = visitor.page
        await page.evaluate(LISTEN)
        for count in (1, 2):
            await add_photos(page, PORTRAIT)
            await make(page)
            await house.work(visitor, *made())
            await page.wait_for_function("(count) => heard.length === count", arg=count)
        await add_photos(page, PORTRAIT, PORTRAIT)
        await make(page)
        await house.work(visitor, *made())
        await page.wait_for_function("() => heard.length === 3")
        ready = "Background: your picture is ready."
        assert await page.evaluate("heard") == [ready, ready, "2 of 2 pictures are ready."]


LISTEN = """
window.heard = [];
new MutationObserver((changes) => {
    for (const { addedNodes } of changes) for (const node of addedNodes) heard.push(node.textContent);
}).observe(document.querySelector("[role=status]"), { childList: true });
"""


async def test_in_a_systems_own_colours_what_is_chosen_is_seen_and_pictures_are_printed(
    house: Darkroom,
) -> None:
    async with house.visitor(forced_colors="active") as visitor:
        page = visitor.page
        await page.locator("summary").click()
        assert await style(page, ".switch input", "appearance") == "auto"
        chosen, other = [await style(page, f".choice label:{which}", "backgroundColor") for which in SIDE_BY_SIDE]
        assert chosen != other
        await page.emulate_media(media="print")
        await expect(page.locator(".composer")).to_be_hidden()
        await expect(page.locator("#pictures")).to_be_visible()


SIDE_BY_SIDE = ("has(:checked)", "not(:has(:checked))")


async def style(page: Page, selector: str, name: str) -> str:
    return await page.locator(selector).first.evaluate("(element, name) => getComputedStyle(element)[name]", name)
