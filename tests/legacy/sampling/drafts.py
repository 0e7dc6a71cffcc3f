"""Records on their way into the old Redis: whole first, so that damage can be done to them."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from msgspec import Struct

from tests.legacy.sampling.breakage import Fate

D_contra = TypeVar("D_contra", contravariant=True)


class TaskDraft(Struct):
    """A task, and where its id will be."""

    index: int
    task_id: bytes
    user_id: str | None
    status: str
    mode: str
    source_image: bytes
    reference_image: bytes | None
    fields: dict[bytes, bytes]
    in_queue: int = 0
    """How many times."""
    in_processing: bool = False
    string_instead: bytes | None = None
    """What the key holds instead of a hash."""
    extra: dict[bytes, bytes] = {}
    """Strings that are written along with it."""


class UserDraft(Struct):
    """A user, and the keys that hold it."""

    index: int
    user_id: str
    email: str
    neighbours_email: str
    """Of a user with nothing wrong."""
    by_id: Any
    """The JSON under the id key; None: no such key; bytes: as they are."""
    by_email: Any
    other_emails: dict[str, Any] = {}
    """More email keys."""
    hash_instead: bool = False
    """The id key holds a hash."""


class Damage(Struct, Generic[D_contra], frozen=True):
    """How to break a record."""

    fate: Fate
    do: Callable[[D_contra], None]
    status: str | None = None
    """A task's status that this needs."""
    at_most: int | None = None
    """How many there are in one sample, because each is large."""
