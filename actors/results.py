"""What an edit made becomes stored files: blobs first, rows with the task's end."""

import asyncio
import hashlib
from pathlib import Path

from actors.engines.seam import Artifact, Finished
from schema.identifiers import new_id
from schema.models.tasks import StoredResult, TaskRecord
from service.files.service import blob_key_of
from service.files.storage import Blob, Storage
from service.files.store import NewFile

EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp"}


def _digests(artifacts: list[Artifact]) -> list[tuple[str, int]]:
    """All of them in one thread: each hop to another costs more than a small file."""
    return [_digest(artifact.path) for artifact in artifacts]


def _digest(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return digest, path.stat().st_size


async def new_files(task: TaskRecord, artifacts: list[Artifact]) -> list[NewFile]:
    """What the table will hold of an edit's pictures."""
    digests = await asyncio.to_thread(_digests, artifacts)
    return [_new_file(task, artifact, *digest) for artifact, digest in zip(artifacts, digests, strict=True)]


async def store_artifacts(storage: Storage, artifacts: list[Artifact], made: list[NewFile]) -> None:
    """Put an edit's pictures into the storage; their rows are written when the task completes.

    Raises:
        StorageError: The storage is away or full; what was stored so far is removed by a chore.
    """
    pairs = zip(made, artifacts, strict=True)
    await storage.put_all([Blob(new.blob_key, artifact.path, artifact.content_type) for new, artifact in pairs])


def _new_file(task: TaskRecord, artifact: Artifact, sha256: str, size: int) -> NewFile:
    file_id = new_id("file")
    return NewFile(
        file_id=file_id,
        user_id=task.user_id,
        task_id=task.task_id,
        purpose=artifact.kind,
        filename=f"{task.mode.lower()}_{artifact.kind}.{EXTENSIONS[artifact.content_type]}",
        blob_key=blob_key_of(file_id),
        sha256=sha256,
        content_type=artifact.content_type,
        size=size,
        width=artifact.width,
        height=artifact.height,
    )


def stored_result(artifacts: list[Artifact], made: list[NewFile], finished: Finished) -> StoredResult:
    """What the task's row keeps of them."""
    by_kind = {artifact.kind: new.file_id for artifact, new in zip(artifacts, made, strict=True)}
    return StoredResult(
        output_file_id=by_kind["output"],
        thumbnail_file_id=by_kind.get("thumbnail"),
        comparison_file_id=by_kind.get("comparison"),
        metadata=finished.metadata,
    )
