"""The report of an import or a comparison as a JSON file, written as it goes: it may be long."""

import os
from pathlib import Path
from typing import Any, Self

import msgspec

from service.legacy.telling import Finding


class ReportFile:
    """Takes findings one by one; the file is there, whole, once it was finished."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._partial = path.with_name(f"{path.name}.partial")
        self._file = self._partial.open("wb")
        self._file.write(b'{\n"findings": [')
        self._empty = True

    def phase(self, name: str, total: int | None) -> None: ...

    def advance(self, records: int) -> None: ...

    def find(self, finding: Finding) -> None:
        self._file.write((b"\n" if self._empty else b",\n") + msgspec.json.encode(finding))
        self._empty = False

    def finish(self, summary: Any) -> None:
        """Write the summary, and put the file in its place."""
        self._file.write(b'\n],\n"summary": ' + msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n}\n")
        self._file.close()
        os.replace(self._partial, self._path)  # noqa: PTH105 - the other name for it takes the same

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """What was written before an interruption stays beside the place, as F.partial."""
        self._file.close()
