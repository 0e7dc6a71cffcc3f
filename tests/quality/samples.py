"""The pairs that `make quality` judges when it is given none: the sample photos, people of known outline, refusals."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from msgspec import structs
from PIL import Image

from schema.models.edits import (
    BACKGROUND_PRESETS,
    POSE_PRESETS,
    BackgroundChangeConfig,
    BackgroundType,
    HeadSwapConfig,
    Mode,
    PoseChangeConfig,
    Size,
)
from schema.models.problems import FailureCode
from tests.actors.engines.scenes import ASTRONAUT, CHINA, FLOWER, HOPPER, SAMPLES
from tests.quality import matte, pose
from tests.quality.pairs import DONE, KnownMiss, Pair

_LONG_HAIR, _FACE_PAINT = SAMPLES / "portrait_long_hair.jpg", SAMPLES / "portrait_face_paint.jpg"
_MAN, _MAN_ARMS_OUT, _MAN_ARMS_UP = (SAMPLES / f"man_{how}.jpg" for how in ("standing", "arms_out", "arms_up"))

_BESIDE = "something as striking as the person is right beside them, in the same colours"
_HELD_UP = "the figure's head was held up, so the new chin, and its shade, is nearer to the painted neck that stays"
_KNOWN = {
    "football-flower": {"overlap": KnownMiss(0.9, _BESIDE), "sad": KnownMiss(16.5, _BESIDE)},
    "standing_arms_out-flower": {"overlap": KnownMiss(0.93, _BESIDE)},
    **{
        name: {"neck_step": KnownMiss(1.7, _HELD_UP)}
        for name in ("hopper + portrait_face_paint", "astronaut + portrait_face_paint")
    },
}
"""What the edits are known not to reach. Whoever makes one of these better tightens its bound or strikes it out."""


def sample_pairs(scratch: Path) -> list[Pair]:
    """All pairs; pictures that are made for them are written into `scratch`."""
    pairs = [*_backgrounds(scratch), *_heads(), *_poses(scratch), *_refused(scratch)]
    return [structs.replace(pair, known=_KNOWN.get(pair.name, {})) for pair in pairs]


def _backgrounds(scratch: Path) -> Iterator[Pair]:
    removed = BackgroundChangeConfig(background_type=BackgroundType.REMOVE)
    for scene in matte.scenes(each=2):
        source, alpha = scratch / f"{scene.name}.png", scratch / f"{scene.name}-alpha.png"
        Image.fromarray(scene.image).save(source, compress_level=1)
        Image.fromarray((scene.alpha * 255).astype(np.uint8)).save(alpha, compress_level=1)
        yield Pair(scene.name, Mode.BACKGROUND_CHANGE, source, None, removed, alpha=alpha)
    people = (ASTRONAUT, HOPPER, _MAN, _MAN_ARMS_OUT, _LONG_HAIR, _FACE_PAINT)
    for number, source in enumerate(people):
        config = BackgroundChangeConfig()
        yield Pair(f"{source.stem} + pagoda", Mode.BACKGROUND_CHANGE, source, CHINA, config)
        preset = BACKGROUND_PRESETS[number % len(BACKGROUND_PRESETS)]
        config = BackgroundChangeConfig(background_preset=preset)
        yield Pair(f"{source.stem} + {preset}", Mode.BACKGROUND_CHANGE, source, None, config)


def _heads() -> Iterator[Pair]:
    made = (
        (ASTRONAUT, "officer"),
        (ASTRONAUT, _MAN),
        (HOPPER, "astronaut"),
        (HOPPER, _MAN),
        (_FACE_PAINT, "astronaut"),
        (_FACE_PAINT, "officer"),
        (HOPPER, _FACE_PAINT),  # whose bare shoulders are much darker than the head's skin
        (ASTRONAUT, _FACE_PAINT),
    )
    refused = (
        (ASTRONAUT, _LONG_HAIR),  # whose hair hides the shoulders
        (_FACE_PAINT, _LONG_HAIR),
        (_LONG_HAIR, "officer"),  # the photo's border cuts the hair
    )
    for pairs, expected in ((made, DONE), (refused, FailureCode.POSE_EXTRACTION_FAILED.value)):
        for source, figure in pairs:
            if isinstance(figure, str):
                name, reference, config = f"{source.stem} + {figure}", None, HeadSwapConfig(figure_preset=figure)
            else:
                name, reference, config = f"{source.stem} + {figure.stem}", figure, HeadSwapConfig()
            yield Pair(name, Mode.HEAD_SWAP, source, reference, config, expected)


def _poses(scratch: Path) -> Iterator[Pair]:
    unsuitable = FailureCode.POSE_EXTRACTION_FAILED.value
    for preset in POSE_PRESETS:
        config = PoseChangeConfig(target_pose=preset)
        yield Pair(f"man_standing + {preset}", Mode.POSE_CHANGE, _MAN, None, config, DONE)
    for source, reference, expected in (
        (_MAN, _MAN_ARMS_UP, DONE),
        (_MAN_ARMS_OUT, _MAN, DONE),
        (_MAN_ARMS_UP, _MAN_ARMS_OUT, unsuitable),  # closed legs in black trousers: nothing shows where one ends
    ):
        yield Pair(
            f"{source.stem} + {reference.stem}", Mode.POSE_CHANGE, source, reference, PoseChangeConfig(), expected
        )
    for trial in pose.trials():
        source, reference = trial.write(scratch)
        config = PoseChangeConfig(target_pose=trial.preset, size=Size.LARGE)
        expected = FailureCode.POSE_EXTRACTION_FAILED.value if trial.unsuitable else DONE
        yield Pair(trial.name, Mode.POSE_CHANGE, source, reference, config, expected)


def _refused(scratch: Path) -> Iterator[Pair]:
    two = scratch / "two_people.png"
    with Image.open(ASTRONAUT) as first, Image.open(HOPPER) as second:
        beside = Image.new("RGB", (first.width + second.width, max(first.height, second.height)), "grey")
        beside.paste(first, (0, 0))
        beside.paste(second, (first.width, 0))
    beside.save(two, compress_level=1)
    no_face, several = FailureCode.NO_FACE_DETECTED.value, FailureCode.MULTIPLE_FACES_DETECTED.value
    nobody, unsuitable = FailureCode.NO_PERSON_DETECTED.value, FailureCode.POSE_EXTRACTION_FAILED.value
    for source in (CHINA, FLOWER):
        yield Pair(source.stem, Mode.BACKGROUND_CHANGE, source, None, BackgroundChangeConfig(), nobody)
        yield Pair(source.stem, Mode.HEAD_SWAP, source, None, HeadSwapConfig(), no_face)
        yield Pair(source.stem, Mode.POSE_CHANGE, source, None, PoseChangeConfig(), nobody)
    yield Pair("two people", Mode.HEAD_SWAP, two, None, HeadSwapConfig(), several)
    yield Pair("astronaut + two people", Mode.HEAD_SWAP, ASTRONAUT, two, HeadSwapConfig(), several)
    yield Pair("a small face", Mode.HEAD_SWAP, _MAN, HOPPER, HeadSwapConfig(), no_face)
    for source in (ASTRONAUT, _FACE_PAINT, SAMPLES / "figure_standing.jpg"):
        yield Pair(source.stem, Mode.POSE_CHANGE, source, None, PoseChangeConfig(), unsuitable)
