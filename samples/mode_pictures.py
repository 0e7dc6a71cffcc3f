"""`make mode-pictures`: what /modes shows of each mode and preset, into service/http/pictures.

Backdrops are drawn by the code that draws them in edits, figures are their photos, poses are drawn from their key
points, and each mode's example is an edit of sample photos. Run it again when one of them has changed; a mode's name
makes its example alone.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from actors.engines.local import posing
from actors.engines.local.background.presets import preset
from actors.engines.local.head.figures import figure_path
from schema.models.edits import BACKGROUND_PRESETS, FIGURE_PRESETS, POSE_PRESETS, Mode
from service.http.pictures import AFTER, BEFORE, DIRECTORY, SOURCE, picture_name

SAMPLES = Path(__file__).parent
THUMBNAIL = (240, 300)
EXAMPLE = (560, 700)

EXAMPLES: dict[Mode, tuple[str, dict[str, str], tuple[float, float]]] = {
    Mode.HEAD_SWAP: ("astronaut.jpg", {"figure_preset": "officer", "quality": "ultra"}, (0.5, 0.3)),
    Mode.BACKGROUND_CHANGE: (
        "portrait_face_paint.jpg",
        {"background_preset": "sunset", "quality": "ultra"},
        (0.5, 0.5),
    ),
    Mode.POSE_CHANGE: ("man_standing.jpg", {"target_pose": "hands_on_hips", "quality": "ultra"}, (0.5, 0.5)),
}
"""By mode: source, config, and the middle of what is shown, as shares of the picture."""

HEAD_OF_SOURCE = (110, 0, 340, 230)
"""Pixels of the astronaut's photo."""

TORSO = ("left_shoulder", "right_shoulder", "right_hip", "left_hip")
LIMBS = (
    ("left_shoulder", "left_elbow", "left_wrist"),
    ("right_shoulder", "right_elbow", "right_wrist"),
    ("left_hip", "left_knee", "left_ankle"),
    ("right_hip", "right_knee", "right_ankle"),
)
SCALE = 32
"""With it every pose there is fits."""
SKIN = "#b08968"
"""Seen on white and on black."""


def figure_svg(points: dict[str, list[float]]) -> str:
    """A pose as a figure of round strokes; key points are in units of the torso's height, y downwards."""
    at = {name: (60 + SCALE * x, 82 + SCALE * y) for name, (x, y, _) in points.items()}

    def path(*names: str, close: bool = False) -> str:
        return "M" + "L".join(f"{at[name][0]:.1f} {at[name][1]:.1f}" for name in names) + ("Z" if close else "")

    ears = [at["left_ear"], at["right_ear"]]
    x, y = (sum(ear[axis] for ear in ears) / 2 for axis in (0, 1))
    limbs = "".join(path(*limb) for limb in LIMBS)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 150">'
        f'<g fill="{SKIN}" stroke="{SKIN}" stroke-linecap="round" stroke-linejoin="round">'
        f'<path d="{path(*TORSO, close=True)}" stroke-width="8"/>'
        f'<path d="{limbs}" fill="none" stroke-width="7.5"/>'
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="8" stroke="none"/></g></svg>\n'
    )


def cropped(picture: Image.Image, size: tuple[int, int], middle: tuple[float, float] = (0.5, 0.5)) -> Image.Image:
    """The part of a picture with the shape of `size`, around `middle`, in that size at most."""
    width = min(picture.width, picture.height * size[0] / size[1])
    height = width * size[1] / size[0]
    left = min(max(middle[0] * picture.width - width / 2, 0), picture.width - width)
    top = min(max(middle[1] * picture.height - height / 2, 0), picture.height - height)
    box = (left, top, left + width, top + height)
    scale = min(1, size[0] / width)
    return picture.convert("RGB").resize((round(width * scale), round(height * scale)), Image.Resampling.LANCZOS, box)


def save(picture: Image.Image, mode: Mode, what: str, quality: int = 78) -> None:
    picture.save(DIRECTORY / f"{picture_name(mode, what)}.webp", quality=quality, method=6)


def draw_presets() -> None:
    for name in BACKGROUND_PRESETS:
        backdrop = (preset(name, *THUMBNAIL).image * 255).round().astype(np.uint8)
        save(Image.fromarray(backdrop), Mode.BACKGROUND_CHANGE, name)
    for name in FIGURE_PRESETS:
        with Image.open(figure_path(name)) as figure:
            # Whole: the page lays it beside what was made on it.
            figure.thumbnail((480, 600))
            save(figure.convert("RGB"), Mode.HEAD_SWAP, name)
    for name in POSE_PRESETS:
        (directory,) = posing.__path__
        pose = json.loads((Path(directory) / "presets" / f"{name}.json").read_text())
        target = DIRECTORY / f"{picture_name(Mode.POSE_CHANGE, name)}.svg"
        target.write_text(figure_svg(pose["key_points"]))


def make_examples(modes: list[Mode]) -> None:
    for mode in modes:
        source, config, middle = EXAMPLES[mode]
        photo = SAMPLES / source
        made = edited(mode, photo, config)
        with Image.open(photo) as original:
            if mode is Mode.HEAD_SWAP:
                with Image.open(figure_path(config["figure_preset"])) as figure:
                    save(cropped(figure, EXAMPLE, middle), mode, BEFORE)
                save(cropped(original.crop(HEAD_OF_SOURCE), (200, 200)), mode, SOURCE)
            else:
                save(cropped(original, EXAMPLE, middle), mode, BEFORE)
        save(cropped(made, EXAMPLE, middle), mode, AFTER)


def edited(mode: Mode, source: Path, config: dict[str, str]) -> Image.Image:
    with tempfile.TemporaryDirectory() as directory:
        output = Path(directory) / "output"
        command = [sys.executable, "-m", "service.cli.main", "edit", mode, source, "-o", output]
        subprocess.run([*command, "--config", json.dumps(config)], check=True)  # noqa: S603 - our own command
        with Image.open(output) as made:
            return made.copy()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modes", nargs="*", type=Mode, metavar="MODE", help="whose examples are made; all if none")
    asked = parser.parse_args()
    draw_presets()
    make_examples(asked.modes or [*EXAMPLES])
