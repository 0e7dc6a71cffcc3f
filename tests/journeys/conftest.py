"""One whole stack for all journeys that a user of a running one makes."""

from collections.abc import Generator
from typing import Any

import pytest

from tests.journeys.test_stack import running_stack
from tests.quick_matte import quick_matte


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Generator[dict[str, Any]]:
    """What `up` tells of itself. Its edits take what is bright for people; those of `whole_stack` look for them."""
    directory = tmp_path_factory.mktemp("up")
    with running_stack(directory / "data", extra=quick_matte(directory)) as ready:
        yield ready
