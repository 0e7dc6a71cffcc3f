"""redis-py reads its version from its package's files for each connection, which takes ten milliseconds."""

from functools import cache

from redis import utils


def read_once() -> None:
    """From now on in this process."""
    setattr(utils, "get_lib_version", cache(utils.get_lib_version))  # noqa: B010 - types forbid to assign it
