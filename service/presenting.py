"""From the table's rows to what clients see: signed URLs are made afresh for every answer."""

from collections.abc import Mapping
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any

from schema.models.files import FileRecord, ListedFile, UploadedFile
from schema.models.tasks import HistoricTask, LegacyPictures, PlaceInLine, StoredResult, Task, TaskRecord, TaskResult
from service.event_urls import EventUrls
from service.files.service import blob_key_of
from service.files.urls import FileUrls

NO_PICTURES = LegacyPictures(None, None, None)


class Presenter:
    """Makes answers of records."""

    def __init__(self, urls: FileUrls, event_urls: EventUrls, *, hours: int = 1) -> None:
        """`hours` the URLs of files are good for, and up to one more."""
        self._hours = hours
        self._urls = urls
        self._event_urls = event_urls

    def task(self, record: TaskRecord, queue: PlaceInLine | None = None) -> Task:
        """A task as its owner sees it."""
        return Task(**self._fields(record), queue=queue)

    def historic_task(self, record: TaskRecord, files: Mapping[str, FileRecord]) -> HistoricTask:
        """A task with its inputs' URLs; `files` holds those inputs that are still there."""
        return HistoricTask(
            **self._fields(record),
            face_image_url=self._input_url(record.source_image, files),
            target_image_url=self._input_url(record.reference_image, files),
        )

    def uploaded(self, record: FileRecord) -> UploadedFile:
        """A file as whoever uploaded it sees it."""
        return UploadedFile(**self._file_fields(record))

    def listed(self, record: FileRecord) -> ListedFile:
        """A file among its owner's."""
        return ListedFile(**self._file_fields(record), purpose=record.purpose)

    def _file_fields(self, record: FileRecord) -> dict[str, Any]:
        return {
            **{name: getattr(record, name) for name in UploadedFile.__struct_fields__ if name != "url"},
            "url": self.url_of(record),
        }

    def url_of(self, record: FileRecord) -> str:
        """Where a file can be loaded without a token, for a while."""
        return self._urls.url(record.file_id, record.blob_key, now=datetime.now(UTC), hours=self._hours)

    def _fields(self, record: TaskRecord) -> dict[str, Any]:
        return {
            **dict(zip(SHARED_FIELDS, _shared_of(record), strict=True)),
            "result": None if record.result is None else self._result(record.result),
            "events_url": self._event_urls.of_task(record.task_id),
        }

    def _result(self, stored: StoredResult) -> TaskResult:
        legacy = stored.legacy or NO_PICTURES
        return TaskResult(
            output_image=self._made_url(stored.output_file_id) or legacy.output_image or "",
            thumbnail=self._made_url(stored.thumbnail_file_id) or legacy.thumbnail,
            comparison_image=self._made_url(stored.comparison_file_id) or legacy.comparison_image,
            output_file_id=stored.output_file_id,
            metadata=stored.metadata,
        )

    def _made_url(self, file_id: str | None) -> str | None:
        if file_id is None:
            return None
        return self._urls.url(file_id, blob_key_of(file_id), now=datetime.now(UTC), hours=self._hours)

    def _input_url(self, file_id: str | None, files: Mapping[str, FileRecord]) -> str | None:
        record = files.get(file_id) if file_id else None
        return None if record is None else self.url_of(record)


SHARED_FIELDS = tuple(
    name for name in Task.__struct_fields__ if name in TaskRecord.__struct_fields__ and name != "result"
)
_shared_of = attrgetter(*SHARED_FIELDS)
