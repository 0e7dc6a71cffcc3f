"""The whole edit, with its models, on the sample figures."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from actors.engines.local.arrays import Rgb8
from actors.engines.local.background.edit import Made
from actors.engines.local.perception.faces import faces
from actors.engines.local.perception.pose import pose
from actors.engines.local.posing.checking import compared, judged
from actors.engines.local.posing.edit import PLAN, bend, change_pose
from actors.engines.local.posing.presets import preset_pose
from actors.engines.local.posing.skeleton import joints
from actors.engines.local.posing.targets import retargeted
from actors.engines.local.runtimes import Runtimes
from actors.engines.local.steps import Steps, StoppedError
from actors.engines.seam import EngineError
from schema.models.edits import PoseChangeConfig, Quality, Size
from schema.models.problems import FailureCode

SAMPLES = Path(__file__).parents[4] / "samples"
RAISED, OUT, STANDING = (SAMPLES / f"figure_{name}.jpg" for name in ("arms_raised", "arms_out", "standing"))
MAX_PIXELS = 40_000_000


def changed(
    runtimes: Runtimes,
    source: Path,
    reference: Path | None = None,
    told: list[tuple[int, str]] | None = None,
    **config: object,
) -> Made:
    heard = [] if told is None else told
    steps = Steps(PLAN, lambda percent, words: heard.append((percent, words)), lambda: False)
    wanted = PoseChangeConfig(size=Size.SMALL, **config)  # pyright: ignore[reportArgumentType] - the tests' own fields
    return change_pose(source, reference, wanted, MAX_PIXELS, runtimes, steps)


def silent() -> Steps:
    return Steps(PLAN, lambda _percent, _words: None, lambda: False)


@pytest.fixture(scope="module")
def standing(runtimes: Runtimes) -> tuple[Made, list[tuple[int, str]]]:
    told: list[tuple[int, str]] = []
    return changed(runtimes, RAISED, told=told), told


def test_the_default_is_standing_with_hanging_arms(
    runtimes: Runtimes, standing: tuple[Made, list[tuple[int, str]]]
) -> None:
    made, _ = standing
    assert made.outcome.alpha is None
    assert made.outcome.colours.shape == made.before.image.shape
    seen = pose(made.outcome.colours, runtimes)
    before = pose(made.before.image, runtimes)
    assert seen is not None
    assert before is not None
    figure = joints(seen.points)
    own = joints(before.points)
    wanted = retargeted(own, preset_pose("standing_front").joints, turn_head=False).joints
    # The figure may have been moved as a whole.
    match = compared(figure - figure[34] + wanted[34], wanted)
    assert match.found >= 0.9
    assert match.mean_angle <= 8
    assert figure[15, 1] > figure[23, 1] - 0.2 * np.hypot(*(figure[33] - figure[34]))


def test_steps_are_told_in_order(standing: tuple[Made, list[tuple[int, str]]]) -> None:
    _, told = standing
    percents = [percent for percent, _ in told]
    assert percents == sorted(set(percents))
    assert {words for _, words in told} <= PLAN.keys()


def test_the_face_is_untouched(runtimes: Runtimes, standing: tuple[Made, list[tuple[int, str]]]) -> None:
    made, _ = standing
    before, after = made.before.image, made.outcome.colours
    face = faces(before, runtimes)[0].box.astype(int)
    left, top, right, bottom = (int(value) for value in face)
    inner = before[top + 8 : bottom - 8, left + 8 : right - 8].astype(int)
    difference = min(
        float(np.abs(_at(after, inner.shape, top + 8 + down, left + 8 + across) - inner).mean())
        for down in range(-40, 41)
        for across in range(-12, 13)
    )
    assert difference < 0.6


def _at(image: Rgb8, shape: tuple[int, ...], top: int, left: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    part = image[max(0, top) : max(0, top) + shape[0], max(0, left) : max(0, left) + shape[1]].astype(np.int64)
    return part if part.shape == shape else np.full(shape, 999)


def test_nothing_of_the_old_arms_is_left_behind(
    runtimes: Runtimes, standing: tuple[Made, list[tuple[int, str]]]
) -> None:
    made, _ = standing
    before = pose(made.before.image, runtimes)
    assert before is not None
    for wrist in (15, 16):
        x, y = before.points[wrist].astype(int)
        old, new = made.before.image[y, x].astype(int), made.outcome.colours[y, x].astype(int)
        around = made.before.image[max(0, y - 60) : y + 60, 4:12].reshape(-1, 3).mean(axis=0)
        assert np.abs(new - around).max() < 40 < np.abs(old - around).max() + 40


def test_a_reference_gives_the_pose(runtimes: Runtimes) -> None:
    made = changed(runtimes, OUT, RAISED, smoothness=1.0)
    seen, wanted = pose(made.outcome.colours, runtimes), pose(np.asarray(Image.open(RAISED).convert("RGB")), runtimes)
    assert seen is not None
    assert wanted is not None
    scale = joints(wanted.points)
    figure = joints(seen.points)
    scale = (scale - scale[34]) * np.hypot(*(figure[33] - figure[34])) / np.hypot(*(scale[33] - scale[34])) + figure[34]
    assert compared(figure, scale).mean_angle <= 8


def test_a_preset_comes_before_the_reference(runtimes: Runtimes) -> None:
    made = changed(runtimes, RAISED, OUT, target_pose="arms_out", preserve_face=False)
    seen = pose(made.outcome.colours, runtimes)
    assert seen is not None
    arms = seen.points[[13, 14, 15, 16]] - seen.points[[11, 12, 13, 14]]
    assert np.abs(np.degrees(np.arctan2(arms[:, 1], np.abs(arms[:, 0])))).max() < 15


@pytest.mark.parametrize("quality", [Quality.HIGH, Quality.ULTRA])
def test_every_quality_is_made(runtimes: Runtimes, quality: Quality) -> None:
    made = changed(runtimes, RAISED, target_pose="one_arm_raised", quality=quality)
    seen = pose(made.outcome.colours, runtimes)
    assert seen is not None
    assert seen.points[15, 1] < seen.points[0, 1] < seen.points[24, 1] < seen.points[16, 1] + 40


def test_the_same_request_gives_the_same_bytes_and_an_outcome_in_another_pose_is_refused(
    runtimes: Runtimes, standing: tuple[Made, list[tuple[int, str]]]
) -> None:
    made = bend(RAISED, None, PoseChangeConfig(size=Size.SMALL), MAX_PIXELS, runtimes, silent())
    assert np.array_equal(made.picture, standing[0].outcome.colours)
    assert judged(made.picture, made.wanted, runtimes).good
    assert not judged(made.before.image, made.wanted, runtimes).good
    assert not judged(np.full_like(made.picture, 128), made.wanted, runtimes).good


@pytest.mark.parametrize(
    ("source", "reference", "code", "reason"),
    [
        (SAMPLES / "background_flower.jpg", None, FailureCode.NO_PERSON_DETECTED, None),
        (SAMPLES / "astronaut.jpg", None, FailureCode.POSE_EXTRACTION_FAILED, None),
        (STANDING, None, FailureCode.POSE_EXTRACTION_FAILED, "head_turned"),
        (RAISED, SAMPLES / "background_flower.jpg", FailureCode.NO_PERSON_DETECTED, None),
        (RAISED, SAMPLES / "hopper.jpg", FailureCode.POSE_EXTRACTION_FAILED, None),
        (SAMPLES / "missing.jpg", None, FailureCode.IMAGE_NOT_FOUND, None),
    ],
)
def test_what_cannot_be_done_is_refused(
    runtimes: Runtimes, source: Path, reference: Path | None, code: FailureCode, reason: str | None
) -> None:
    with pytest.raises(EngineError) as refused:
        changed(runtimes, source, reference)
    assert refused.value.code is code
    assert reason is None or refused.value.details["reason"] == reason


def test_an_unknown_preset_is_an_invalid_config(runtimes: Runtimes) -> None:
    with pytest.raises(EngineError) as refused:
        changed(runtimes, RAISED, target_pose="headstand")
    assert refused.value.code is FailureCode.INVALID_CONFIG


def test_an_edit_that_is_not_wanted_any_more_ends(runtimes: Runtimes) -> None:
    told: list[int] = []
    steps = Steps(PLAN, lambda percent, _: told.append(percent), iter([False, True]).__next__)
    with pytest.raises(StoppedError):
        change_pose(RAISED, None, PoseChangeConfig(size=Size.SMALL), MAX_PIXELS, runtimes, steps)


def test_somebody_else_in_the_photo_is_told(runtimes: Runtimes, tmp_path: Path) -> None:
    with Image.open(SAMPLES / "man_standing.jpg") as first, Image.open(SAMPLES / "man_arms_out.jpg") as second:
        farther = second.reduce(2)
        both = Image.new("RGB", (first.width + farther.width, first.height), "grey")
        both.paste(first, (0, 0))
        both.paste(farther, (first.width, first.height - farther.height))
    both.save(tmp_path / "two.png")
    warnings = changed(runtimes, tmp_path / "two.png", target_pose="standing_front").warnings
    assert any(warning.startswith("More than one person was found") for warning in warnings)
