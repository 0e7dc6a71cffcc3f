"""What all rules share: the world, the model of it, the clock, and the comparison of the two after each step."""

import asyncio
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, cast

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple

from schema.models.problems import FailureCode, ProblemCode
from schema.models.tasks import TaskFailure
from service.refusals import Refused
from tests.chaos.model import CREDITS, Model, row_as_life
from tests.chaos.world import World

T = TypeVar("T")

PEOPLE = 3
NOTHING = cast("Any", multiple())
"""What a rule gives that led to no task and no claim."""

SHORT = timedelta(milliseconds=1)
FINAL = TaskFailure(FailureCode.NO_PERSON_DETECTED, "Nobody is in the photo.")
PASSING = TaskFailure(FailureCode.ENGINE_TIMEOUT, "Try again later.")

tasks = Bundle("tasks")
claims = Bundle("claims")
"""Also those that are lost: whoever holds one may come back at any time."""

people = st.integers(0, PEOPLE - 1).map("usr_{}".format)


class Machine(RuleBasedStateMachine):
    """No rules yet; each of them does something to the world, and says what it must have led to."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.photos = world.run(world.begin(PEOPLE, CREDITS))
        self.model = Model(dict.fromkeys(self.photos, CREDITS))
        # Ahead of the real clock, which the operations without `now` go by; it moves only when a rule moves it.
        self.now: datetime = datetime.now(UTC) + timedelta(hours=1)

    @invariant()
    def everything_is_as_it_should_be(self) -> None:
        rows = self.world.run(self.world.rows())
        assert self.world.run(self.world.wrongs(rows)) == []
        assert self.world.run(self.world.balances()) == self.model.balances
        assert {task_id: row_as_life(row) for task_id, row in rows.items()} == {
            task_id: life.what() for task_id, life in self.model.lives.items()
        }

    def _owner(self, task_id: str) -> str:
        life = self.model.lives.get(task_id)
        return life.user_id if life is not None else "usr_0"

    def _later(self) -> datetime:
        """The next claim's moment: no two have the same, unless they are to."""
        self.now += SHORT
        return self.now

    def _do(self, work: Awaitable[T]) -> T | ProblemCode:
        return self.world.run(answer_of(work))

    def _both(self, *works: Awaitable[T]) -> list[T | ProblemCode]:
        """At once, each on a connection of its own."""
        return self.world.run(_answers(*works))


async def answer_of(work: Awaitable[T]) -> T | ProblemCode:
    """What it gives, or why it was refused."""
    try:
        return await work
    except Refused as refused:
        return refused.code


async def _answers(*works: Awaitable[T]) -> list[T | ProblemCode]:
    return await asyncio.gather(*(answer_of(work) for work in works))
