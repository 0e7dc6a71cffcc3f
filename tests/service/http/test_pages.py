"""The pages as they are served, and that what is committed is what their source makes."""

import mimetypes
import re
import subprocess
from pathlib import Path

import httpx
import pytest

from actors.engines.local.background.edit import PLAN as BACKGROUND
from actors.engines.local.head.edit import PLAN as HEAD
from actors.engines.local.posing.edit import PLAN as POSE
from schema.models.accounts import EntryKind
from schema.models.edits import CONFIG_TYPES, PRESETS, Mode
from schema.models.problems import FailureCode, ProblemCode
from schema.models.tasks import TaskStatus
from service.http.assets import Asset
from service.http.pages.serving import BUILT, PAGES
from tests.npm import SOURCE, npm

WEIGHT = 100_000
"""Bytes that everything may take, compressed."""


NAMES = {"chrome": "Chrome", "edge": "Edge", "firefox": "Firefox", "safari": "Safari", "ios": "iOS"}
NEWER_STYLES = r"light-dark\(|&|@scope|@starting-style|\(from |anchor\(|field-sizing"
NEWER_SCRIPTS = r"withResolvers|groupBy|fromAsync|AbortSignal\.any|canParse|Popover|startViewTransition|randomUUID"
"""What the oldest browsers don't know, or (randomUUID) none over plain http."""


def assets_of(html: str) -> set[str]:
    return set(re.findall(r'"(/pages/assets/[^"]+)"', html))


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_is_revalidated_and_what_it_loads_is_kept_for_ever(
    anonymous: httpx.AsyncClient, path: str
) -> None:
    page = await anonymous.get(path)
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["cache-control"] == "no-cache"
    unchanged = await anonymous.get(path, headers={"If-None-Match": page.headers["etag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert len(assets_of(page.text)) >= 3
    for name in assets_of(page.text):
        asset = await anonymous.get(name)
        assert asset.status_code == 200
        assert "immutable" in asset.headers["cache-control"]
        plain = await anonymous.get(name, headers={"Accept-Encoding": "identity"})
        assert plain.content == asset.content
        assert plain.headers["etag"] != asset.headers["etag"]
    assert (await anonymous.get("/pages/assets/nothing.js")).status_code == 404


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_may_run_its_own_files_alone(anonymous: httpx.AsyncClient, path: str) -> None:
    page = await anonymous.get(path)
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"<style|style=|<script(?![^>]* src=)|\son\w+=|https?://", page.text)


def test_a_host_that_calls_scripts_otherwise_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Python 3.11 does by itself, where there is no /etc/mime.types."""
    mimetypes.init()
    monkeypatch.setitem(mimetypes.types_map, ".js", "application/javascript")
    scripts = [Asset.read(path) for path in (BUILT / "assets").glob("*.js")]
    assert {(script.media_type, script.compressed is not None) for script in scripts} == {("text/javascript", True)}


async def test_the_pages_are_light(anonymous: httpx.AsyncClient) -> None:
    weight = 0
    for path in [*PAGES, *(f"/pages/assets/{asset.name}" for asset in (BUILT / "assets").iterdir())]:
        async with anonymous.stream("GET", path) as answer:
            weight += len(b"".join([chunk async for chunk in answer.aiter_raw()]))
    assert weight <= WEIGHT


def test_the_committed_build_is_what_its_source_makes(tmp_path: Path) -> None:
    subprocess.run(
        [npm(), "run", "--silent", "build", "--", "--outDir", tmp_path, "--logLevel", "warn"], cwd=SOURCE, check=True
    )
    assert contents(tmp_path) == contents(BUILT), "stale: `make pages`"


@pytest.mark.parametrize("page", ["hosting.md", "hosting.zh-CN.md"])
def test_what_the_pages_are_built_for_is_told(page: str) -> None:
    told = (SOURCE.parents[2] / "docs" / page).read_text()
    oldest = re.findall(r'"([a-z]+)([\d.]+)"', (SOURCE / "vite.config.js").read_text())
    assert {name for name, _ in oldest} == set(NAMES)
    for name, version in oldest:
        assert f"{NAMES[name]} {version}" in told


def test_the_build_is_for_the_oldest_browsers() -> None:
    styles = "".join(path.read_text() for path in (BUILT / "assets").glob("*.css"))
    assert re.findall(NEWER_STYLES, styles) == []
    # Safari knows it by this name alone.
    assert styles.count("-webkit-user-select:") == styles.replace("-webkit-", "").count("user-select:") / 2 > 0
    # Firefox fills the bar of what nobody knows how far it is.
    assert "progress:indeterminate::-moz-progress-bar{background:none}" in styles
    for script in (BUILT / "assets").glob("*.js"):
        assert re.findall(NEWER_SCRIPTS, script.read_text()) == []


async def test_the_committed_types_are_the_documents(anonymous: httpx.AsyncClient, tmp_path: Path) -> None:
    made = tmp_path / "schema.ts"
    document = (await anonymous.get("/openapi.json")).content
    types = [npm(), "run", "--silent", "types", "--", made]
    subprocess.run(types, cwd=SOURCE, input=document, check=True)  # noqa: ASYNC221 - nothing else runs here
    assert made.read_text() == (SOURCE / "src/shared/schema.ts").read_text(), "stale: `make pages`"


def contents(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_every_code_step_and_choice_has_its_chinese() -> None:
    """The API speaks English, and nothing but this tells the page of a new word of its."""
    chinese = (SOURCE / "src/user/words/zh.ts").read_text()
    named = set(re.findall(r'^ *"?([\w ]+?)"?:', chinese, re.MULTILINE)) | set(re.findall(r"[{,] (\w+):", chinese))
    steps = {step for plan in (BACKGROUND, HEAD, POSE) for step in plan}
    choices = {name for presets in PRESETS.values() for name in presets} | {*Mode, *TaskStatus, *EntryKind}
    options = {
        name
        for kind in CONFIG_TYPES.values()
        for name in kind.__struct_fields__
        if not re.search(r"image|reference|preset|target|type", name)
    }
    assert {*steps, *choices, *options, *ProblemCode, *FailureCode} - named == set()
