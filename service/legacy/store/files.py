"""A typed function per statement of `schema/queries/legacy_files.sql`; no transaction is opened here."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct, structs

from schema.models.tasks import LegacyPictures
from service.database import Connection
from service.database.statements import load_queries
from service.files.store import NewFile

QUERIES = load_queries("legacy_files")


async def users_of_files(connection: Connection, file_ids: Sequence[str]) -> dict[str, list[str]]:
    """Whose tasks have these files as inputs; a file that only tasks of nobody have is nobody's."""
    owners: defaultdict[str, list[str]] = defaultdict(list)
    row = tuple[str, str | None]
    for file_id, user_id in await QUERIES["users_of_files"].rows(connection, row, file_ids=file_ids):
        if user_id is not None:
            owners[file_id].append(user_id)
    return owners


async def rows_of_files(
    connection: Connection, file_ids: Sequence[str], marks: Sequence[str]
) -> dict[str, dict[str | None, bool]]:
    """By file, who has it (False), and who had it and deleted it here (True; None: not to become the operators')."""
    found: defaultdict[str, dict[str | None, bool]] = defaultdict(dict)
    row = tuple[str, str | None, bool]
    for file_id, user_id, gone in await QUERIES["rows_of_files"].rows(connection, row, file_ids=file_ids, marks=marks):
        found[file_id][user_id] = gone
    return found


async def add_brought_file(connection: Connection, new: NewFile, old_address: str | None = None) -> None:
    await QUERIES["add_brought_file"].run(connection, **structs.asdict(new), old_address=old_address)


async def share_files(connection: Connection, shared: Sequence[tuple[str, str]]) -> None:
    """Give files that are here to these users, too."""
    columns = {"file_ids": [one[0] for one in shared], "user_ids": [one[1] for one in shared]}
    await QUERIES["share_files"].run(connection, **columns)


async def leave_to_owners(connection: Connection, file_ids: Sequence[str]) -> None:
    await QUERIES["leave_to_owners"].run(connection, file_ids=file_ids)


class ResultElsewhere(Struct, frozen=True):
    """A done task whose pictures the old system serves."""

    task_id: str
    user_id: str | None
    pictures: LegacyPictures
    brought: list[str] = []
    """Kinds of pictures that are files here already."""


async def results_elsewhere(connection: Connection, after: str, limit: int) -> list[ResultElsewhere]:
    return await QUERIES["results_elsewhere"].rows(connection, ResultElsewhere, after=after, limit=limit)


async def hold_owners(connection: Connection, task_ids: Sequence[str]) -> None:
    """The users of these tasks, before anything of theirs."""
    await QUERIES["hold_owners"].run(connection, task_ids=task_ids)


async def bring_result(connection: Connection, task: ResultElsewhere, file_ids: Mapping[str, str]) -> bool:
    """From now on the task's pictures are these files; False when the old system has others by now."""
    pictures = msgspec.to_builtins(task.pictures)
    value = QUERIES["bring_result"].value
    return await value(connection, task_id=task.task_id, file_ids=dict(file_ids), pictures=pictures) is not None
