"""People with a known outline in places from photos: what the edit, plain U²-Net and the selfie model make of them."""

import hashlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean

import numpy as np
from PIL import Image

from actors.engines.local.arrays import Plane, Rgb8
from actors.engines.local.background.edit import PLAN, change_background
from actors.engines.local.perception.saliency import subject
from actors.engines.local.perception.selfie import of_selfies
from actors.engines.local.raster import resized
from actors.engines.local.runtimes import Runtimes
from actors.engines.local.steps import Steps
from actors.engines.seam import EngineError
from schema.models.edits import BackgroundChangeConfig, BackgroundType
from tests.quality import matte
from tests.quality.sheets import Tile, write_sheet
from tests.quality.wild.brought import without_brought
from tests.quality.wild.manifest import File, Manifest, Part

_ON_A_SHEET = 12


def measured_scenes(
    manifest: Manifest, part: Part, cache: Path, runtimes: Runtimes, out: Path
) -> Mapping[str, Mapping[str, Mapping[str, float]]]:
    """For each scene, and each of "ours", "plain" and "selfie", overlap, sad and gradient; "mean" and "worst" too.

    With a model that was brought "ours" is made with it, "default" without it, and "brought" is the model alone.
    """
    told: dict[str, dict[str, dict[str, float]]] = {}
    tiles: list[Tile] = []
    brought = runtimes.matte
    backgrounds = [file for file in manifest.backgrounds if file.within(cache).exists()]
    people_cut = [file for file in manifest.cutouts if file.part == part and file.within(cache).exists()]
    for number, file in enumerate(people_cut):
        behind = min(backgrounds, key=lambda place: hashlib.sha256((file.sha256 + place.sha256).encode()).digest())
        scene = _scene(file, behind, cache, half=number % 3 == 2)
        found = {
            "ours": _ours(scene, runtimes),
            "selfie": of_selfies(scene.image, runtimes),
        }
        with without_brought(runtimes):
            found["plain"] = subject(scene.image, runtimes)
            default = None if brought is None else _ours(scene, runtimes)
        if default is not None:
            found |= {"default": default, "brought": subject(scene.image, runtimes)}
        told[scene.name] = {who: _told(alpha, scene.alpha) for who, alpha in found.items()}
        words = [f"{who} {values['overlap']:.3f} {values['sad']:.1f}" for who, values in told[scene.name].items()]
        shown = (scene.image, _grey(found["ours"]), _grey(found["plain"]))
        tiles.append(Tile(shown, (scene.name, ", ".join(words)), told[scene.name]["ours"]["overlap"] >= 0.9))
        print(" | ".join(tiles[-1].lines), flush=True)
    for first in range(0, len(tiles), _ON_A_SHEET):
        path = out / f"sheet-{first // _ON_A_SHEET:02d}.png"
        write_sheet(path, f"known alpha, {part}", tiles[first : first + _ON_A_SHEET], side=190)
    if told:
        each = list(told.values())
        everybody = list(each[0])
        told["mean"] = {who: _of(each, who, fmean) for who in everybody}
        told["worst"] = {
            who: {
                name: (min if name == "overlap" else max)(scene[who][name] for scene in each) for name in each[0][who]
            }
            for who in everybody
        }
        print("\nmean ", told["mean"], "\nworst", told["worst"], flush=True)
    return told


def _of(
    each: Sequence[Mapping[str, Mapping[str, float]]], who: str, reduce: Callable[[list[float]], float]
) -> dict[str, float]:
    return {name: reduce([scene[who][name] for scene in each]) for name in each[0][who]}


def _scene(file: File, behind: File, cache: Path, *, half: bool) -> matte.Scene:
    with tempfile.TemporaryDirectory() as directory:
        person = Path(directory) / f"{file.name[:8]}.png"
        with Image.open(file.within(cache)) as opened:
            opened.convert("RGBA").save(person)
        return matte.scene(person, behind.within(cache), half=half)


def _ours(scene: matte.Scene, runtimes: Runtimes) -> Plane:
    """The edit's alpha (h, w); nothing where it is refused."""
    config = BackgroundChangeConfig(background_type=BackgroundType.REMOVE)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "scene.png"
        Image.fromarray(scene.image).save(path, compress_level=1)
        try:
            steps = Steps(PLAN, lambda _percent, _words: None, lambda: False)
            made = change_background(path, None, config, 40_000_000, runtimes, steps)
        except EngineError:
            return np.zeros_like(scene.alpha)
    assert made.outcome.alpha is not None
    return resized(made.outcome.alpha, scene.alpha.shape[1], scene.alpha.shape[0])


def _told(found: Plane, true: Plane) -> dict[str, float]:
    measures = matte.compared(found, true)
    return {"overlap": measures.overlap, "sad": measures.sad, "gradient": measures.gradient}


def _grey(alpha: Plane) -> Rgb8:
    return np.repeat((np.clip(alpha, 0, 1) * 255).astype(np.uint8)[..., None], 3, axis=2)
