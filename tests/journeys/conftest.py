"""One whole stack for all journeys that a user of a running one makes."""

from collections.abc import Generator
from typing import Any

import pytest

from tests.journeys.test_stack import running_stack


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Generator[dict[str, Any]]:
    """What `up` tells of itself."""
    with running_stack(tmp_path_factory.mktemp("up") / "data") as ready:
        yield ready
