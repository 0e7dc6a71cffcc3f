"""`make quality`: every edit over the sample pairs, or over your own, in numbers and pictures.

`python -m tests.quality [DIRECTORY]` judges the samples, or the pairs that `manifest.json` in DIRECTORY lists: each an
object with `mode`, `source`, and if wanted `reference`, `config`, `expected` ("done" or a code), `alpha` (the true
matte, as a picture), `name`, and `known`, the misses that are known, each with its `bound` and its `reason`; paths
begin in DIRECTORY. It writes `quality.json` and a contact sheet per mode into `quality/`, and exits with 1 if an edit
ended otherwise than expected, missed a target, or missed it further than is known.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

import msgspec
from msgspec import Struct

from actors.engines.local.raster import use_threads
from actors.engines.local.runtimes import Runtimes
from schema.models.edits import Mode
from tests.quality.judging import Judge, Verdict
from tests.quality.pairs import ManifestError, Pair, read_manifest
from tests.quality.samples import sample_pairs
from tests.quality.sheets import Tile, write_sheet

OUT = Path("quality")


class Row(Struct, frozen=True):
    """One edit in the report."""

    name: str
    mode: Mode
    expected: str
    outcome: str
    message: str | None
    measures: dict[str, float | None]
    missed: tuple[str, ...]
    known: tuple[str, ...]


def main() -> int:
    """Judge, write, and say how it went; the exit code."""
    parser = argparse.ArgumentParser(
        prog="make quality", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("pairs", nargs="?", type=Path, help="a directory with pictures and a manifest.json")
    parser.add_argument("--out", type=Path, default=OUT, help=f"where to write, if not into {OUT}/")
    arguments = parser.parse_args()
    out: Path = arguments.out
    with tempfile.TemporaryDirectory() as scratch:
        try:
            pairs = sample_pairs(Path(scratch)) if arguments.pairs is None else read_manifest(arguments.pairs)
        except ManifestError as error:
            print(error, file=sys.stderr)
            return 2
        out.mkdir(parents=True, exist_ok=True)
        return _judged(pairs, out)


def _judged(pairs: list[Pair], out: Path) -> int:
    threads = os.cpu_count() or 1
    use_threads(threads)
    judge = Judge(Runtimes(threads))
    rows: list[Row] = []
    for mode in Mode:
        tiles: list[Tile] = []
        for pair in pairs:
            if pair.mode is not mode:
                continue
            verdict = judge.judged(pair)
            row = _row(pair, verdict)
            rows.append(row)
            tiles.append(_tile(row, verdict))
            print(" | ".join((mode, *tiles[-1].lines)), flush=True)
        if tiles:
            good = sum(tile.good for tile in tiles)
            write_sheet(out / f"{mode.lower()}.jpg", f"{mode}: {good} of {len(tiles)} as expected", tiles)
    (out / "quality.json").write_bytes(msgspec.json.format(msgspec.json.encode(rows), indent=1) + b"\n")
    bad = [row for row in rows if row.missed]
    known = sum(bool(row.known) for row in rows)
    print(
        f"\n{len(rows) - len(bad)} of {len(rows)} as expected, {known} of them with a known miss; "
        f"pictures and numbers are in {out}/"
    )
    return 1 if bad else 0


def _row(pair: Pair, verdict: Verdict) -> Row:
    ended = verdict.outcome, verdict.message, verdict.measures, verdict.missed, verdict.known
    return Row(pair.name, pair.mode, pair.expected, *ended)


def _tile(row: Row, verdict: Verdict) -> Tile:
    told = ", ".join(f"{name} {value:.3g}" for name, value in row.measures.items() if value is not None)
    ending = row.outcome if row.outcome == row.expected else f"{row.outcome} instead of {row.expected}"
    missed = f"missed: {', '.join(row.missed)}" if row.missed else ""
    known = f"known: {', '.join(row.known)}" if row.known else ""
    last = missed or known or row.message or ""
    return Tile(verdict.pictures, (row.name, f"{ending} {told}".strip(), last), not row.missed)


if __name__ == "__main__":
    sys.exit(main())
