"""The report of an import or a comparison as JSON, written as it goes: it may be long."""

from typing import Any, BinaryIO

import msgspec

from service.legacy.telling import Finding


class ReportFile:
    """Takes findings one by one, and the summary at the end."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._file.write(b'{\n"findings": [')
        self._empty = True

    def phase(self, name: str, total: int | None) -> None: ...

    def advance(self, records: int) -> None: ...

    def find(self, finding: Finding) -> None:
        self._file.write((b"\n" if self._empty else b",\n") + msgspec.json.encode(finding))
        self._empty = False

    def finish(self, summary: Any) -> None:
        """Write the summary: only then it is JSON."""
        self._file.write(b'\n],\n"summary": ' + msgspec.json.format(msgspec.json.encode(summary), indent=2) + b"\n}\n")
