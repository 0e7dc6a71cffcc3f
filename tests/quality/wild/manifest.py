"""Photos of strangers: where each comes from, what is right for it, and which part of them it is in."""

from collections.abc import Collection
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

MANIFEST = Path(__file__).parent / "manifest.json"
MADE = "made"
_NAME = 16
"""So many digits of a file's hash name it."""

Part = Literal["tuning", "judging", "later"]
PARTS: tuple[Part, ...] = ("tuning", "judging", "later")


class File(Struct, frozen=True, forbid_unknown_fields=True):
    """A picture somebody else publishes.

    `source` says what holds it: "npm NAME VERSION", "pypi NAME VERSION", "debian NAME VERSION", or "git OWNER/NAME
    COMMIT"; `path` where in it. `width` and `height` in pixels.
    """

    sha256: str
    source: str
    path: str
    width: int
    height: int

    @property
    def name(self) -> str:
        return self.sha256[:_NAME]

    @property
    def part(self) -> Part:
        """A third is for tuning, the rest for judging; the bytes decide, and nobody else."""
        return "tuning" if int(self.sha256, 16) % 3 == 0 else "judging"

    def within(self, cache: Path) -> Path:
        """Where it is kept."""
        return cache / (self.name + Path(self.path).suffix.lower())


class Photo(File, frozen=True, forbid_unknown_fields=True):
    """A photo of `people` persons, and what is right to do with it.

    `keep`: who and what a new background leaves; `head` and `pose`: "made", or "refused: " and why, for its head to be
    put elsewhere (and another on it) and its pose to be changed. `seen`: somebody who tunes has looked at it, so it
    is for tuning whatever its bytes say.
    """

    shows: Literal["head", "half", "whole"]
    people: int
    keep: str
    head: str
    pose: str
    tags: tuple[str, ...]
    seen: bool = False

    @property
    def part(self) -> Part:
        return "tuning" if self.seen else super().part


class LaterPhoto(Photo, frozen=True, forbid_unknown_fields=True):
    """A photo that was gathered when the other two parts had been used; its bytes put it into neither."""

    @property
    def part(self) -> Part:
        return "later"


class Later(Struct, frozen=True, forbid_unknown_fields=True):
    """Photos gathered later, with the trials that somebody chose who saw them.

    `heads`: the name of a photo with a head, and of one with its new figure. `poses`: the name of a photo, and that of
    the one whose pose its figure gets, or a preset.
    """

    photos: tuple[LaterPhoto, ...] = ()
    heads: tuple[tuple[str, str], ...] = ()
    poses: tuple[tuple[str, str], ...] = ()


class Manifest(Struct, frozen=True, forbid_unknown_fields=True):
    """Photos; people who come cut out, with alpha; photos of places, to put them in; photos gathered later."""

    photos: tuple[Photo, ...]
    cutouts: tuple[File, ...]
    backgrounds: tuple[File, ...]
    later: Later = Later()

    @property
    def everybody(self) -> tuple[Photo, ...]:
        return (*self.photos, *self.later.photos)

    @property
    def files(self) -> tuple[File, ...]:
        return (*self.everybody, *self.cutouts, *self.backgrounds)

    def needed(self, parts: Collection[Part]) -> tuple[File, ...]:
        """What is tried in `parts`. Places are for people of all parts who come cut out."""
        people_cut = [file for file in self.cutouts if file.part in parts]
        places = self.backgrounds if people_cut else ()
        return (*(photo for photo in self.everybody if photo.part in parts), *people_cut, *places)


def read_manifest(path: Path = MANIFEST) -> Manifest:
    """What `path` lists.

    Raises:
        msgspec.MsgspecError: it can't be understood.
    """
    return msgspec.json.decode(path.read_bytes(), type=Manifest)
