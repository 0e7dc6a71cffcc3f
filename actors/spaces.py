"""Directories for edits: each has one to itself, which is emptied off the slots' path, and serves another edit then."""

import asyncio
import shutil
from collections.abc import Sequence
from pathlib import Path
from secrets import token_hex

from msgspec import Struct, structs


class Space(Struct, frozen=True):
    """An edit's photos are put into `photos`, and `made` in it is the engine's. `is_new`: both are still to be made."""

    photos: Path
    made: Path
    is_new: bool = True


class Spaces:
    """One per process. They are emptied in a thread: what is left meanwhile all at once, since each hop there costs."""

    def __init__(self) -> None:
        self._empty: list[Space] = []
        self._left: list[tuple[Space, bool]] = []
        self._clearing: asyncio.Task[None] | None = None

    @property
    def clearing(self) -> bool:
        """Whether some are being emptied."""
        return self._clearing is not None

    def take(self, where: Path) -> Space:
        """For one edit: an empty one, or a new one below this directory."""
        if self._empty:
            return self._empty.pop()
        photos = where / token_hex(8)
        return Space(photos, photos / "made")

    def leave(self, space: Space, *, for_another: bool) -> None:
        """What is in it isn't wanted any more. `for_another`: whatever wrote there has come to its end.

        Nobody waits for it, nor minds if it can't be removed: at its own end the process removes what is left.
        """
        self._left.append((space, for_another))
        if self._clearing is None:
            self._clearing = asyncio.create_task(self._clear(), name="workspaces")

    async def _clear(self) -> None:
        try:
            while self._left:
                some, self._left = self._left, []
                self._empty += await asyncio.to_thread(_cleared, some)
        finally:
            self._clearing = None


def _cleared(left: Sequence[tuple[Space, bool]]) -> list[Space]:
    """Those that are empty now; the others are gone."""
    empty: list[Space] = []
    for space, for_another in left:
        if for_another and _emptied(space):
            empty.append(structs.replace(space, is_new=False))
        else:
            shutil.rmtree(space.photos, ignore_errors=True)
    return empty


def _emptied(space: Space) -> bool:
    """Remove its files; False when there is something else, too."""
    try:
        for directory in (space.made, space.photos):
            for path in directory.iterdir():
                if path != space.made:
                    path.unlink()
    except OSError:
        return False
    return True
