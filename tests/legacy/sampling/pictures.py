"""Uploads and results on disk, as the old service keeps them: real pictures; broken ones, shared ones, nobody's.

Tasks that wait have photos with which they can be made.
"""

import io
from pathlib import Path
from typing import Final

from msgspec import Struct
from PIL import Image

from tests.legacy.sampling.drafts import TaskDraft

_RUN = 33
"""Tasks come in runs of so many, of which the second shares the first one's source; the first few get files."""
_WITH_FILES = 4
_MOST = 2_000
_NOBODYS = 5
_SAMPLES: Final = Path(__file__).parents[3] / "samples"
_SOURCES: Final = {
    "HEAD_SWAP": "hopper.jpg",
    "BACKGROUND_CHANGE": "hopper.jpg",
    "POSE_CHANGE": "man_standing.jpg",
}
_REFERENCES: Final = {
    "HEAD_SWAP": "astronaut.jpg",
    "BACKGROUND_CHANGE": "background_china.jpg",
    "POSE_CHANGE": "figure_arms_raised.jpg",
}
"""What may stand for a waiting task's photos, by its mode."""


class FilesWritten(Struct, frozen=True):
    """What is on disk. Paths are relative to the directory."""

    uploads: int
    results: int
    owners: dict[str, list[str]]
    """Upload's file id: the users of the tasks with it that must be imported. Empty: only tasks of nobody have it."""
    unused: list[str]
    """File ids of uploads that no task has."""
    not_images: list[str]
    truncated: list[str]
    missing: list[str]
    """Named by a task, but not there."""


class Pictures:
    """Writes the files of some 2,000 of a sample's tasks."""

    def __init__(self, directory: Path, tasks: int) -> None:
        self._directory = directory
        self._every = max(1, tasks * _WITH_FILES // (_RUN * _MOST))
        self._jpegs = [_picture(n, "JPEG") for n in range(6)]
        self._pngs = [_picture(n, "PNG") for n in range(2)]
        self._count = 0
        self._uploads = 0
        self._results = 0
        self._there: set[str] = set()
        self._photos: dict[str, Path] = {}
        self._with_photo: set[str] = set()
        self._owners: dict[str, set[str]] = {}
        self._not_images: list[str] = []
        self._truncated: list[str] = []
        self._missing: list[str] = []

    def add(self, draft: TaskDraft, *, counts: bool) -> None:
        """Write a task's files, if it is one of those that have any."""
        if draft.status in {"pending", "processing"}:
            self._uploads += self._photo(draft, draft.source_image, _SOURCES[draft.mode], counts=counts)
            if draft.reference_image is not None:
                self._uploads += self._photo(draft, draft.reference_image, _REFERENCES[draft.mode], counts=counts)
            return
        run, place = divmod(draft.index, _RUN)
        if place >= _WITH_FILES or run % self._every:
            return
        for name in filter(None, (draft.source_image, draft.reference_image)):
            file_id = name.decode()
            if file_id not in self._there:
                self._there.add(file_id)
                self._uploads += self._write(f"uploads/{file_id}", unique=self._count % 3 != 0)
            if counts:
                owners = self._owners.setdefault(file_id, set())
                if draft.user_id is not None:
                    owners.add(draft.user_id)
        if draft.status == "done" and counts:
            task_id = draft.task_id.decode()
            for name in ("output", "thumbnail", "comparison"):
                ending = ".png" if f"{name}.png".encode() in draft.fields.get(b"result", b"") else ".jpg"
                self._results += self._write(f"results/{task_id}/{name}{ending}", unique=True)

    def _photo(self, draft: TaskDraft, name: bytes, sample: str, *, counts: bool) -> bool:
        """A photo for a task that is still to be made; all of them are one file. Whether it is a new one."""
        file_id = name.decode()
        if counts:
            owners = self._owners.setdefault(file_id, set())
            if draft.user_id is not None:
                owners.add(draft.user_id)
        if file_id in self._with_photo:
            return False
        self._with_photo.add(file_id)
        path = self._directory / "uploads" / f"{file_id}.jpg"
        there = self._take_away(file_id) if file_id in self._there else False
        self._there.add(file_id)
        path.unlink(missing_ok=True)  # of a sample before this one, and perhaps one file with others
        if sample in self._photos:
            path.hardlink_to(self._photos[sample])
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes((_SAMPLES / sample).read_bytes())
            self._photos[sample] = path
        return not there

    def _take_away(self, file_id: str) -> bool:
        """An upload that an ended task brought, sound or not; whether there was one."""
        names = {f"uploads/{file_id}.jpg", f"uploads/{file_id}.png"}
        there = names.isdisjoint(self._missing)
        for listed in (self._not_images, self._truncated, self._missing):
            listed[:] = [name for name in listed if name not in names]
        for name in names:
            (self._directory / name).unlink(missing_ok=True)
        return there

    def finish(self) -> FilesWritten:
        """Write what is nobody's, and tell what there is."""
        unused = [f"file_1700000000_none{n:02d}" for n in range(_NOBODYS)]
        for name in unused:
            self._uploads += self._write(f"uploads/{name}", unique=True, sound=True)
        return FilesWritten(
            self._uploads,
            self._results,
            {name: sorted(users) for name, users in self._owners.items()},
            unused,
            self._not_images,
            self._truncated,
            self._missing,
        )

    def _write(self, stem: str, *, unique: bool, sound: bool = False) -> bool:
        """Write a file, broken if its turn has come; whether it is there."""
        self._count += 1
        is_png = stem.endswith(".png") or (stem.startswith("uploads/") and self._count % 5 == 0)
        content = self._pngs[self._count % 2] if is_png else self._jpegs[self._count % 6]
        if unique and not is_png:
            content = _with_comment(content, stem.encode())
        name = stem if "." in stem.rpartition("/")[2] else f"{stem}.{'png' if is_png else 'jpg'}"
        match 0 if sound else self._count % 40:
            case 13:
                self._missing.append(name)
                return False
            case 23:
                self._not_images.append(name)
                content = "这不是图片".encode()
            case 33:
                self._truncated.append(name)
                content = content[: len(content) // 2]
            case _:
                pass
        path = self._directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_bytes(content)
        return True


def _picture(number: int, kind: str) -> bytes:
    gradient = Image.linear_gradient("L").resize((160 + 16 * number, 120))
    written = io.BytesIO()
    Image.merge("RGB", (gradient, gradient.rotate(90 * number), gradient.rotate(180))).save(written, kind)
    return written.getvalue()


def _with_comment(jpeg: bytes, text: bytes) -> bytes:
    """The same picture in a file of its own."""
    return jpeg[:2] + b"\xff\xfe" + (len(text) + 2).to_bytes(2) + text + jpeg[2:]
