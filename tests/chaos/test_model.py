"""Every operation on tasks, in any order, twice and too late, on two connections at once: compared with a model.

Eight lives of 40 steps, others every day; THOROUGH=1 lives hundreds.
"""

from collections.abc import Generator
from functools import partial
from pathlib import Path
from typing import cast

import pytest
from hypothesis import HealthCheck, seed
from hypothesis import settings as hypothesis_settings
from hypothesis.stateful import run_state_machine_as_test

from service.settings import Settings
from tests.chaos.collision_rules import CollisionRules
from tests.chaos.worker_rules import WorkerRules
from tests.chaos.world import World
from tests.seeds import SEED, THOROUGH

LIVES = 400 if THOROUGH else 8
STEPS = 40


class Lives(CollisionRules, WorkerRules):
    """Every rule there is."""


@pytest.fixture
def world(database_url: str, redis_url: str, tmp_path: Path) -> Generator[World]:
    directory = tmp_path / "files"
    settings = Settings(database_url=database_url, redis_url=redis_url, storage_url=directory.as_uri())
    with World(settings, directory) as opened:
        yield opened


def test_whatever_happens_to_tasks_is_what_the_model_says(world: World) -> None:
    run_state_machine_as_test(
        cast("type[Lives]", seed(SEED)(partial(Lives, world))),
        settings=hypothesis_settings(
            max_examples=LIVES,
            stateful_step_count=STEPS,
            database=None,
            print_blob=True,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
        ),
    )
