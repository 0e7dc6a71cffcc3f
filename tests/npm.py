"""npm, with what the pages are built and looked at with."""

import fcntl
import shutil
import subprocess
from functools import cache

import pytest

from service.http.pages.serving import BUILT

SOURCE = BUILT.parent
MODULES = SOURCE / "node_modules"


@cache
def npm() -> str:
    """The command, once the packages are installed; the test is skipped where there is none."""
    found = shutil.which("npm")
    if found is None:
        pytest.skip("the Debian package npm is missing")
    with (SOURCE / "package-lock.json").open() as lock:
        # Other processes of this run may be at it.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (MODULES / ".package-lock.json").exists():
            subprocess.run([found, "ci", "--silent"], cwd=SOURCE, check=True)
    return found
