"""Made-up rows and requests. What a test doesn't name is plausible, and of no meaning to it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import to_builtins
from polyfactory.factories.msgspec_factory import MsgspecFactory

from schema.identifiers import new_id
from schema.models.edits import Mode
from schema.models.files import FileRecord
from schema.models.problems import FailureCode
from schema.models.tasks import StoredResult, TaskFailure, TaskRecord, TaskStatus
from service.database import Connection
from service.database.statements import convert
from service.files import store as files
from service.files.store import NewFile

ENDS = {
    TaskStatus.DONE: "completed_at",
    TaskStatus.FAILED: "failed_at",
    TaskStatus.CANCELLED: "cancelled_at",
}
"""The column that tells when a task with this status has ended."""

JSON_COLUMNS = ("config", "result", "error")


def file_id() -> str:
    return new_id("file")


class NewFileFactory(MsgspecFactory[NewFile]):
    """An upload's row; no blob belongs to it."""

    file_id = file_id
    task_id = None
    purpose = None
    filename = "photo.jpg"
    sha256 = "0" * 64
    content_type = "image/jpeg"
    size = 1000
    width = 640
    height = 480

    @classmethod
    def blob_key(cls) -> str:
        return new_id("blob")


class StoredResultFactory(MsgspecFactory[StoredResult]):
    """What a done task keeps: ids of files that aren't there unless the test makes them."""

    output_file_id = file_id
    thumbnail_file_id = file_id
    comparison_file_id = None
    legacy = None

    @classmethod
    def metadata(cls) -> dict[str, Any]:
        return {"width": 640, "height": 480, "format": "jpeg", "size": 1000, "engine": "local", "warnings": []}


class TaskFailureFactory(MsgspecFactory[TaskFailure]):
    """Why a task failed, with a sentence of the kind that people read."""

    code = FailureCode.NO_PERSON_DETECTED
    message = "No person was found in the photo. Take one on which a person can be seen."
    details = None


async def add_file(connection: Connection, user_id: str | None, **columns: Any) -> FileRecord:
    """Write a file's row."""
    return await files.add_file(connection, NewFileFactory.build(user_id=user_id, **columns))


async def add_task(
    connection: Connection, user_id: str | None, status: TaskStatus = TaskStatus.PENDING, **columns: Any
) -> TaskRecord:
    """Write a task's row as it is with this status, without charging anybody; `columns` win."""
    now = datetime.now(UTC)
    row: dict[str, Any] = {
        "task_id": new_id("task"),
        "user_id": user_id,
        "status": status,
        "mode": Mode.BACKGROUND_CHANGE,
        "source_image": file_id(),
        "created_at": now - timedelta(seconds=3),
    }
    if status is TaskStatus.PROCESSING:
        row |= {"started_at": now, "lease_expires_at": now + timedelta(seconds=10), "lease_token": 1, "attempts": 1}
    if status in ENDS:
        row |= {"started_at": now - timedelta(seconds=2), ENDS[status]: now}
    if status is TaskStatus.DONE:
        row |= {"progress": 100, "result": StoredResultFactory.build()}
    if status is TaskStatus.FAILED:
        row |= {"error": TaskFailureFactory.build()}
    row |= columns
    row.setdefault("queued_at", row["created_at"])
    row |= {name: to_builtins(row[name]) for name in JSON_COLUMNS if name in row}
    places = ", ".join(f"${n}" for n in range(1, len(row) + 1))
    statement = f"INSERT INTO tasks ({', '.join(row)}) VALUES ({places}) RETURNING *"  # noqa: S608 - column names only
    record = await connection.fetchrow(statement, *row.values())
    assert record is not None
    return convert(record, TaskRecord)
