"""`make quality-wild`: every edit over photos of strangers, in numbers and sheets to look at.

It gathers the photos that the manifest lists into a cache (rights in them are mostly stated nowhere, so none is
committed), makes the edits of one part of them or all, and writes numbers and contact sheets. Look at the sheets,
judge by the rubric in docs/quality.md, and keep what you say with `--verdicts FILE`, lines of a trial's name and a
verdict; only outcomes that somebody has looked at count.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import msgspec
import numpy as np
from msgspec import structs
from PIL import Image

from actors.engines.local.arrays import Rgb8
from actors.engines.local.brought.running import brought_by
from actors.engines.local.raster import use_threads
from schema.models.edits import Mode
from tests.quality.sheets import Tile, write_sheet
from tests.quality.wild.gathering import gathered
from tests.quality.wild.making import Ended, RememberingRuntimes, ended
from tests.quality.wild.manifest import PARTS, Part, read_manifest
from tests.quality.wild.scenes import measured_scenes
from tests.quality.wild.trials import Trial, trials
from tests.quality.wild.verdicts import VERDICTS, Row, Verdict, numbers, read_verdicts

_ON_A_SHEET = 12
_SIDE = 190


def main() -> int:
    """Gather, try, write, tell; the exit code."""
    parser = argparse.ArgumentParser(
        prog="make quality-wild", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--mode", choices=["alpha", *(mode.value.lower() for mode in Mode)], action="append")
    parser.add_argument("--part", choices=PARTS, action="append")
    parser.add_argument("--only", help="trials whose name begins so")
    parser.add_argument("--most", type=int, help="so many trials of a mode and part at most: the first by hash")
    parser.add_argument("--cache", type=Path, default=Path("quality/wild"), help="where photos are kept")
    parser.add_argument("--out", type=Path, help="where to write, if not into the cache")
    parser.add_argument("--verdicts", type=Path, help="lines of a trial and a verdict on what the last run made of it")
    arguments = parser.parse_args()
    cache: Path = arguments.cache
    out: Path = arguments.out or cache / "out"
    photos = cache / "photos"
    manifest = read_manifest()
    parts: tuple[Part, ...] = arguments.part or PARTS
    needed = manifest.needed(parts)
    have = gathered(needed, photos)
    print(f"{len(have)} of {len(needed)} pictures are in {photos}/", flush=True)
    threads = os.cpu_count() or 1
    use_threads(threads)
    runtimes = RememberingRuntimes(threads, cache / "networks")
    brought_by(runtimes)
    for part in parts:
        for mode in arguments.mode or ["alpha", *(mode.value.lower() for mode in Mode)]:
            where = out / part / mode
            where.mkdir(parents=True, exist_ok=True)
            if mode == "alpha":
                told = measured_scenes(manifest, part, photos, runtimes, where)
                (where / "numbers.json").write_bytes(msgspec.json.format(msgspec.json.encode(told), indent=1))
                continue
            wanted = trials(manifest, Mode(mode.upper()), part, photos)
            if arguments.only:
                wanted = [trial for trial in wanted if trial.name.startswith(arguments.only)]
            wanted = wanted[: arguments.most]
            if arguments.verdicts is not None:
                _keep(wanted, where, arguments.verdicts)
                continue
            _try(wanted, photos, runtimes, where, part)
    return 0


def _try(wanted: list[Trial], photos: Path, runtimes: RememberingRuntimes, where: Path, part: Part) -> None:
    """Try all of `wanted`, a sheet at a time; each sheet brings the numbers up to date."""
    said = read_verdicts()
    rows: list[Row] = []
    for first in range(0, len(wanted), _ON_A_SHEET):
        tiles: list[Tile] = []
        for trial in wanted[first : first + _ON_A_SHEET]:
            seen = ended(trial, photos, runtimes)
            verdict = said.get(f"{trial.mode.value} {trial.name}", {}).get(seen.output or "")
            ending = seen.outcome, seen.message, round(seen.seconds, 2), seen.output, seen.measures, verdict
            row = Row(trial.name, trial.mode.value, trial.expected, *ending, trial.itself)
            rows.append(row)
            _save(where, trial, seen)
            tiles.append(_tile(row, seen))
            print(" | ".join((row.mode, *tiles[-1].lines)), flush=True)
        title = f"{wanted[0].mode.value}, {part}"
        write_sheet(where / f"sheet-{first // _ON_A_SHEET:02d}.png", title, tiles, side=_SIDE)
        _report(rows, where)
    told = msgspec.json.encode(numbers(rows)).decode()
    print(f"\n{part}: {told}\nSheets, pictures and numbers are in {where}/", flush=True)


def _report(rows: list[Row], where: Path) -> None:
    report = {"numbers": numbers(rows), "trials": rows}
    (where / "numbers.json").write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")


def _save(where: Path, trial: Trial, seen: Ended) -> None:
    """Keep every picture of a trial beside each other, to look closer."""
    shown = [picture for picture in seen.pictures if picture is not None]
    height = max(picture.shape[0] for picture in shown)
    strip: Rgb8 = np.full((height, sum(picture.shape[1] + 8 for picture in shown), 3), 255, np.uint8)
    left = 0
    for picture in shown:
        strip[: picture.shape[0], left : left + picture.shape[1]] = picture
        left += picture.shape[1] + 8
    Image.fromarray(strip).save(where / f"{trial.name}.png", compress_level=1)


def _tile(row: Row, seen: Ended) -> Tile:
    told = ", ".join(f"{name} {value:.3g}" for name, value in row.measures.items() if value is not None)
    good = row.outcome == "done" or row.expected != "made"
    shown = seen.pictures[:3]
    if row.mode == Mode.BACKGROUND_CHANGE.value:
        shown = (*seen.pictures[:2], *seen.pictures[4:])
    return Tile(shown, (f"{row.name} {row.expected}", f"{row.outcome} {told}", row.message or ""), good)


def _keep(wanted: list[Trial], where: Path, said: Path) -> None:
    """Add what `said` tells of the outcomes of the last run to the verdicts, and bring its numbers up to date."""
    report = msgspec.json.decode((where / "numbers.json").read_bytes())
    known = {trial.name: trial for trial in wanted}
    rows = {
        row.name: structs.replace(row, expected=known[row.name].expected, itself=known[row.name].itself)
        for row in msgspec.convert(report["trials"], list[Row])
        if row.name in known
    }
    kept = read_verdicts()
    for name, verdict in _lines(said):
        row = rows.get(name)
        if row is None or row.output is None:
            print(f"{name}: no outcome in {where}", file=sys.stderr)
            continue
        kept.setdefault(f"{row.mode} {name}", {})[row.output] = verdict
    ordered = {name: dict(sorted(kept[name].items())) for name in sorted(kept)}
    VERDICTS.write_bytes(msgspec.json.format(msgspec.json.encode(ordered), indent=1) + b"\n")
    told = [
        structs.replace(row, verdict=kept.get(f"{row.mode} {name}", {}).get(row.output or ""))
        for name, row in rows.items()
    ]
    _report(told, where)
    print(msgspec.json.encode(numbers(told)).decode())


def _lines(path: Path) -> Iterator[tuple[str, Verdict]]:
    for line in path.read_text().splitlines():
        if not line.strip():
            continue
        name, verdict = line.split()
        try:
            yield name, msgspec.convert(verdict, Verdict)
        except msgspec.ValidationError:
            raise SystemExit(f"{path}: {verdict} isn't one of {', '.join(get_args(Verdict))}") from None


if __name__ == "__main__":
    sys.exit(main())
