"""A stored picture: as the table holds it, and as clients see it."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct

from schema.models.tasks import Pagination


class FileRecord(Struct, frozen=True):
    """A row of the table `files`. `task_id` is set for the results of a task; uploads have none."""

    file_id: str
    user_id: str | None
    task_id: str | None
    purpose: str | None
    filename: str
    blob_key: str
    sha256: str
    content_type: str
    size: int
    width: int
    height: int
    uploaded_at: datetime
    brought: bool
    old_address: str | None
    """Where the system before this one served it."""


class NewFetch(Struct, frozen=True, forbid_unknown_fields=True):
    """An upload that is to be fetched from where it is."""

    url: Annotated[str, Meta(max_length=2000)]
    purpose: str | None = None


class UploadedFile(Struct, frozen=True):
    """An upload that was judged and stored. Width and height are as displayed, in pixels."""

    file_id: str
    filename: str
    size: int
    content_type: str
    width: int
    height: int
    url: str
    uploaded_at: datetime


class ListedFile(UploadedFile, frozen=True):
    """A file of one's own: an upload, with the purpose it was given, or a picture that an edit made."""

    purpose: Annotated[str | None, Meta(description="Of an edit's pictures: output, thumbnail or comparison.")]


class FileList(Struct, frozen=True):
    """A user's files, newest first."""

    files: list[ListedFile]
    pagination: Pagination
