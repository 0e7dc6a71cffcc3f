"""The client with a Darkroom that runs: from a path to a picture, and what it says when there is none."""

import io
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from darkroom_client import AsyncDarkroom, Darkroom, EditCancelled, Order, errors

PORTRAIT, FIGURE = Path("samples/hopper.jpg"), Path("samples/figure_arms_out.jpg")
SMALL = {"size": "small", "background_type": "remove"}


@pytest.fixture
def darkroom(stack: dict[str, Any]) -> Generator[Darkroom]:
    with Darkroom(stack["base_url"], stack["api_key"]) as opened:
        yield opened


@pytest.fixture(scope="module")
def portrait(stack: dict[str, Any]) -> str:
    with Darkroom(stack["base_url"], stack["api_key"]) as opened:
        return opened.upload(PORTRAIT).file_id


def nobody() -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (320, 320), "black").save(data, "JPEG")
    return data.getvalue()


def test_five_lines_from_a_path_to_a_picture(stack: dict[str, Any], tmp_path: Path) -> None:
    with Darkroom(stack["base_url"], stack["api_key"]) as darkroom:
        edit = darkroom.submit("BACKGROUND_CHANGE", PORTRAIT, config=SMALL)
        edit.save(tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as picture:
        assert (picture.format, picture.mode) == ("PNG", "RGBA")
        assert max(picture.size) <= 768
    assert edit.task.status == "done"


def test_a_failure_is_an_exception_of_its_code_with_the_task(darkroom: Darkroom) -> None:
    before = darkroom.account().current_credits
    edit = darkroom.submit("BACKGROUND_CHANGE", nobody(), config=SMALL)
    with pytest.raises(errors.NoPersonDetected) as why:
        edit.result(timeout=60)
    assert why.value.task.credits_refunded == why.value.task.credits_consumed
    assert darkroom.account().current_credits == before
    assert [event.status for event in edit.timeline()] == ["pending", "processing", "failed"]


def test_what_is_refused_is_told_field_by_field(darkroom: Darkroom, portrait: str) -> None:
    with pytest.raises(errors.InvalidRequest) as why:
        darkroom.submit("BACKGROUND_CHANGE", portrait, config={"size": "huge"})
    assert why.value.errors[0]["field"] == "config.size"
    with pytest.raises(errors.FileNotFound):
        darkroom.submit("BACKGROUND_CHANGE", "file_of_nobody")


async def test_asyncio_hears_of_every_step(stack: dict[str, Any], portrait: str) -> None:
    async with AsyncDarkroom(stack["base_url"], stack["api_key"]) as darkroom:
        edit = await darkroom.submit("BACKGROUND_CHANGE", portrait, config=SMALL)
        events = [event async for event in edit.events()]
        statuses = [event.task.status for event in events if event.kind == "status"]
        assert statuses[-2:] == ["processing", "done"]
        assert any(event.kind == "progress" for event in events)
        assert (await edit.picture())[:8] == b"\x89PNG\r\n\x1a\n"
        newest = await anext(darkroom.edits(status="done"))
        assert newest.task_id == edit.task_id


def test_a_batch_is_made_whole_and_cancelled_whole(darkroom: Darkroom) -> None:
    # Another pose takes seconds, whatever its matte is: three aren't made before they are cancelled.
    figure = darkroom.upload(FIGURE).file_id
    order = Order(mode="POSE_CHANGE", source=figure, config={"size": "small"})
    batch = darkroom.submit_batch([order] * 3)
    told = batch.cancel()
    # The worker may have been quicker with the first.
    ended = {edit.task_id: edit.task.status for edit in batch.results()}
    assert list(ended) == [edit.task_id for edit in batch.edits]
    assert list(ended.values()).count("cancelled") == told.cancelled >= 2
    state = batch.status()
    assert (state.total, state.cancelled) == (3, told.cancelled)
    with pytest.raises(EditCancelled):
        batch.edits[-1].result()
