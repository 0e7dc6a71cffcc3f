"""A model that was brought (MODEL_MATTE) beside what comes along."""

from collections.abc import Generator
from contextlib import contextmanager

from actors.engines.local.runtimes import Runtimes


@contextmanager
def without_brought(runtimes: Runtimes) -> Generator[None]:
    """Without the model that was brought, if there is one."""
    brought, runtimes.matte = runtimes.matte, None
    try:
        yield
    finally:
        runtimes.matte = brought
