"""Edits' directories: nobody finds in one what another edit had there."""

# ruff: noqa: ASYNC240 - a test may wait for its own disk

from pathlib import Path

from actors.spaces import Space, Spaces
from tests import lives


def used(spaces: Spaces, where: Path) -> Space:
    space = spaces.take(where)
    if space.is_new:
        space.photos.mkdir()
        space.made.mkdir()
    assert [*space.photos.iterdir(), *space.made.iterdir()] == [space.made]
    (space.photos / "source").write_bytes(b"a photo")
    (space.made / "output.jpg").write_bytes(b"a picture")
    return space


async def test_one_whose_edit_has_ended_serves_another_once_it_is_empty(tmp_path: Path) -> None:
    spaces = Spaces()
    first = used(spaces, tmp_path)
    spaces.leave(first, for_another=True)
    assert spaces.take(tmp_path).photos != first.photos

    async def is_empty() -> bool:
        return not (first.photos / "source").exists() and not spaces.clearing

    await lives.until(is_empty)
    assert used(spaces, tmp_path).photos == first.photos


async def test_one_whose_edit_was_cut_off_or_left_more_than_files_goes(tmp_path: Path) -> None:
    spaces = Spaces()
    cut_off, strange = used(spaces, tmp_path), used(spaces, tmp_path)
    (strange.made / "directory").mkdir()
    spaces.leave(cut_off, for_another=False)
    spaces.leave(strange, for_another=True)

    async def are_gone() -> bool:
        return not spaces.clearing and not list(tmp_path.iterdir())

    await lives.until(are_gone)
    assert used(spaces, tmp_path).is_new
