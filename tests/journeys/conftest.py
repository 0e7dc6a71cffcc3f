"""One whole stack for all journeys that a user of a running one makes."""

from collections.abc import Generator
from typing import Any

import pytest

from tests.journeys.test_stack import running_stack
from tests.quick_matte import quick_salience


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Generator[dict[str, Any]]:
    """What `up` tells of itself. The stack of test_a_killed_up looks with U²-Net, which this one does without."""
    directory = tmp_path_factory.mktemp("up")
    with running_stack(directory / "data", extra=quick_salience(directory)) as ready:
        yield ready
