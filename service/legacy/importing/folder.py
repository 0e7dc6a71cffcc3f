"""The old system's folder of uploads and results: what lies where. Nothing outside of it is ever read."""

import os
import re
from collections.abc import Generator
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from schema.identifiers import is_id

_BEFORE_PATH: Final = re.compile(r"^(?:[A-Za-z][A-Za-z0-9+.-]*:)?//[^/?#]*")
_UPLOAD: Final = re.compile(r"(?:file|img)_[A-Za-z0-9_-]+", re.ASCII)


class Folder:
    """A directory, as the old service keeps it: uploads are named after their id, wherever they lie."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    def files(self) -> Generator[tuple[str, Path]]:
        """Every file whose name, without its ending, is an id; links are not followed."""
        for directory, folders, names in os.walk(self._root, followlinks=False):
            folders.sort()
            for name in sorted(names):
                path = Path(directory, name)
                if is_id(path.stem) and path.is_file() and not path.is_symlink():
                    yield path.stem, path

    def find(self, address: str) -> Path | None:
        """The file that the old system serves under a path such as `/results/a/output.jpg`, or a URL with it."""
        path = unquote(path_of(address)).lstrip("/")
        for candidate in (path, path.partition("/")[2]):
            try:
                found = (self._root / candidate).resolve()
                if candidate and found.is_relative_to(self._root) and found.is_file():
                    return found
            except (OSError, ValueError):  # a name that no file can have
                continue
        return None

    def name_of(self, path: Path) -> str:
        """The path below the folder, for people."""
        return path.relative_to(self._root).as_posix()


def path_of(address: str) -> str:
    """The path in an old address, as it is written there, from its one slash on."""
    return "/" + _BEFORE_PATH.sub("", address).partition("?")[0].partition("#")[0].lstrip("/")


def is_upload(file_id: str) -> bool:
    """Whether an id is one of an upload, whoever may have used it."""
    return _UPLOAD.fullmatch(file_id) is not None
