"""Which edits are tried on which photos: chosen by hash, inside each part, so that nobody picks what works.

Of the photos gathered later the pairs are those written down, as somebody who orders an edit would choose them.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct

from schema.models.edits import (
    POSE_PRESETS,
    AnyConfig,
    BackgroundChangeConfig,
    BackgroundType,
    HeadSwapConfig,
    Mode,
    PoseChangeConfig,
)
from tests.quality.wild.manifest import MADE, Later, Manifest, Part, Photo

_TRIED = (MADE, "refused: head turned", "refused: a hand at the head")
"""Heads that people would try: what is to come of them is judged too."""
_FULL_FIGURE_PRESETS = 4
"""So many presets are tried on each photo whose pose can be changed."""


class Trial(Struct, frozen=True):
    """One edit to try. `expected`: "made", or "refused: " and why; `itself`: the head goes back where it came from."""

    name: str
    mode: Mode
    source: Photo
    reference: Photo | None
    config: AnyConfig
    expected: str
    itself: bool = False


def trials(manifest: Manifest, mode: Mode, part: Part, cache: Path) -> list[Trial]:
    """All edits of one mode with the photos of one part that are in `cache`, in the order of their hashes."""
    photos = [photo for photo in manifest.everybody if photo.part == part and photo.within(cache).exists()]
    written = _WRITTEN.get(mode) if part == "later" else None
    chosen = _MAKERS[mode](photos) if written is None else written(manifest.later, photos)
    return sorted(chosen, key=lambda trial: trial.name)


def _backgrounds(photos: Sequence[Photo]) -> Iterator[Trial]:
    config = BackgroundChangeConfig(background_type=BackgroundType.REMOVE)
    for photo in photos:
        yield Trial(photo.name[:8], Mode.BACKGROUND_CHANGE, photo, None, config, MADE)


def _heads(photos: Sequence[Photo]) -> Iterator[Trial]:
    """Every head that shows, turned ones too, onto another; and each that should do onto itself."""
    able = [photo for photo in photos if photo.shows != "whole" and photo.head in _TRIED]
    for photo in able:
        yield _head(photo, _chosen(photo, [figure for figure in able if figure is not photo]))
    for photo in able:
        if photo.head == MADE:
            yield Trial(f"{photo.name[:8]}+itself", Mode.HEAD_SWAP, photo, photo, HeadSwapConfig(), MADE, itself=True)


def _poses(photos: Sequence[Photo]) -> Iterator[Trial]:
    """Every whole figure in a preset, those that should do in several, and in each other's pose."""
    whole = [photo for photo in photos if photo.shows == "whole" and photo.people == 1]
    able = [photo for photo in whole if photo.pose == MADE]
    for photo in whole:
        presets = sorted(POSE_PRESETS, key=lambda preset: _order(photo.sha256 + preset))
        for preset in presets[: _FULL_FIGURE_PRESETS if photo in able else 1]:
            yield _in_preset(photo, preset)
    for photo in able:
        if others := [other for other in able if other is not photo]:
            yield _in_pose_of(photo, _chosen(photo, others))


def _written_heads(later: Later, photos: Sequence[Photo]) -> Iterator[Trial]:
    known = {photo.name: photo for photo in photos}
    for head, figure in later.heads:
        if head in known and figure in known:
            yield _head(known[head], known[figure])


def _written_poses(later: Later, photos: Sequence[Photo]) -> Iterator[Trial]:
    known = {photo.name: photo for photo in photos}
    for figure, wanted in later.poses:
        if figure in known and wanted in POSE_PRESETS:
            yield _in_preset(known[figure], wanted)
        elif figure in known and wanted in known:
            yield _in_pose_of(known[figure], known[wanted])


def _head(photo: Photo, figure: Photo) -> Trial:
    refused = [each.head for each in (photo, figure) if each.head != MADE]
    expected = refused[0] if refused else MADE
    name = f"{photo.name[:8]}+{figure.name[:8]}"
    return Trial(name, Mode.HEAD_SWAP, photo, figure, HeadSwapConfig(), expected)


def _in_preset(photo: Photo, preset: str) -> Trial:
    config = PoseChangeConfig(target_pose=preset)
    return Trial(f"{photo.name[:8]}+{preset}", Mode.POSE_CHANGE, photo, None, config, photo.pose)


def _in_pose_of(photo: Photo, other: Photo) -> Trial:
    name = f"{photo.name[:8]}+{other.name[:8]}"
    return Trial(name, Mode.POSE_CHANGE, photo, other, PoseChangeConfig(), photo.pose)


_MAKERS: dict[Mode, Callable[[Sequence[Photo]], Iterator[Trial]]] = {
    Mode.BACKGROUND_CHANGE: _backgrounds,
    Mode.HEAD_SWAP: _heads,
    Mode.POSE_CHANGE: _poses,
}
_WRITTEN: dict[Mode, Callable[[Later, Sequence[Photo]], Iterator[Trial]]] = {
    Mode.HEAD_SWAP: _written_heads,
    Mode.POSE_CHANGE: _written_poses,
}


def _chosen(photo: Photo, others: Sequence[Photo]) -> Photo:
    return min(others, key=lambda other: _order(photo.sha256 + other.sha256))


def _order(words: str) -> str:
    return hashlib.sha256(words.encode()).hexdigest()
