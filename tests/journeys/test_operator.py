"""/operator and signing in, in a browser. SCREENSHOTS=directory keeps what they look like."""

import os
import signal
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from schema.models.accounts import Scope
from schema.models.edits import Mode
from schema.models.problems import FailureCode
from schema.models.tasks import TaskStatus
from service.accounts.sessions import issue_link
from service.accounts.users import create_user
from service.database import Connection
from service.settings import Settings
from service.tasks.workers import see_worker
from tests.factories import TaskFailureFactory, add_task
from tests.journeys.browsing import browser, needs_chromium, open_page, violations
from tests.service.http.serving import Api, serving

__all__ = ["browser"]
pytestmark = needs_chromium

SCREENSHOTS = os.environ.get("SCREENSHOTS")
WORKERS = ("worker:studio-1:4711", "worker:studio-2:815")


@pytest.fixture
def api(settings: Settings, tmp_path: Path) -> Generator[Api]:
    with serving(settings, tmp_path / "api.log") as running:
        yield running


async def add_a_day(connection: Connection, user_id: str) -> str:
    """Ended tasks of a day, some that wait and run, two workers; the id of one that failed at its second attempt."""
    now = datetime.now(UTC)
    codes = [FailureCode.NO_PERSON_DETECTED, FailureCode.POSE_EXTRACTION_FAILED, FailureCode.NO_FACE_DETECTED]
    for n in range(150):
        ended = now - timedelta(minutes=n * n / 17)
        mode = list(Mode)[n % 3]
        times = {"mode": mode, "created_at": ended - timedelta(seconds=14), "started_at": ended - timedelta(seconds=9)}
        if n % 9 == 4:
            failure = TaskFailureFactory.build(code=codes[n % len(codes) if n % 2 else 0])
            await add_task(connection, user_id, TaskStatus.FAILED, failed_at=ended, error=failure, attempts=1, **times)
        elif n % 31 == 7:
            await add_task(connection, user_id, TaskStatus.CANCELLED, cancelled_at=ended, **times)
        else:
            await add_task(connection, user_id, TaskStatus.DONE, completed_at=ended, attempts=1, **times)
    for n in range(4):
        await add_task(connection, user_id, mode=Mode.POSE_CHANGE, created_at=now - timedelta(seconds=8 * n))
    for worker in WORKERS:
        await see_worker(connection, worker, slots=2, modes=list(Mode))
    running = {"worker_id": WORKERS[0], "lease_expires_at": now + timedelta(hours=1)}
    await add_task(
        connection, user_id, TaskStatus.PROCESSING, mode=Mode.HEAD_SWAP, progress=62, current_step="joining", **running
    )
    failing = await add_task(connection, user_id, TaskStatus.PENDING, created_at=now - timedelta(seconds=70))
    await connection.execute(
        "UPDATE tasks SET status = 'processing', attempts = 1, started_at = now() - interval '64 s', lease_token = 1, "
        "lease_expires_at = now() WHERE task_id = $1", failing.task_id,
    )  # fmt: skip
    await connection.execute(
        "UPDATE tasks SET status = 'pending', started_at = NULL, lease_expires_at = NULL, "
        "updated_at = now() - interval '41 s', "
        """requeued_for = '{"code": "ENGINE_RESPONSE_ERROR", "note": "The engine gave no picture."}' """
        "WHERE task_id = $1", failing.task_id,
    )  # fmt: skip
    await connection.execute(
        "UPDATE tasks SET status = 'processing', attempts = 2, started_at = now() - interval '30 s', lease_token = 2, "
        "lease_expires_at = now() WHERE task_id = $1", failing.task_id,
    )  # fmt: skip
    failure = TaskFailureFactory.build(code=FailureCode.ENGINE_TIMEOUT, message="The engine took too long.")
    await connection.execute(
        "UPDATE tasks SET status = 'failed', failed_at = now(), lease_expires_at = NULL, error = $2 WHERE task_id = $1",
        failing.task_id, {"code": failure.code, "message": failure.message, "details": None},
    )  # fmt: skip
    return failing.task_id


async def shoot(page: Page, name: str) -> None:
    if SCREENSHOTS is not None:
        await page.screenshot(path=Path(SCREENSHOTS) / f"{name}.jpg", full_page=True, type="jpeg", quality=82)


async def test_a_link_signs_in_once_and_leaves_no_trace(browser: Browser, api: Api, connection: Connection) -> None:
    made = await create_user(connection, "ada@example.com", credits_=10)
    link = await issue_link(connection, made.user_id, Scope.USER)
    page = await open_page(browser)
    # A preview looks, and doesn't use it up.
    assert (await page.request.get(link.url(api.base_url))).ok
    await page.goto(link.url(api.base_url))
    await page.wait_for_url(f"{api.base_url}/")
    assert (await page.request.get(f"{api.base_url}/api/v1/me")).ok
    assert link.token not in str(await page.evaluate("[location.href, document.referrer, document.cookie]"))
    assert "ds_" not in str(await page.evaluate("document.cookie"))
    assert link.token not in api.log.read_text()
    # Whoever is signed in is asked before they are somebody else; this one is used up.
    await page.goto(link.url(api.base_url))
    await page.get_by_role("button", name="Use the link").click()
    await expect(page.get_by_role("status")).to_contain_text("used already")
    assert link.token not in page.url
    await page.get_by_label("API key or token").fill(made.api_key)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_url(f"{api.base_url}/")
    await page.close()


async def test_a_link_that_reached_nobody_is_used_once_somebody_is(
    browser: Browser, api: Api, connection: Connection
) -> None:
    """It is on no screen and in no history any more: it was lost, and a key asked for."""
    made = await create_user(connection, "ada@example.com", credits_=10)
    page = await open_page(browser)
    await page.route("**/api/v1/**", lambda route: route.abort())
    await page.goto((await issue_link(connection, made.user_id, Scope.USER)).url(api.base_url))
    await expect(page.get_by_role("status")).to_contain_text("can't be reached")
    await page.unroute_all(behavior="ignoreErrors")
    await page.get_by_role("button", name="Use the link").click()
    await page.wait_for_url(f"{api.base_url}/")
    await page.close()


async def test_what_an_operator_looks_at_goes_on_by_the_servers_clock(
    browser: Browser, api: Api, connection: Connection
) -> None:
    made = await create_user(connection, "ada@example.com", credits_=10)
    task = await add_task(connection, made.user_id)
    page = await open_page(browser, locale="zh-CN")
    # This machine's clock is a day ahead.
    await page.clock.install(time=datetime.now(UTC) + timedelta(days=1))
    await page.goto((await issue_link(connection, made.user_id, Scope.ADMIN)).url(api.base_url))
    await page.wait_for_url(f"{api.base_url}/operator")
    look, states = page.get_by_label("任务 ID"), page.locator(".line .state")
    await look.fill("task_that_is_not_there")
    await page.keyboard.press("Enter")
    await expect(page.locator("#tasks [role=status]")).to_have_text("没有这个 ID 的任务。")
    await look.fill(task.task_id)
    await page.keyboard.press("Enter")
    await expect(states).to_contain_text(["秒"])
    await connection.execute(
        "UPDATE tasks SET status = 'cancelled', cancelled_at = now() WHERE task_id = $1", task.task_id
    )
    await expect(states.locator("strong")).to_have_text(["等待", "取消"])
    await page.get_by_role("button", name="关闭").click()
    await expect(look).to_be_focused()
    # Away, a person isn't told so in the words of a script.
    await page.route("**/api/v1/operator/tasks/*", lambda route: route.abort())
    await look.press("Enter")
    await expect(page.locator("#tasks [role=status]")).to_contain_text("暂时无法连接")
    await page.route("**/api/v1/session", lambda route: route.abort())
    await page.get_by_role("button", name="退出登录").click()
    await expect(page.locator("main > [role=status]")).to_contain_text("暂时无法连接")
    await page.unroute_all(behavior="ignoreErrors")
    await page.close()


async def test_a_server_that_says_nothing_any_more_is_told_as_away(
    browser: Browser, api: Api, connection: Connection
) -> None:
    """A machine that is gone closes no connection: the page stayed "live", with numbers of long ago."""
    made = await create_user(connection, "ada@example.com", credits_=0)
    page = await open_page(browser)
    await page.clock.install()
    await page.goto((await issue_link(connection, made.user_id, Scope.ADMIN)).url(api.base_url))
    await page.wait_for_url(f"{api.base_url}/operator")
    await expect(page.locator(".live .dot")).to_have_class("dot done")
    os.kill(api.process.pid, signal.SIGSTOP)
    try:
        await page.clock.fast_forward(25_000)
        await expect(page.locator("main > [role=status]")).to_contain_text("can't be reached")
        await expect(page.locator(".live .dot")).to_have_class("dot failed")
    finally:
        os.kill(api.process.pid, signal.SIGCONT)
    await expect(page.locator(".live .dot")).to_have_class("dot done")


async def test_an_operator_sees_everything_and_others_nothing(
    browser: Browser, api: Api, connection: Connection
) -> None:
    made = await create_user(connection, "ada@example.com", credits_=10)
    failed = await add_a_day(connection, made.user_id)
    page = await open_page(browser, viewport={"width": 1280, "height": 900})
    odd: list[str] = []
    page.on("console", lambda message: odd.append(message.text) if "Content Security Policy" in message.text else None)
    page.on("pageerror", lambda error: odd.append(str(error)))
    await page.goto(f"{api.base_url}/operator")
    await expect(page.get_by_role("link", name="Sign in")).to_be_visible()
    await page.goto((await issue_link(connection, made.user_id, Scope.USER)).url(api.base_url))
    await page.wait_for_url(f"{api.base_url}/")
    await page.goto(f"{api.base_url}/operator")
    await expect(page.get_by_text("darkroom user link USER --operator")).to_be_visible()
    await page.context.clear_cookies()

    await page.goto((await issue_link(connection, made.user_id, Scope.ADMIN)).url(api.base_url))
    await page.wait_for_url(f"{api.base_url}/operator")
    await expect(page.get_by_text("of 4 slots")).to_be_visible()
    await expect(page.get_by_text("joining")).to_be_visible()
    await expect(page.get_by_text("NO_PERSON_DETECTED").first).to_be_visible()
    await expect(page.locator(".chart canvas")).to_be_visible()
    assert (await page.request.get(f"{api.base_url}/api/v1/tasks")).ok
    before = int(await page.locator(".figure dd").first.inner_text())
    await add_task(connection, made.user_id)
    await expect(page.locator(".figure dd").first).to_have_text(str(before + 1))

    await page.get_by_label("Task id").fill(failed)
    await page.get_by_role("button", name="Show", exact=True).click()
    states = page.locator(".line .state strong")
    await expect(states).to_have_text(["waiting", "at work", "waiting", "at work", "failed"])
    await expect(page.locator(".line")).to_contain_text("ENGINE_TIMEOUT")
    await expect(page.locator("section", has_text="What the doctor finds")).not_to_contain_text("Looking")
    for scheme in ("dark", "light"):
        await page.emulate_media(color_scheme=scheme)  # pyright: ignore[reportArgumentType]
        assert await violations(page) == []
    await shoot(page, "operator")
    await page.set_viewport_size({"width": 390, "height": 844})
    await expect(page.locator(".chart canvas")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await page.get_by_role("button", name="中文").click()
    await expect(page.get_by_role("heading", name="工作进程")).to_be_visible()
    await page.get_by_role("button", name="退出登录").click()
    await page.wait_for_url(f"{api.base_url}/sign-in")
    assert (await page.request.get(f"{api.base_url}/api/v1/me")).status == 401
    assert odd == []
    await page.close()
