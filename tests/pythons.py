"""The interpreters that this machine has, of the versions that Darkroom runs on."""

import os
import shutil
from pathlib import Path

VERSIONS = ("3.11", "3.12", "3.13")


def _found() -> list[Path]:
    kept = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    places = [Path("/usr/bin"), *sorted(kept.glob("*/bin"))]
    named = [place / f"python{version}" for place in places for version in VERSIONS]
    ours = shutil.which("python3")
    return [path for path in named if path.is_file()] or ([Path(ours)] if ours else [])


EVERY_PYTHON = _found()
