"""Debian's Chromium, for the tests that need a real browser."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.npm import MODULES, npm

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

SETTLED = """Promise.allSettled(
    document.getAnimations().filter((one) => one instanceof CSSTransition).map((one) => one.finished))"""
AXE = MODULES / "axe-core/axe.min.js"

PATIENCE = 120_000
"""Milliseconds: a browser beside all other tests takes its time."""

expect.set_options(timeout=PATIENCE)

needs_chromium = pytest.mark.skipif(not CHROMIUM.exists(), reason="the Debian package chromium is missing")


@pytest.fixture
async def browser() -> AsyncGenerator[Browser]:
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, timeout=PATIENCE)
        yield opened
        await opened.close()


async def open_page(browser: Browser, **context: Any) -> Page:
    page = await browser.new_page(**context)
    page.set_default_timeout(PATIENCE)
    return page


async def violations(page: Page) -> list[str]:
    """What axe finds serious or critical, with the element."""
    npm()
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE.read_text())
    # A colour on its way to another is neither.
    await page.evaluate(SETTLED)
    found = await page.evaluate("axe.run({ resultTypes: ['violations'] })")
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:160]}"
        for one in found["violations"]
        if one["impact"] in {"serious", "critical"}
    ]
