"""What `up` prints once everything answers: where to click, and how to go on."""

import os
import shutil
import sys
from pathlib import Path

from service.up.demo_user import DemoUser


def greeting(url: str, directory: Path, demo_user: DemoUser | None, link: str | None) -> list[str]:
    """Few lines. `link` signs the demo user in; None: it couldn't be made."""
    darkroom, there = _command(), f"--data-dir {_nearby(directory)}"
    lines = ["", f"Darkroom is ready: {url}", ""]
    if demo_user is None:
        lines += [
            f"  Account    {darkroom} user create you@example.com {there}",
            f"  Open       {darkroom} user link you@example.com {there}",
        ]
    else:
        lines += [
            f"  Open       {link or url}",
            "             "
            + ("signs you in as the demo user, once, within 15 minutes" if link else "sign in with its key"),
            f"  Again      {darkroom} user link {demo_user.email} {there}",
            f"  Operate    the same with --operator: {url}/operator",
            f"  API        {url}/docs; the key is in {_nearby(directory / 'demo-user.json')}",
        ]
    return [*lines, "  Stop       Ctrl-C", ""]


def _command() -> str:
    """`darkroom` as whoever reads this can type it."""
    ours = Path(sys.executable).with_name("darkroom")
    return "darkroom" if shutil.which("darkroom") == str(ours) else str(_nearby(ours))


def _nearby(path: Path) -> Path:
    """A path below the working directory, as short as it can be said."""
    here = Path(os.getcwd())  # noqa: PTH109 - what it is called, not where links lead
    return path.relative_to(here) if path.is_relative_to(here) else path
