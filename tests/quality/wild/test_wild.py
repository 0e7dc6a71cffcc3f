"""What can be told of the yardstick without any photo: its manifest, who is in which part, what is tried, the sums."""

import base64
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from schema.models.edits import Mode, PoseChangeConfig
from tests.quality.wild import looks
from tests.quality.wild.manifest import MADE, PARTS, Later, Manifest, Part, read_manifest
from tests.quality.wild.outlines import misplaced, read_outlines
from tests.quality.wild.trials import Trial, trials
from tests.quality.wild.verdicts import Row, Verdict, numbers, read_verdicts

MODES = (Mode.BACKGROUND_CHANGE, Mode.HEAD_SWAP, Mode.POSE_CHANGE)


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    return read_manifest()


@pytest.fixture(scope="module")
def everywhere(manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache in which every file is, empty."""
    cache = tmp_path_factory.mktemp("photos")
    for file in manifest.files:
        file.within(cache).touch()
    return cache


def tried(manifest: Manifest, cache: Path) -> Iterator[tuple[str, Trial]]:
    for part in PARTS:
        for mode in Mode:
            for trial in trials(manifest, mode, part, cache):
                yield part, trial


def test_every_file_says_what_it_is_and_where_it_comes_from(manifest: Manifest) -> None:
    files = manifest.files
    assert len({file.name for file in files}) == len(files)
    assert len(manifest.photos) >= 150
    assert len(manifest.cutouts) >= 40
    for file in files:
        kind, name, version = file.source.split()
        assert kind in {"npm", "pypi", "debian", "git"}
        assert name
        assert version
        assert len(file.sha256) == 64
        assert not Path(file.path).is_absolute()
    for photo in manifest.everybody:
        assert photo.people >= 1
        assert photo.keep
        for right in (photo.head, photo.pose):
            assert right == MADE or right.startswith("refused: ")


def test_the_bytes_put_a_third_into_tuning_and_nobody_is_in_both_parts(manifest: Manifest, everywhere: Path) -> None:
    unseen = [photo for photo in manifest.photos if not photo.seen]
    share = sum(photo.part == "tuning" for photo in unseen) / len(unseen)
    assert 0.28 < share < 0.39
    assert all(photo.part == "tuning" for photo in manifest.photos if photo.seen)
    for part, trial in tried(manifest, everywhere):
        assert trial.source.part == part
        assert trial.reference is None or trial.reference.part == part


def test_trials_have_names_of_their_own_and_do_not_depend_on_order(manifest: Manifest, everywhere: Path) -> None:
    names = [(trial.mode, trial.name) for _, trial in tried(manifest, everywhere)]
    assert len(set(names)) == len(names)
    later = Later(manifest.later.photos[::-1], manifest.later.heads[::-1], manifest.later.poses[::-1])
    backwards = Manifest(manifest.photos[::-1], manifest.cutouts, manifest.backgrounds, later)
    assert {(trial.mode, trial.name) for _, trial in tried(backwards, everywhere)} == set(names)


def test_of_the_photos_gathered_later_every_one_is_cut_out_and_the_pairs_written_down_are_tried(
    manifest: Manifest, everywhere: Path
) -> None:
    later = manifest.later
    backgrounds, heads, poses = (trials(manifest, mode, "later", everywhere) for mode in MODES)
    assert {trial.source for trial in backgrounds} == set(later.photos)
    assert sorted((trial.source.name, trial.reference.name) for trial in heads if trial.reference) == sorted(
        later.heads
    )
    assert len(poses) == len(later.poses)
    for trial in poses:
        assert isinstance(trial.config, PoseChangeConfig)
        wanted = trial.config.target_pose if trial.reference is None else trial.reference.name
        assert (trial.source.name, wanted) in later.poses


@pytest.mark.parametrize("part", PARTS)
def test_a_part_needs_all_that_is_tried_in_it_and_nobody_of_another(
    part: Part, manifest: Manifest, tmp_path: Path
) -> None:
    needed = manifest.needed([part])
    for file in needed:
        file.within(tmp_path).touch()
    tried_in = {other for other, _ in tried(manifest, tmp_path)}
    assert tried_in == {part}
    assert {photo for photo in manifest.everybody if photo.part == part} <= set(needed)
    assert (set(manifest.backgrounds) <= set(needed)) is (part != "later")


def test_what_is_not_there_is_not_tried(manifest: Manifest, tmp_path: Path) -> None:
    assert not list(tried(manifest, tmp_path))


def row(outcome: str, expected: str = MADE, verdict: Verdict | None = None, blotches: float | None = None) -> Row:
    output, itself = "0" if outcome == "done" else None, blotches is not None
    return Row("a", "HEAD_SWAP", expected, outcome, None, 1.0, output, {"blotches": blotches}, verdict, itself)


def test_shares_are_of_what_was_made_and_false_refusals_of_what_should_have_been() -> None:
    told = numbers(
        [
            row("done", verdict="sellable"),
            row("done", verdict="garbage"),
            row("POSE_EXTRACTION_FAILED"),
            row("POSE_EXTRACTION_FAILED", "refused: head turned"),
            row("done", blotches=0.0),
            row("done", blotches=0.2),
        ]
    )
    assert (told.asked, told.made, told.refused) == (4, 2, {"POSE_EXTRACTION_FAILED": 2})
    assert (told.usable, told.usable_of_asked, told.sellable, told.garbage) == (0.5, 0.25, 0.5, 0.5)
    assert told.false_refusals == pytest.approx(1 / 3)
    assert told.untouched == 0.5


def test_no_share_is_told_while_an_outcome_is_unseen() -> None:
    told = numbers([row("done", verdict="sellable"), row("done")])
    assert (told.seen, told.usable, told.garbage) == (1, None, None)
    assert numbers([]).usable is None


def test_verdicts_can_be_read() -> None:
    assert all(outputs for outputs in read_verdicts().values())


def test_disagreement_with_both_models_is_told_and_with_one_is_not() -> None:
    person = np.zeros((200, 200), np.float32)
    person[40:160, 60:140] = 1
    nothing = np.zeros_like(person)
    assert looks.agreement(person, person, person) == {"lost": 0, "added": 0}
    half = person.copy()
    half[:100] = 0
    assert (looks.agreement(half, person, person)["lost"] or 0) > 0.4
    assert looks.agreement(half, person, half)["lost"] == 0
    assert (looks.agreement(person, half, half)["added"] or 0) > 0.3
    assert looks.agreement(person, person, nothing)["added"] == 0


def test_outlines_are_of_photos_for_tuning(manifest: Manifest) -> None:
    assert set(read_outlines()) <= {photo.name for photo in manifest.photos if photo.part == "tuning"}


def test_what_is_otherwise_than_said_is_told_but_for_an_edges_place_and_where_either_is_right() -> None:
    said = np.zeros((80, 60), np.uint8)
    said[20:60, 10:50] = 2
    said[60:70, 10:50] = 1
    file = io.BytesIO()
    Image.fromarray(said).save(file, "PNG")
    outline = base64.b64encode(file.getvalue()).decode()
    alpha = np.zeros((160, 120), np.float32)
    alpha[36:130, 20:100] = 1
    assert misplaced(alpha, outline) == {"misplaced": 0, "largest": 0}
    alpha[40:60, 20:60] = 0
    alpha[0:20, 0:40] = 1
    told = misplaced(alpha, outline)
    assert told["misplaced"] == pytest.approx(0.25, abs=0.03)
    assert told["largest"] == pytest.approx(0.125, abs=0.03)
