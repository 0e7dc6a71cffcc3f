"""A place in line is about right: what is estimated beside what the database's claims then do, on a simulated clock."""

import heapq
import random
from datetime import datetime, timedelta
from statistics import median

import pytest

from schema.models.edits import Mode
from schema.models.tasks import Priority, TaskStatus
from service.database import Connection, Pool
from service.tasks import lifecycle, store, workers
from service.tasks.line import Line
from service.tasks.rehearsal import Kind, Running, Times, Waiting, rehearse
from service.tasks.store import line as lines
from tests import lives
from tests.factories import add_task

SECONDS: dict[Kind, float] = {
    (Mode.BACKGROUND_CHANGE, "small"): 4.0,
    (Mode.HEAD_SWAP, "small"): 12.0,
    (Mode.HEAD_SWAP, "large"): 20.0,
}
SLOTS = 2
LONGEST = 28.0


@pytest.mark.parametrize("seed", range(2))
async def test_three_users_with_forty_tasks_are_told_about_when_theirs_begin(
    pool: Pool, connection: Connection, seed: int
) -> None:
    """At the start and whenever ten have begun, all that wait are told; none is wrong by half, or by half an edit."""
    dice = random.Random(seed)  # noqa: S311 - no secret
    began = lives.today(12)
    users = [await lives.add_user(connection) for _ in range(3)]
    for number in range(40):
        # One with many, two with few.
        user_id = users[0] if number < 24 else users[1 + number % 2]
        mode, size = dice.choice(list(SECONDS))
        await add_task(
            connection, user_id, created_at=began, mode=mode, config={"size": size}, line=dice.choice([1, 2, 3])
        )
    times = Times(SECONDS)
    told: list[tuple[str, datetime, int]] = []
    begun: dict[str, datetime] = {}
    ends: list[tuple[datetime, int, lifecycle.Claim]] = []
    now = began
    while len(begun) < 40:
        if len(begun) % 10 == 0:
            waiting = await lines.everybodys_lines(connection, modes=Mode)
            places = rehearse(waiting, await lines.running(connection, now=now), SLOTS, times)
            for user_id in users:
                own = await lines.own_line(connection, user_id, modes=Mode, limit=100)
                told += [(one, now, place.seconds) for one, place in zip(own, places.get(user_id, ()), strict=True)]
        while len(ends) < SLOTS and len(begun) < 40:
            held = await lives.claim(pool, now=now)
            begun[held.task_id] = now
            takes = SECONDS[held.task.mode, held.task.config["size"]] * dice.uniform(0.6, 1.4)
            heapq.heappush(ends, (now + timedelta(seconds=takes), len(begun), held))
        now, _, ended = heapq.heappop(ends)
        assert await lifecycle.complete_task(pool, ended, lives.a_result(), [], now=now)
    errors: list[float] = []
    for task_id, at, seconds in told:
        waited = (begun[task_id] - at).total_seconds()
        errors.append(abs(seconds - waited) / max(waited, LONGEST))
    assert len(told) >= 40 + 30 + 20 + 10 - 3 * SLOTS
    assert median(errors) < 0.2
    assert max(errors) < 0.5, sorted(errors)[-5:]


def test_whose_turn_it_is_goes_by_the_claims_rule() -> None:
    """Fewest running first, then the oldest last claim: who waits longest isn't who waits with most."""
    of = Mode.BACKGROUND_CHANGE
    waiting = [Waiting("many", of, None, 3), Waiting("few", of, None, 1), Waiting("busy", of, None, 1)]
    places = rehearse(waiting, [Running("busy", of, None, 2.0)], 2, Times({(of, None): 10.0}))
    told = {user_id: [(place.position, place.seconds) for place in own] for user_id, own in places.items()}
    assert told == {"many": [(1, 0), (4, 18), (5, 20)], "few": [(2, 8)], "busy": [(3, 10)]}
    unmeasured = Times({(Mode.HEAD_SWAP, "small"): 4.0, (Mode.HEAD_SWAP, "large"): 8.0})
    assert [unmeasured.of(Mode.HEAD_SWAP, "xlarge"), unmeasured.of(of, None), Times({}).of(of, None)] == [
        6.0,
        6.0,
        10.0,
    ]


async def test_a_place_is_told_while_somebody_makes_the_mode(pool: Pool, connection: Connection) -> None:
    user_id = await lives.add_user(connection)
    later = await add_task(connection, user_id, priority=Priority.LOW, line=3)
    first = await add_task(connection, user_id)
    other = await add_task(connection, user_id, mode=Mode.POSE_CHANGE)
    ended = await add_task(connection, user_id, TaskStatus.DONE)
    line = Line(pool)
    assert await line.place_of(first) is None
    await workers.see_worker(connection, "worker", slots=1, modes=[Mode.BACKGROUND_CHANGE])
    line = Line(pool)
    positions = [
        place and place.position for place in [await line.place_of(one) for one in (first, later, other, ended)]
    ]
    assert positions == [1, 2, None, None]
    async with pool.acquire() as reading:
        medians = await lines.recent_medians(reading, limit=10)
    assert medians == {(Mode.BACKGROUND_CHANGE, None): pytest.approx(2.0)}
    assert await store.cancel_task(connection, user_id, first.task_id)
