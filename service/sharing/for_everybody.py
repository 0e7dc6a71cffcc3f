"""Work that one request begins and that isn't its own."""

import asyncio
from collections.abc import Coroutine
from contextvars import Context
from typing import Any, TypeVar

T = TypeVar("T")


def begin_for_everybody(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """A task without the context of whoever begins it: what it logs names neither that request nor its user."""
    return asyncio.create_task(work, context=Context())
