"""Uploads and results of the old system become files here: old ids keep working, `/results/...` becomes signed URLs."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from msgspec import Struct, structs

from schema.identifiers import new_id
from schema.models.tasks import LegacyPictures
from service.database import Connection
from service.database.transactions import transactional
from service.files import store as files
from service.files.judging import UnacceptableImage, judge
from service.files.naming import UNNAMED, clean_filename
from service.files.service import LONGEST_ADDRESS, blob_key_of
from service.files.storage import Storage
from service.files.store import NewFile
from service.legacy import store
from service.legacy.importing.folder import Folder, is_upload, path_of
from service.legacy.records import Task
from service.legacy.records.planning import note
from service.legacy.source.batches import ahead
from service.legacy.store import files as file_store
from service.legacy.telling import Finding, Told
from service.legacy.unhurried import unhurried

BATCH: Final = 200
AT_ONCE: Final = 8
"""Files that are stored at the same time."""

KINDS: Final = {"output": "output_image", "thumbnail": "thumbnail", "comparison": "comparison_image"}
"""What a result's picture is here, and how the old system calls it."""

EXAMPLES: Final = 3
"""How many of the results without a picture are named: there may be as many as tasks."""


class Bringing(Struct, frozen=True):
    """From where to where, and what is accepted."""

    directory: Path
    storage: Storage | None
    """None in a dry run, which stores nothing."""
    max_pixels: int


class FilesImport:
    """Brings files along, batch by batch; what is here already is left alone, so it may be repeated."""

    def __init__(self, connection: Connection, bringing: Bringing, told: Told, *, dry_run: bool = False) -> None:
        self._connection = connection
        self._folder = Folder(bringing.directory)
        self._storage = bringing.storage
        self._max_pixels = bringing.max_pixels
        self._told = told
        self._dry_run = dry_run
        self.outcomes = Counter({"uploads": 0, "results": 0, "unchanged": 0, "refused": 0, "missing": 0})
        self._examples: list[str] = []

    async def uploads(self) -> None:
        """Every upload, once for each user whose tasks have it; for the operators if nobody's have."""
        self._told.phase("uploads", None)
        found = self._folder.files()
        async for batch in ahead(iter(lambda: list(islice(found, BATCH)), [])):
            await self._upload_batch(dict(batch))
            self._told.advance(len(batch))

    async def _upload_batch(self, paths: dict[str, Path]) -> None:
        owners = await file_store.users_of_files(self._connection, list(paths))
        marks = [f"{file_id}/{user_id}" for file_id, users in owners.items() for user_id in users]
        rows = await file_store.rows_of_files(self._connection, list(paths), [*paths, *marks])
        wanted: dict[str, list[str | None]] = {}
        for file_id in paths:
            here = rows.get(file_id, {})
            users: list[str | None] = [one for one in owners.get(file_id, ()) if one not in here]
            if not owners.get(file_id) and is_upload(file_id) and not here:
                users = [None]
            if users:
                wanted[file_id] = users
            elif here:
                self.outcomes["unchanged"] += 1
        fresh = {file_id for file_id in wanted if False in rows.get(file_id, {}).values()}
        made = await self._make({one: paths[one] for one in wanted if one not in fresh}, wanted)
        if self._dry_run:
            self.outcomes["uploads"] += len(made) + len(fresh)
            return
        there = {new.file_id for new in made} | fresh
        shared = [(one, user) for one, users in wanted.items() if one in there for user in users if user]
        await _share(self._connection, made, list(there), shared)
        self.outcomes["uploads"] += len(there)

    async def _make(self, paths: dict[str, Path], owners: dict[str, list[str | None]]) -> list[NewFile]:
        """Judge and store uploads; those that are pictures, with their first owner."""
        judged = await self._judge_all(list(paths.values()))
        made = [
            structs.replace(judged[path], file_id=one, user_id=owners[one][0], blob_key=blob_key_of(one))
            for one, path in paths.items()
            if path in judged
        ]
        await self._store_all([(new, paths[new.file_id]) for new in made])
        return made

    async def results(self, planned: AsyncIterator[list[Task]] | None = None) -> None:
        """The pictures of every done task that the old system still serves; in a dry run, also of `planned` ones."""
        self._told.phase("results", None)
        after = ""
        while page := await self._results_after(after):
            after = page[-1].task_id
            await self._result_batch(page)
            self._told.advance(len(page))
        if planned is not None:
            async for tasks in planned:
                await self._result_batch(await self._not_here_yet(tasks))
                self._told.advance(len(tasks))
        if missing := self.outcomes["missing"]:
            named = ", ".join(self._examples)
            words = f"{missing:,} results' pictures are not in the folder, such as those of {named}"
            self._report("results", f"{words}; they keep their old addresses")

    async def _results_after(self, after: str) -> list[file_store.ResultElsewhere]:
        async with unhurried(self._connection):
            return await file_store.results_elsewhere(self._connection, after, BATCH)

    async def _not_here_yet(self, tasks: Sequence[Task]) -> list[file_store.ResultElsewhere]:
        known = await store.known_tasks(self._connection, [task.task_id for task in tasks])
        return [
            file_store.ResultElsewhere(task.task_id, task.user_id, task.result.legacy)
            for task in tasks
            if task.task_id not in known and task.status == "done" and task.result and task.result.legacy
        ]

    async def _result_batch(self, tasks: Sequence[file_store.ResultElsewhere]) -> None:
        found = await asyncio.to_thread(lambda: {task.task_id: self._pictures_of(task.pictures) for task in tasks})
        for task in tasks:
            for kind in task.brought:
                found[task.task_id].pop(kind, None)
        judged = await self._judge_all([path for paths in found.values() for path in paths.values() if path])
        made: dict[str, list[NewFile]] = {}
        stored: list[tuple[NewFile, Path]] = []
        for task in tasks:
            if found[task.task_id].get("output") is None:
                self.outcomes["missing"] += 1
                self._examples = [*self._examples, task.task_id][:EXAMPLES]
            there = {kind: path for kind, path in found[task.task_id].items() if path in judged}
            if there:
                new = {kind: _of_task(judged[path], task, kind) for kind, path in there.items() if path}
                made[task.task_id] = list(new.values())
                stored += [(file, path) for file, path in zip(new.values(), there.values(), strict=True) if path]
        await self._store_all(stored)
        self.outcomes["results"] += len(made)
        if made and not self._dry_run:
            await _bring(self._connection, [task for task in tasks if task.task_id in made], made)

    def _pictures_of(self, pictures: LegacyPictures) -> dict[str, Path | None]:
        """Where a result's pictures lie in the folder, by their kind; None for those that don't."""
        addresses = {kind: getattr(pictures, name) for kind, name in KINDS.items()}
        return {kind: self._folder.find(address) for kind, address in addresses.items() if address is not None}

    async def _judge_all(self, paths: Sequence[Path]) -> dict[Path, NewFile]:
        """What files are, of those that are pictures; the others are reported."""
        judged, refused = await asyncio.to_thread(_judge_each, paths, self._max_pixels)
        for path, reason in refused.items():
            self.outcomes["refused"] += 1
            self._report(self._folder.name_of(path), reason)
        if refused and not self._dry_run:
            remarks = [note(self._folder.name_of(path), reason) for path, reason in refused.items()]
            await store.put_remarks(self._connection, "file", remarks)
        return judged

    async def _store_all(self, made: Sequence[tuple[NewFile, Path]]) -> None:
        """Blobs first, rows later: what is never recorded is removed by a chore."""
        storage = self._storage
        if storage is None or not made:
            return
        await files.expect_blobs(self._connection, [new.blob_key for new, _ in made])
        free = asyncio.Semaphore(AT_ONCE)

        async def put(new: NewFile, path: Path) -> None:
            async with free:
                await storage.put(new.blob_key, path, new.content_type)

        async with asyncio.TaskGroup() as group:
            for new, path in made:
                group.create_task(put(new, path))

    def _report(self, name: str, reason: str) -> None:
        self._told.find(Finding("file", name, "remark", (reason,)))


def _judge_each(paths: Sequence[Path], max_pixels: int) -> tuple[dict[Path, NewFile], dict[Path, str]]:
    """What files are; and why others are no pictures to be kept."""
    judged: dict[Path, NewFile] = {}
    refused: dict[Path, str] = {}
    for path in paths:
        try:
            judged[path] = _judge(path, max_pixels)
        except UnacceptableImage as error:
            refused[path] = error.message
        except OSError as error:
            refused[path] = f"it can't be read: {error.strerror}"
    return judged, refused


def _judge(path: Path, max_pixels: int) -> NewFile:
    """What a file will be here; whose and under which id is the caller's to say."""
    facts = judge(path, max_pixels=max_pixels)
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return NewFile(
        file_id="",
        user_id=None,
        task_id=None,
        purpose=None,
        filename=clean_filename(path.name) or UNNAMED,
        blob_key="",
        sha256=sha256,
        content_type=facts.content_type,
        size=path.stat().st_size,
        width=facts.width,
        height=facts.height,
    )


def _of_task(judged: NewFile, task: file_store.ResultElsewhere, kind: str) -> NewFile:
    file_id = new_id("file")
    return structs.replace(
        judged,
        file_id=file_id,
        user_id=task.user_id,
        task_id=task.task_id,
        purpose=kind,
        blob_key=blob_key_of(file_id),
    )


@transactional
async def _share(
    connection: Connection, made: Sequence[NewFile], file_ids: Sequence[str], shared: Sequence[tuple[str, str]]
) -> None:
    """Write the first row of each file that was made, and a row for each owner more."""
    for new in made:
        await file_store.add_brought_file(connection, new)
    await files.keep_blobs(connection, [new.blob_key for new in made])
    await file_store.share_files(connection, shared)
    await file_store.leave_to_owners(connection, file_ids)


@transactional
async def _bring(
    connection: Connection, tasks: Sequence[file_store.ResultElsewhere], made: Mapping[str, Sequence[NewFile]]
) -> None:
    """Let tasks' pictures be files from now on, unless the old system has others by now."""
    await file_store.hold_owners(connection, [task.task_id for task in tasks])
    for task in tasks:
        new = made[task.task_id]
        if await file_store.bring_result(connection, task, {f"{one.purpose}_file_id": one.file_id for one in new}):
            for one in new:
                await file_store.add_brought_file(connection, one, _old_address(task, one))
            await files.keep_blobs(connection, [one.blob_key for one in new])


def _old_address(task: file_store.ResultElsewhere, picture: NewFile) -> str | None:
    """Where the old system served it; None where that is too long to be looked up."""
    address = path_of(getattr(task.pictures, KINDS[picture.purpose or ""]))
    return address if len(address) <= LONGEST_ADDRESS else None
