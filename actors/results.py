"""What an edit made becomes stored files: blobs first, rows with the task's end."""

from collections.abc import Mapping

from actors.engines.seam import Artifact, Finished
from schema.models.tasks import StoredResult, TaskRecord
from service.files.local import Digest
from service.files.service import blob_key_of
from service.files.storage import Blob, Storage
from service.files.store import NewFile

EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp"}


async def store_artifacts(storage: Storage, task: TaskRecord, artifacts: Mapping[str, Artifact]) -> list[NewFile]:
    """Put an edit's pictures, by their files' ids, into the storage; their rows are written when the task completes.

    Raises:
        StorageError: The storage is away or full; what was stored so far is removed by a chore.
    """
    digests = await storage.put_all(
        [
            Blob(blob_key_of(file_id), artifact.path, artifact.content_type, movable=True)
            for file_id, artifact in artifacts.items()
        ]
    )
    return [_new_file(task, *one, digest) for one, digest in zip(artifacts.items(), digests, strict=True)]


def _new_file(task: TaskRecord, file_id: str, artifact: Artifact, digest: Digest) -> NewFile:
    return NewFile(
        file_id=file_id,
        user_id=task.user_id,
        task_id=task.task_id,
        purpose=artifact.kind,
        filename=f"{task.mode.lower()}_{artifact.kind}.{EXTENSIONS[artifact.content_type]}",
        blob_key=blob_key_of(file_id),
        sha256=digest.sha256,
        content_type=artifact.content_type,
        size=digest.size,
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
