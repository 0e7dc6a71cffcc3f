"""How good a pose change is, in numbers."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from msgspec import Struct
from PIL import Image, ImageFilter

from actors.engines.local.arrays import Mask, Rgb8, as_rgb
from actors.engines.local.perception.pose import pose
from actors.engines.local.posing.checking import Match, judged
from actors.engines.local.posing.edit import PLAN, bend
from actors.engines.local.raster import components, lab
from actors.engines.local.runtimes import Runtimes
from actors.engines.local.steps import Steps
from schema.models.edits import POSE_PRESETS, PoseChangeConfig

SAMPLES = Path(__file__).parents[2] / "samples"
SIZE = (1024, 1536)
_MAX_PIXELS = 40_000_000
_FAR = 12.0
"""L*a*b* units from every colour the person had: such a pixel isn't theirs."""
_ON_A_PHOTO = ("arms_raised", "standing_arms_out")
"""These are changed in front of a photo, the others in front of a plain wall."""
_CHANGED = {
    "arms_raised": ("standing_front", "hands_on_hips", "cheering", "one_arm_raised"),
    "dancing": ("arms_raised", "waving", "pointing", "side_step"),
    "standing_arms_out": ("standing_front", "hands_on_hips", "walking", "arms_raised"),
}
"""Who is changed into which presets."""
_UNSUITABLE = ("hand_on_head", "kicking", "referee", "stop")
"""A hand at the head, a leg towards the camera, a head turned away, arms towards the camera."""


class Trial(Struct, frozen=True):
    """One edit to try: `source` and `reference` are names for `photo`; one of `reference` and `preset` is None."""

    name: str
    source: str
    background: Path | None
    reference: str | None
    preset: str | None
    unsuitable: bool = False

    def write(self, directory: Path) -> tuple[Path, Path | None]:
        """Make the pictures of the source and the reference as files in `directory`."""
        source = directory / f"{self.source}_{'plain' if self.background is None else self.background.stem}.png"
        if not source.exists():
            photo(self.source, self.background).save(source, compress_level=1)
        if self.reference is None:
            return source, None
        reference = directory / f"{self.reference}_plain.png"
        if not reference.exists():
            photo(self.reference, None).save(reference, compress_level=1)
        return source, reference


class Measures(Struct, frozen=True):
    """What is told of an outcome. Targets: match.found >= 0.9, match.mean_angle <= 8, foreign small, holes 0."""

    match: Match
    foreign: float
    holes: int
    seconds: float


def trials() -> Iterator[Trial]:
    """The sample people that can be changed, in some presets and in each other's pose, and some that are refused."""
    for name, presets in _CHANGED.items():
        background = SAMPLES / "background_china.jpg" if name in _ON_A_PHOTO else None
        for preset in presets:
            yield Trial(f"{name} + {preset}", name, background, None, preset)
        for other in _CHANGED:
            if other != name:
                yield Trial(f"{name} + {other}", name, background, other, None)
    for name in _UNSUITABLE:
        yield Trial(f"{name} + {POSE_PRESETS[0]}", name, None, None, POSE_PRESETS[0], unsuitable=True)


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


def measured(
    source: Path, reference: Path | None, config: PoseChangeConfig, runtimes: Runtimes
) -> tuple[Measures, Rgb8]:
    """Make one edit and measure it, also one that its own check would refuse: those have not `match.good`.

    Raises:
        EngineError: it was refused before.
    """
    started = time.process_time()
    bending = bend(source, reference, config, _MAX_PIXELS, runtimes, Steps(PLAN, _silent, lambda: False))
    match = judged(bending.picture, bending.wanted, runtimes)
    seconds = time.process_time() - started
    was, now = pose(bending.before.image, runtimes), pose(bending.picture, runtimes)
    if was is None or now is None:
        return Measures(match, 1, 0, seconds), bending.picture
    inside = now.silhouette > 0.8
    foreign = foreign_share(bending.before.image, was.silhouette > 0.5, bending.picture, inside)
    return Measures(match, foreign, _holes(inside), seconds), bending.picture


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


def _holes(inside: Mask) -> int:
    """Pixels of small openings in a silhouette."""
    _, stats = components(~inside)
    areas = stats[1:, 4]
    return int(areas[areas < 2e-4 * inside.size].sum())


def _silent(percent: int, words: str) -> None:
    """Tell nobody of a step."""
    assert words
    assert percent <= 100
