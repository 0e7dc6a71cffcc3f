"""Every operation on tasks, in any order, twice and too late, on two connections at once: compared with a model.

The same 60 lives of 40 steps at every run; CHAOS_EXAMPLES and CHAOS_STEPS ask for more and for new ones.
"""

import os
from collections.abc import Generator
from functools import partial
from pathlib import Path
from typing import cast

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis.stateful import run_state_machine_as_test

from service.settings import Settings
from tests.chaos.collision_rules import CollisionRules
from tests.chaos.worker_rules import WorkerRules
from tests.chaos.world import World

EXAMPLES = int(os.environ.get("CHAOS_EXAMPLES", "60"))
STEPS = int(os.environ.get("CHAOS_STEPS", "40"))
USUAL = "CHAOS_EXAMPLES" not in os.environ


class Lives(CollisionRules, WorkerRules):
    """Every rule there is."""


@pytest.fixture
def world(recycled_url: str, redis_url: str, tmp_path: Path) -> Generator[World]:
    directory = tmp_path / "files"
    settings = Settings(database_url=recycled_url, redis_url=redis_url, storage_url=directory.as_uri())
    with World(settings, directory) as opened:
        yield opened


def test_whatever_happens_to_tasks_is_what_the_model_says(world: World) -> None:
    run_state_machine_as_test(
        cast("type[Lives]", partial(Lives, world)),
        settings=hypothesis_settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            derandomize=USUAL,
            database=None,
            print_blob=True,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
        ),
    )
