"""Creating tasks: charge, task, key and mark in one statement, or nothing at all; also when many do it at once."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec import structs

from schema.identifiers import new_id
from schema.models.edits import Mode
from schema.models.problems import ProblemCode
from schema.models.tasks import Priority, TaskEnd, TaskStatus
from service.database import Connection, Pool, open_pool
from service.files.service import FileService
from service.files.storage import Storage
from service.refusals import Refused
from service.settings import Settings
from service.tasks import store
from service.tasks.store import IdempotencyKey, Order
from service.tasks.submission import Submitted, find_replay, submit
from tests import lives
from tests.factories import add_file, add_task
from tests.lives import PRICE
from tests.service.http.proxy import proxied


def a_key(*, body: str = "the body", route: str = "tasks") -> IdempotencyKey:
    return IdempotencyKey(route, "order 17", body.encode())


async def code_of(pool: Pool, submission: Order, *, max_pending: int = 1000) -> ProblemCode:
    with pytest.raises(Refused) as caught:
        await submit(pool, submission, max_pending=max_pending)
    return caught.value.code


async def every(pool: Pool, submissions: list[Order], *, max_pending: int = 1000) -> list[Submitted | Refused]:
    """Submit them all at once."""
    answers = await asyncio.gather(
        *(submit(pool, each, max_pending=max_pending) for each in submissions), return_exceptions=True
    )
    for answer in answers:
        assert isinstance(answer, Submitted | Refused), answer
    return [answer for answer in answers if isinstance(answer, Submitted | Refused)]


@pytest.fixture
async def user_id(connection: Connection) -> str:
    return await lives.add_user(connection)


async def test_a_created_task_is_charged_and_marked(pool: Pool, connection: Connection, user_id: str) -> None:
    reference = (await add_file(connection, user_id)).file_id
    wanted = await lives.an_order(
        connection,
        user_id,
        mode=Mode.HEAD_SWAP,
        priority=Priority.HIGH,
        reference_image=reference,
        config={"quality": "high", "blend_strength": 0.5},
        webhook_url="https://example.com/hook",
        webhook_events=[TaskEnd.DONE],
        idempotency=a_key(),
    )
    submitted = await submit(pool, wanted, max_pending=1000)
    task = submitted.task
    assert not submitted.replayed
    assert task == await lives.get(pool, wanted.tasks[0].task_id)
    same = ("task_id", "mode", "priority", "source_image", "reference_image", "config", "webhook_url", "webhook_events")
    for name in same:
        assert getattr(task, name) == getattr(wanted.tasks[0], name)
    assert (task.status, task.progress, task.attempts, task.lease_token) == (TaskStatus.PENDING, 0, 0, 0)
    assert (task.credits_consumed, task.credits_refunded) == (PRICE, 0)
    assert task.created_at == task.updated_at
    assert (task.dispatched_at, task.message_no) == (None, 0)
    entries = await connection.fetch("SELECT kind, amount, balance_after, task_id FROM credit_ledger ORDER BY entry_id")
    assert [tuple(entry) for entry in entries] == [
        ("opening", lives.CREDITS, lives.CREDITS, None),
        ("charge", -PRICE, lives.CREDITS - PRICE, task.task_id),
    ]
    await lives.assert_balanced(pool)


async def test_a_create_is_one_round_trip(settings: Settings) -> None:
    narrow = await open_pool(structs.replace(settings, database_pool_size=1))
    statements: list[str] = []

    def note(query: Any) -> None:
        statements.append(query.query)

    async with narrow.acquire() as connection:
        user_id = await lives.add_user(connection)
        wanted = await lives.an_order(connection, user_id, idempotency=a_key())
        # The logger stays with the pool's only connection.
        connection.add_query_logger(note)
    await submit(narrow, wanted, max_pending=1000)
    await narrow.close()
    assert len(statements) == 1


@pytest.mark.parametrize("missing", ["source_image", "reference_image"])
@pytest.mark.parametrize("whose", ["nobody's", "another's"])
async def test_a_file_that_is_not_the_users_is_refused(
    pool: Pool, connection: Connection, user_id: str, missing: str, whose: str
) -> None:
    stranger = await lives.add_user(connection)
    not_ours = new_id("file") if whose == "nobody's" else (await add_file(connection, stranger)).file_id
    before = await lives.everything(pool)
    images: dict[str, Any] = {"source_image": None, "reference_image": None, missing: not_ours}
    for name, image in images.items():
        images[name] = image or (await add_file(connection, user_id)).file_id
    wanted = await lives.an_order(connection, user_id, **images)
    with pytest.raises(Refused) as caught:
        await submit(pool, wanted, max_pending=1000)
    assert (caught.value.code, caught.value.field) == (ProblemCode.FILE_NOT_FOUND, missing)
    after = await lives.everything(pool)
    assert {**after, "files": None} == {**before, "files": None}


async def obstruct(connection: Connection, user_id: str, obstacle: str) -> dict[str, Any]:
    """Put something in the way of a create; what to ask for."""
    changes: dict[str, Any] = {}
    if obstacle == "no credits":
        changes["price"] = lives.CREDITS + 1
    elif obstacle == "too many waiting":
        for _ in range(3):
            await add_task(connection, user_id)
    elif obstacle == "mode off":
        changes["available"] = False
    elif obstacle == "inactive":
        await connection.execute("UPDATE users SET is_active = false WHERE user_id = $1", user_id)
    return changes


@pytest.mark.parametrize(
    ("obstacle", "code"),
    [
        ("no credits", ProblemCode.INSUFFICIENT_CREDITS),
        ("too many waiting", ProblemCode.TOO_MANY_PENDING_TASKS),
        ("mode off", ProblemCode.MODE_NOT_AVAILABLE),
        ("inactive", ProblemCode.UNAUTHORIZED),
    ],
)
async def test_a_refusal_names_its_reason_and_writes_nothing(
    pool: Pool, connection: Connection, user_id: str, obstacle: str, code: ProblemCode
) -> None:
    wanted = await lives.an_order(
        connection, user_id, idempotency=a_key(), **await obstruct(connection, user_id, obstacle)
    )
    before = await lives.everything(pool)
    assert await code_of(pool, wanted, max_pending=3) is code
    assert await lives.everything(pool) == before


async def test_an_erased_users_create_is_refused(pool: Pool, connection: Connection, user_id: str) -> None:
    wanted = await lives.an_order(connection, user_id)
    await connection.execute("DELETE FROM users WHERE user_id = $1", user_id)
    assert await code_of(pool, wanted) is ProblemCode.UNAUTHORIZED


async def test_too_few_credits_tell_how_many(pool: Pool, connection: Connection, user_id: str) -> None:
    wanted = await lives.an_order(connection, user_id, price=lives.CREDITS + 30)
    with pytest.raises(Refused) as caught:
        await submit(pool, wanted, max_pending=1000)
    assert caught.value.extra == {"required": lives.CREDITS + 30, "current": lives.CREDITS, "deficit": 30}


async def test_the_last_credits_can_be_spent(pool: Pool, connection: Connection, user_id: str) -> None:
    await submit(pool, await lives.an_order(connection, user_id, price=lives.CREDITS), max_pending=1000)
    assert await lives.balance(pool, user_id) == 0
    await lives.assert_balanced(pool)


async def test_of_several_reasons_the_first_in_order_is_told(pool: Pool, connection: Connection, user_id: str) -> None:
    """Idempotency, 404, waiting tasks, credits, mode: each is taken away in turn."""
    submitted = await submit(pool, await lives.an_order(connection, user_id, idempotency=a_key()), max_pending=1000)
    for _ in range(2):
        await add_task(connection, user_id)
    worst = await lives.an_order(
        connection,
        user_id,
        source_image="file_gone",
        price=9_999,
        available=False,
        idempotency=a_key(body="another body"),
    )
    codes = [await code_of(pool, worst, max_pending=3)]
    steps: list[dict[str, Any]] = [
        {"idempotency": None},
        {"tasks": [structs.replace(worst.tasks[0], source_image=submitted.task.source_image)]},
    ]
    for step in steps:
        worst = structs.replace(worst, **step)
        codes.append(await code_of(pool, worst, max_pending=3))
    codes.append(await code_of(pool, worst, max_pending=1000))
    affordable = structs.replace(worst.tasks[0], price=PRICE)
    codes.append(await code_of(pool, structs.replace(worst, tasks=[affordable])))
    assert codes == [
        ProblemCode.IDEMPOTENCY_KEY_REUSED,
        ProblemCode.FILE_NOT_FOUND,
        ProblemCode.TOO_MANY_PENDING_TASKS,
        ProblemCode.INSUFFICIENT_CREDITS,
        ProblemCode.MODE_NOT_AVAILABLE,
    ]
    possible = structs.replace(affordable, available=True)
    assert (await submit(pool, structs.replace(worst, tasks=[possible]), max_pending=1000)).tasks


async def test_50_creates_at_once_with_credits_for_20(pool: Pool, connection: Connection) -> None:
    user_id = await lives.add_user(connection, 20 * PRICE + PRICE - 1)
    wanted = [await lives.an_order(connection, user_id) for _ in range(50)]
    answers = await every(pool, wanted)
    refused = [answer.code for answer in answers if isinstance(answer, Refused)]
    assert refused == [ProblemCode.INSUFFICIENT_CREDITS] * 30
    assert await connection.fetchval("SELECT count(*) FROM tasks") == 20
    assert await lives.balance(pool, user_id) == PRICE - 1
    await lives.assert_balanced(pool)


async def test_the_limit_of_waiting_tasks_holds_when_many_create_at_once(pool: Pool, connection: Connection) -> None:
    user_id = await lives.add_user(connection, 10_000)
    wanted = [await lives.an_order(connection, user_id) for _ in range(40)]
    answers = await every(pool, wanted, max_pending=7)
    refused = [answer.code for answer in answers if isinstance(answer, Refused)]
    assert refused == [ProblemCode.TOO_MANY_PENDING_TASKS] * 33
    assert await connection.fetchval("SELECT count(*) FROM tasks") == 7
    await lives.assert_balanced(pool)


async def test_running_and_ended_tasks_do_not_wait(pool: Pool, connection: Connection, user_id: str) -> None:
    for status in TaskStatus:
        if status is not TaskStatus.PENDING:
            await add_task(connection, user_id, status)
    await submit(pool, await lives.an_order(connection, user_id), max_pending=1)
    assert await code_of(pool, await lives.an_order(connection, user_id), max_pending=1) is (
        ProblemCode.TOO_MANY_PENDING_TASKS
    )


async def twins(connection: Connection, user_id: str, number: int, **changes: Any) -> list[Order]:
    """The same request, several times; each would make a task of its own."""
    source_image = (await add_file(connection, user_id)).file_id
    return [
        await lives.an_order(connection, user_id, source_image=source_image, idempotency=a_key(), **changes)
        for _ in range(number)
    ]


async def test_a_repeated_request_gives_the_same_task_and_no_charge(
    pool: Pool, connection: Connection, user_id: str
) -> None:
    first, again = await twins(connection, user_id, 2)
    assert await find_replay(pool, user_id, a_key()) is None
    submitted = await submit(pool, first, max_pending=1000)
    before = await lives.everything(pool)
    replay = await submit(pool, again, max_pending=1000)
    assert replay.replayed
    assert replay.task == submitted.task
    assert await find_replay(pool, user_id, a_key()) == replay
    assert await lives.everything(pool) == before


async def test_twins_at_once_make_one_task(pool: Pool, connection: Connection, user_id: str) -> None:
    answers = await every(pool, await twins(connection, user_id, 20))
    made = [answer for answer in answers if isinstance(answer, Submitted)]
    assert len(made) == 20
    assert sum(not answer.replayed for answer in made) == 1
    assert len({answer.task.task_id for answer in made}) == 1
    assert await lives.balance(pool, user_id) == lives.CREDITS - PRICE
    await lives.assert_balanced(pool)


async def test_twins_are_told_the_same_when_only_one_of_them_can_be_paid(pool: Pool, connection: Connection) -> None:
    """The faster twin took the credits that the slower one finds missing: that isn't a refusal."""
    user_id = await lives.add_user(connection, PRICE)
    answers = await every(pool, await twins(connection, user_id, 10))
    assert all(isinstance(answer, Submitted) for answer in answers)
    assert await lives.balance(pool, user_id) == 0


async def test_twins_of_an_expired_key_make_one_new_task(pool: Pool, connection: Connection, user_id: str) -> None:
    a_day_ago = datetime.now(UTC) - timedelta(hours=24, minutes=1)
    for _ in range(5):
        old, *new = await twins(connection, user_id, 9)
        answer = await store.submit_tasks(connection, old, max_pending=1000, now=a_day_ago)
        assert answer.tasks
        answers = await every(pool, new)
        made = {answer.task.task_id for answer in answers if isinstance(answer, Submitted)}
        assert len(answers) == 8
        assert all(isinstance(answer, Submitted) for answer in answers)
        assert len(made) == 1
        assert old.tasks[0].task_id not in made
        await connection.execute("DELETE FROM idempotency_keys")
    await lives.assert_balanced(pool)


async def test_a_key_lasts_24_hours(pool: Pool, connection: Connection, user_id: str) -> None:
    for hours, replayed in ((23.99, True), (24.01, False)):
        await connection.execute("DELETE FROM idempotency_keys")
        first, again = await twins(connection, user_id, 2)
        then = datetime.now(UTC) - timedelta(hours=hours)
        await store.submit_tasks(connection, first, max_pending=1000, now=then)
        assert (await submit(pool, again, max_pending=1000)).replayed is replayed


@pytest.mark.parametrize("route", ["tasks", "retry"])
async def test_a_key_is_a_users_and_a_routes(pool: Pool, connection: Connection, user_id: str, route: str) -> None:
    (first,) = await twins(connection, user_id, 1)
    await submit(pool, first, max_pending=1000)
    other = await lives.add_user(connection) if route == "tasks" else user_id
    wanted = await lives.an_order(connection, other, idempotency=a_key(route=route))
    assert not (await submit(pool, wanted, max_pending=1000)).replayed


async def test_a_refused_request_keeps_no_key(pool: Pool, connection: Connection, user_id: str) -> None:
    dear, again = await twins(connection, user_id, 2)
    dear = structs.replace(dear, tasks=[structs.replace(dear.tasks[0], price=lives.CREDITS + 1)])
    assert await code_of(pool, dear) is ProblemCode.INSUFFICIENT_CREDITS
    assert not (await submit(pool, again, max_pending=1000)).replayed


async def test_another_body_under_the_same_key_is_refused(pool: Pool, connection: Connection, user_id: str) -> None:
    first, again = await twins(connection, user_id, 2)
    await submit(pool, first, max_pending=1000)
    again = structs.replace(again, idempotency=a_key(body="another body"))
    before = await lives.everything(pool)
    assert await code_of(pool, again) is ProblemCode.IDEMPOTENCY_KEY_REUSED
    assert await lives.everything(pool) == before


async def test_the_key_of_a_deleted_task_charges_nobody(pool: Pool, connection: Connection, user_id: str) -> None:
    first, again = await twins(connection, user_id, 2)
    await submit(pool, first, max_pending=1000)
    await lives.cancel(pool, user_id, first.tasks[0].task_id)
    assert await store.delete_task(connection, user_id, first.tasks[0].task_id)
    before = await lives.everything(pool)
    assert await code_of(pool, again) is ProblemCode.TASK_NOT_FOUND
    assert await lives.everything(pool) == before


@pytest.fixture
def library(pool: Pool, settings: Settings) -> FileService:
    return FileService(pool, Storage.made(settings.storage_url), max_bytes=10**6, max_pixels=10**6)


async def test_a_file_of_a_task_that_is_being_created_can_not_be_deleted(
    pool: Pool, connection: Connection, user_id: str, library: FileService
) -> None:
    wanted = await lives.an_order(connection, user_id)
    async with pool.acquire() as creating:
        transaction = creating.transaction()
        await transaction.start()
        assert (await store.submit_tasks(creating, wanted, max_pending=1000)).tasks
        deletion = asyncio.create_task(library.delete(user_id, wanted.tasks[0].source_image))
        await lives.until_blocked(connection)
        await transaction.commit()
    with pytest.raises(Refused) as caught:
        await deletion
    assert caught.value.code is ProblemCode.FILE_IN_USE
    assert await library.find(wanted.tasks[0].source_image, user_id=user_id)


async def test_a_file_that_is_being_deleted_can_not_be_used(pool: Pool, connection: Connection, user_id: str) -> None:
    wanted = await lives.an_order(connection, user_id)
    async with pool.acquire() as deleting:
        transaction = deleting.transaction()
        await transaction.start()
        await deleting.execute("DELETE FROM files WHERE file_id = $1", wanted.tasks[0].source_image)
        creation = asyncio.create_task(submit(pool, wanted, max_pending=1000))
        await lives.until_blocked(connection)
        await transaction.commit()
    with pytest.raises(Refused) as caught:
        await creation
    assert caught.value.code is ProblemCode.FILE_NOT_FOUND
    assert await connection.fetchval("SELECT count(*) FROM tasks") == 0
    await lives.assert_balanced(pool)


async def test_deletes_and_creates_at_once_leave_no_task_without_its_file(
    pool: Pool, connection: Connection, user_id: str, library: FileService
) -> None:
    wanted = [await lives.an_order(connection, user_id, price=1) for _ in range(40)]
    deletions = [library.delete(user_id, each.tasks[0].source_image) for each in wanted]
    creations = [submit(pool, each, max_pending=1000) for each in wanted]
    pairs = zip(deletions, creations, strict=True)
    answers = await asyncio.gather(*(each for pair in pairs for each in pair), return_exceptions=True)
    assert all(answer is None or isinstance(answer, Submitted | Refused) for answer in answers)
    orphans = "SELECT count(*) FROM tasks WHERE NOT EXISTS (SELECT FROM files WHERE file_id = source_image)"
    assert await connection.fetchval(orphans) == 0
    served = sum(isinstance(answer, Submitted) for answer in answers)
    assert await connection.fetchval("SELECT count(*) FROM files") == served
    await lives.assert_balanced(pool)


@pytest.mark.parametrize("still_at_it", [False, True])
@pytest.mark.parametrize("key", [None, a_key()])
@pytest.mark.parametrize("left", [0, PRICE])
async def test_what_was_written_though_the_answer_was_lost_is_found(
    pool: Pool, connection: Connection, settings: Settings, key: IdempotencyKey | None, left: int, still_at_it: bool
) -> None:
    """A pooler dies, and the server goes on: its client is told of the task, and isn't charged for a second one."""
    user_id = await lives.add_user(connection, credits_=PRICE + left)
    wanted = await lives.an_order(connection, user_id, idempotency=key)
    with proxied(settings.database_url) as way:
        there = await open_pool(structs.replace(settings, database_url=way.url))
        async with pool.acquire() as looking:
            async with connection.transaction():
                await connection.execute("SELECT FROM users WHERE user_id = $1 FOR UPDATE", user_id)
                submitting = asyncio.create_task(submit(there, wanted, max_pending=1000))
                await lives.until_blocked(looking)
                await asyncio.to_thread(way.shut)
                if still_at_it:
                    await asyncio.to_thread(way.let_through)
                    await lives.until_blocked(looking, 2)
            await asyncio.to_thread(way.let_through)
        submitted = await submitting
        there.terminate()
    assert submitted.task == await lives.get(pool, wanted.tasks[0].task_id)
    assert await lives.balance(pool, user_id) == left
    assert await connection.fetchval("SELECT count(*) FROM tasks") == 1
    await lives.assert_balanced(pool)


async def test_nobody_is_told_that_nothing_was_charged_where_that_is_not_known(
    pool: Pool, connection: Connection, settings: Settings, user_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.tasks.submission.FIND_OUT_WITHIN", 0.5)
    wanted = await lives.an_order(connection, user_id)
    with proxied(settings.database_url) as way:
        there = await open_pool(structs.replace(settings, database_url=way.url))
        async with pool.acquire() as looking, connection.transaction():
            await connection.execute("SELECT FROM users WHERE user_id = $1 FOR UPDATE", user_id)
            submitting = asyncio.create_task(submit(there, wanted, max_pending=1000))
            await lives.until_blocked(looking)
            await asyncio.to_thread(way.shut)
            with pytest.raises(Refused, match="before it told whether") as caught:
                await submitting
        assert caught.value.code is ProblemCode.SERVICE_UNAVAILABLE
        there.terminate()
