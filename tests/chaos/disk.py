"""A disk that a test can fill, or close to everybody."""

import os
import subprocess
from contextlib import suppress
from pathlib import Path

from schema.models.problems import FailureCode
from service.files.mark import PREFIX


class Disk:
    """A directory for files that stops taking any, root's included.

    Where mounting is allowed it is a small file system that gets full or read-only. Elsewhere it goes away.
    """

    def __init__(self, root: Path) -> None:
        self.files = root / "files"
        self._root = root
        self._away = root / "away"
        self._ballast = root / "ballast"
        root.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", str(root)]
        self._mounted = os.geteuid() == 0 and subprocess.run(command, check=False, capture_output=True).returncode == 0
        self.files.mkdir()

    @property
    def failure(self) -> FailureCode:
        """How a task ends that met this fault to its last attempt: a directory that is away can't be read either."""
        return FailureCode.RESULT_SAVE_FAILED if self._mounted else FailureCode.PROCESSING_FAILED

    def fill(self) -> None:
        """From here on there is no room for anything."""
        if not self._mounted:
            self.files.rename(self._away)
            return
        with suppress(OSError), self._ballast.open("wb", buffering=0) as ballast:
            while True:
                ballast.write(bytes(512))

    def forbid(self) -> None:
        """From here on nobody may write."""
        if self._mounted:
            self._remount("ro")
        else:
            self.files.rename(self._away)

    def free(self) -> None:
        """It is as it was."""
        if self._mounted:
            self._remount("rw")
            self._ballast.unlink(missing_ok=True)
        elif self._away.exists():
            self._away.rename(self.files)

    def close(self) -> None:
        """The end of it."""
        if self._mounted:
            subprocess.run(["umount", "--lazy", str(self._root)], check=True)

    def _remount(self, how: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{how}", str(self._root)], check=True)

    def blobs(self) -> set[str]:
        """Every file in it: blobs, and what a failed write may have left."""
        found = (path for path in self.files.rglob("*") if path.is_file())
        return {path.name for path in found if not path.name.startswith(PREFIX)}
