"""What the storage says no with, for whoever works with files, and for whoever passes over what fails."""

from pathlib import Path


class StorageError(Exception):
    """The storage didn't do what it should, in one line without secrets; `transient` when trying again may help."""

    def __init__(self, message: str, *, transient: bool) -> None:
        super().__init__(message)
        self.transient = transient


class BlobNotFound(StorageError):  # noqa: N818 - an answer rather than a failure
    """There is nothing under this key."""

    def __init__(self, key: str) -> None:
        super().__init__(f"nothing is stored under {key}", transient=False)
        self.key = key


class DirectoryMissing(StorageError):  # noqa: N818 - an answer rather than a failure
    """There is no such directory: its volume isn't mounted, or nobody has made it yet."""

    def __init__(self, directory: Path) -> None:
        super().__init__(f"{directory} isn't there: mount it, make it or correct STORAGE_URL", transient=False)
