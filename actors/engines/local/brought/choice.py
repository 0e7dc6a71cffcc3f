"""Which models an operator brings, and whether they can be used. Nothing native is imported here."""

import os
import subprocess
import sys
from enum import StrEnum
from pathlib import Path

_CHECK_SECONDS = 300


class Kind(StrEnum):
    """What a model is brought for."""

    MATTE = "matte"
    INPAINT = "inpaint"

    @property
    def variable(self) -> str:
        """The setting that names its file."""
        return f"MODEL_{self.value.upper()}"


class UnusableModelError(Exception):
    """A model that was brought can't be used; the message is one line for an operator."""


def chosen() -> dict[Kind, Path]:
    """The files that the environment names."""
    return {kind: Path(named) for kind in Kind if (named := os.environ.get(kind.variable))}


def what_is_wrong(kind: Kind, path: Path) -> str | None:
    """One line that says why a file is no model of this kind; None if it is one. It is run once, in another process."""
    try:
        done = subprocess.run(  # noqa: S603 - this very program
            [sys.executable, "-m", "actors.engines.local.brought", kind, str(path)],
            capture_output=True,
            text=True,
            check=False,
            timeout=_CHECK_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return f"{path} takes more than {_CHECK_SECONDS} s for one picture"
    if done.returncode == 0:
        return None
    lines = done.stderr.strip().splitlines()
    return lines[-1] if done.returncode == 1 and lines else f"{path} ends the process that loads it"


def demand_usable() -> None:
    """Raises UnusableModelError, naming the variable: a chosen model can't be used. Takes as long as running each."""
    for kind, path in chosen().items():
        if wrong := what_is_wrong(kind, path):
            raise UnusableModelError(f"{kind.variable} can't be used: {wrong}")
