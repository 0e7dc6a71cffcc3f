"""How good a pose change is, in numbers.

`python -m tests.quality.pose [DIRECTORY]` changes every cut-out of the samples into every preset and every other's
pose, on a plain and on a photographic background, prints a line each and a summary, and keeps the pictures in
DIRECTORY.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from msgspec import Struct
from PIL import Image, ImageFilter

from actors.engines.local.arrays import Mask, Rgb8, as_rgb
from actors.engines.local.perception.pose import pose
from actors.engines.local.posing import edit
from actors.engines.local.posing.checking import Match, compared
from actors.engines.local.posing.skeleton import Doubles, joints
from actors.engines.local.raster import components, lab, resized, use_threads
from actors.engines.local.runtimes import Runtimes
from actors.engines.local.steps import Steps
from actors.engines.seam import EngineError
from schema.models.edits import POSE_PRESETS, PoseChangeConfig, Size

SAMPLES = Path(__file__).parents[2] / "samples"
SIZE = (1024, 1536)
_FAR = 12.0
"""L*a*b* units from every colour the person had: such a pixel isn't theirs."""


class Measures(Struct):
    """What is told of an outcome. Targets: match.found >= 0.9, match.mean_angle <= 8, foreign small, holes 0."""

    match: Match
    foreign: float
    holes: int
    seconds: float


def photo(name: str, background: Path | None) -> Image.Image:
    """A cut-out of the samples, enlarged and softened, on a photo or on a grey wall."""
    with Image.open(SAMPLES / "cutouts" / f"{name}.png") as file:
        person = file.convert("RGBa")
    scale = min(0.8 * SIZE[0] / person.width, 0.78 * SIZE[1] / person.height)
    person = person.resize((round(person.width * scale), round(person.height * scale)), Image.Resampling.LANCZOS)
    coverage = person.convert("RGBA").getchannel("A").filter(ImageFilter.GaussianBlur(2))
    canvas = Image.new("RGB", SIZE, (188, 194, 199))
    if background is not None:
        with Image.open(background) as file:
            behind = file.convert("RGB")
        cover = max(SIZE[0] / behind.width, SIZE[1] / behind.height)
        behind = behind.resize((round(behind.width * cover) + 1, round(behind.height * cover) + 1))
        canvas.paste(behind.crop((0, 0, *SIZE)))
    place = (SIZE[0] - person.width) // 2, round(0.93 * SIZE[1]) - person.height
    canvas.paste(person.convert("RGBA").convert("RGB"), place, coverage)
    return canvas


def foreign_share(before: Rgb8, was: Mask, after: Rgb8, now: Mask) -> float:
    """The share of the figure's pixels whose colour the person had nowhere; masks (h, w) of the figure's inside."""
    own = lab(as_rgb(before))[was].astype(np.float64)
    seen = lab(as_rgb(after))[now].astype(np.float64)
    step = _FAR / 2
    known = {tuple(cell) for cell in np.unique(np.round(own / step).astype(int), axis=0)}
    cells, counts = np.unique(np.round(seen / step).astype(int), axis=0, return_counts=True)
    around = [(light, a, b) for light in (-1, 0, 1) for a in (-1, 0, 1) for b in (-1, 0, 1)]
    strange = [
        not any((int(c[0]) + light, int(c[1]) + a, int(c[2]) + b) in known for light, a, b in around) for c in cells
    ]
    return float(counts[np.array(strange)].sum() / max(counts.sum(), 1))


def _silent(percent: int, words: str) -> None:
    """Tell nobody of a step."""
    assert words
    assert percent <= 100


def measured(source: Path, reference: Path | None, preset: str | None, runtimes: Runtimes) -> tuple[Measures, Rgb8]:
    """Make one edit and measure it, also one that its own check would refuse.

    Raises:
        EngineError: it was refused before.
    """
    kept: dict[str, Doubles] = {}

    def keep(picture: Rgb8, wanted: Doubles, _: Runtimes) -> None:
        assert picture.ndim == 3
        kept["wanted"] = wanted

    original, edit._check = edit._check, keep  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - measured here instead
    try:
        started = time.process_time()
        steps = Steps(edit.PLAN, _silent, lambda: False)
        config = PoseChangeConfig(size=Size.LARGE, target_pose=preset)
        made = edit.change_pose(source, reference, config, 40_000_000, runtimes, steps)
        seconds = time.process_time() - started
    finally:
        edit._check = original  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - as above
    before, after = made.before.image, made.outcome.colours
    was, now = pose(before, runtimes), pose(after, runtimes)
    if was is None or now is None:
        return Measures(Match(0, 180, 180), 1, 0, seconds), after
    inside = now.silhouette > 0.8
    return Measures(
        compared(joints(now.points), kept["wanted"]),
        foreign_share(before, was.silhouette > 0.5, after, inside),
        _holes(inside),
        seconds,
    ), after


def _holes(inside: Mask) -> int:
    """Pixels of small openings in a silhouette."""
    _, stats = components(~inside)
    areas = stats[1:, 4]
    return int(areas[areas < 2e-4 * inside.size].sum())


def pairs() -> Iterator[tuple[str, str, bool]]:
    """Source, wanted pose, and whether that is a preset."""
    names = sorted(path.stem for path in (SAMPLES / "cutouts").glob("*.png"))
    for name in names:
        yield from ((name, preset, True) for preset in POSE_PRESETS)
        yield from ((name, other, False) for other in names if other != name)


def main(directory: Path | None) -> None:
    use_threads(2)
    runtimes = Runtimes(2)
    told: list[Measures] = []
    refused = failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        for background in (None, SAMPLES / "background_china.jpg"):
            files = {path.stem: Path(scratch) / f"{path.stem}.png" for path in (SAMPLES / "cutouts").glob("*.png")}
            for name, path in files.items():
                photo(name, background).save(path, compress_level=1)
            for name, wanted, is_preset in pairs():
                try:
                    measures, picture = measured(
                        files[name], None if is_preset else files[wanted], wanted if is_preset else None, runtimes
                    )
                except EngineError as error:
                    refused += 1
                    print(f"{name:18} {wanted:18} refused: {error.details.get('reason', error.code)}")
                    continue
                good = measures.match.good
                failed += not good
                if good:
                    told.append(measures)
                match = measures.match
                print(
                    f"{name:18} {wanted:18} {'accepted' if good else 'refused by its check'} PCK {match.found:.2f} "
                    f"angle {match.mean_angle:.1f} foreign {measures.foreign:.3f} holes {measures.holes} "
                    f"{measures.seconds:.1f} s"
                )
                if directory is not None and good:
                    directory.mkdir(parents=True, exist_ok=True)
                    kind = "plain" if background is None else "photo"
                    Image.fromarray(resized(picture, 512, 768)).save(
                        directory / f"{name}_{'preset' if is_preset else 'like'}_{wanted}_{kind}.png"
                    )
    print(
        f"accepted {len(told)}, refused {refused}, refused by its own check {failed}; of the accepted in the mean: "
        f"PCK {np.mean([m.match.found for m in told]):.3f}, angle {np.mean([m.match.mean_angle for m in told]):.2f}, "
        f"foreign {np.mean([m.foreign for m in told]):.4f}, holes {np.mean([m.holes for m in told]):.1f}, "
        f"{np.mean([m.seconds for m in told]):.2f} s of CPU"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
