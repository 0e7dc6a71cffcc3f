"""However large the records are: memory is bounded in bytes, and what is too large costs only itself."""

from collections.abc import Awaitable, Callable, Generator
from urllib.parse import urlsplit

import pytest

from service.database import Connection
from service.legacy import batches
from service.legacy import source as reading
from service.legacy.importer import Importer
from service.legacy.records import Unreadable, User, weight_of
from service.legacy.source import LegacyRedis
from service.legacy.verifier import Verifier
from tests.service.legacy.moves import PREFIX, Old, as_json, differences, move, row

Work = Callable[..., Awaitable[None]]

TASK = "task_1764915114_a1b2c3"
RESULT = {"output_image": "/results/o.jpg", "metadata": {"preview": "A" * 100_000}}


@pytest.fixture
def source(old: Old) -> Generator[LegacyRedis]:
    opened = LegacyRedis(old.url, PREFIX)
    yield opened
    opened.close()


def test_no_batch_holds_more_than_its_bytes_but_a_single_record(
    old: Old, source: LegacyRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "BYTES_AT_ONCE", 500_000)
    for number in range(40):
        large = number % 2
        old.task(f"task_17649151{number:02}_aaaaaa", result=as_json(RESULT) if large else None)
    read = list(source.tasks())
    assert sum(map(len, read)) == 40
    for batch in read:
        assert len(batch) == 1 or sum(len(b"".join(raw.fields.values())) for raw in batch) <= 500_000
    assert max(map(len, read)) > 2


@pytest.mark.parametrize("copies", [("id", "email"), ("email",)])
async def test_no_batch_of_users_holds_more_than_its_bytes_but_one_read(
    connection: Connection, old: Old, source: LegacyRedis, monkeypatch: pytest.MonkeyPatch, copies: tuple[str, ...]
) -> None:
    """Avatars are pictures now and then, and a user is there twice; also where they are known by their emails alone."""
    monkeypatch.setattr(reading, "BYTES_AT_ONCE", 300_000)
    monkeypatch.setattr(batches, "HEAVY", 600_000)
    for number in range(24):
        old.user(f"usr_{number}", copies=copies, avatar="A" * 50_000)
    read = [sum(len(b"".join(user.copies.values())) for user in users) for users in source.users()]
    assert max(read) <= 600_000  # as large as its keys, and as many copies
    put: list[int] = []

    def noted(work: Work) -> Work:
        async def noted(self: object, users: list[User | Unreadable], **wishes: bool) -> None:
            put.append(sum(map(weight_of, users)))
            await work(self, users, **wishes)

        return noted

    for kind, name in ((Importer, "_put_users"), (Verifier, "_users")):
        monkeypatch.setattr(kind, name, noted(getattr(kind, name)))
    await move(connection, old)
    assert await differences(connection, old) == {}
    assert sum(put) > 2 * 24 * 50_000
    assert max(put) <= 600_000 + max(read)


def test_where_sizes_are_not_told_few_are_read_at_a_time(old: Old) -> None:
    for number in range(100):
        old.task(f"task_17649151{number:02}_aaaaaa")
    old.redis.acl_setuser(
        "narrow", enabled=True, nopass=True, categories=["+@read"], commands=["+select", "-memory"], keys=["*"]
    )
    parts = urlsplit(old.url)
    narrow = LegacyRedis(parts._replace(netloc=f"narrow:x@{parts.hostname}:{parts.port}").geturl(), PREFIX)
    try:
        read = list(narrow.tasks())
    finally:
        narrow.close()
        old.redis.acl_deluser("narrow")
    assert sum(map(len, read)) == 100
    assert max(map(len, read)) == reading.CAUTIOUS


async def test_a_field_beyond_all_measure_costs_only_itself(
    connection: Connection, old: Old, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LARGEST_FIELD", 2 << 20)
    huge = "A" * (3 << 20)
    old.task(TASK, old.user("usr_1"), current_step=huge)
    old.task("task_unreadable", "usr_1", data={"note": huge})
    moved = await move(connection, old)
    assert moved.heard.of(TASK) == ["remark: current_step has 3 MB, more than can be kept, and was left out"]
    assert (await row(connection, TASK))["result"]["legacy"]["output_image"] == "/results/o.jpg"
    assert moved.heard.of("task_unreadable") == ["quarantined: its data has 3 MB, which is more than a task can have"]
    assert await differences(connection, old) == {}
    assert (await move(connection, old)).summary["tasks"]["unchanged"] == 1
    old.change(TASK, current_step=huge + "A")
    assert (await move(connection, old)).summary["tasks"]["updated"] == 1
