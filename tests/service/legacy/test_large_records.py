"""However large the records are: memory is bounded in bytes, and what is too large costs only itself."""

from collections.abc import Awaitable, Callable, Generator
from urllib.parse import urlsplit

import pytest

from service.database import Connection
from service.legacy import source as reading
from service.legacy.exporting.target import LegacyTarget
from service.legacy.importing import importer as importing
from service.legacy.importing.importer import Importer
from service.legacy.records import RawUser, Unreadable, User, weight_of
from service.legacy.records.salvage import LISTED
from service.legacy.source import LegacyRedis, batches, large
from service.legacy.verifier import Verifier
from tests.service.legacy.moves import JSON, PREFIX, Old, as_json, back, differences, move, row

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
    monkeypatch.setattr(large, "LARGEST", 2 << 20)
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


async def test_a_record_beyond_all_measure_costs_only_what_has_no_room(
    connection: Connection, old: Old, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many fields it has, and whatever else it is: PostgreSQL takes no 256 MB to be kept whole."""
    monkeypatch.setattr(large, "LARGEST", 2 << 20)
    monkeypatch.setattr(reading, "BYTES_AT_ONCE", 1 << 20)
    old.task(TASK, old.user("usr_1"))
    for n in range(45):
        old.change(TASK, **{f"field_{n}": "A" * (100 << 10)})
    piece = "A" * (1 << 20)
    for key in ("user:id:usr_list", f"{PREFIX}task:data:task_list"):
        old.redis.rpush(key, piece, piece, piece)
    old.redis.set(f"{PREFIX}task:data:task_text", piece * 3)
    moved = await move(connection, old)
    remarks = moved.heard.of(TASK)
    assert all("more than can be kept, and" in remark for remark in remarks)
    assert (len(remarks), remarks[-1][:22]) == (LISTED + 1, "remark: 5 more fields ")
    assert (await row(connection, TASK))["result"]["legacy"]["output_image"] == "/results/o.jpg"
    kept = await connection.fetch("SELECT record_id, fields FROM legacy_quarantine ORDER BY record_id")
    assert [record["record_id"] for record in kept] == ["task_list", "task_text", "usr_list"]
    assert all("too large to be read; bytes: 314" in str(record["fields"]) for record in kept)
    assert await differences(connection, old) == {}
    assert (await move(connection, old)).summary["tasks"]["unchanged"] == 1


async def test_a_user_beyond_all_measure_costs_only_itself(
    connection: Connection, old: Old, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where another copy can be read, that one counts."""
    monkeypatch.setattr(large, "LARGEST", 2 << 20)
    monkeypatch.setattr(reading, "BYTES_AT_ONCE", 1 << 20)
    old.user("usr_1", avatar="A" * (3 << 20), copies=["id"])
    old.user("usr_2")
    old.user("usr_2", copies=["email"], avatar="A" * (3 << 20))
    moved = await move(connection, old)
    assert await differences(connection, old) == {}
    words = "copy under its {} is too large to be read"
    assert moved.heard.of("usr_1") == [f"quarantined: the {words.format('id')}"]
    assert moved.heard.of("usr_2") == [f"remark: the {words.format('email')}"]
    assert (await move(connection, old)).summary["users"]["unchanged"] == 1
    old.user("usr_2", avatar="A" * (3 << 20), copies=["email"], username="longer")
    assert (await move(connection, old)).summary["users"]["updated"] == 1


async def test_whoever_waits_for_an_email_is_not_held_beyond_bounds(
    connection: Connection, old: Old, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are read again; that the same two change theirs with each other makes no difference."""
    outcomes: list[JSON] = []
    for heavy in (batches.HEAVY, 100_000):
        monkeypatch.setattr(batches, "HEAVY", heavy)
        monkeypatch.setattr(importing, "HEAVY", heavy)
        await connection.execute("TRUNCATE users CASCADE")
        old.redis.flushdb()
        for number in range(8):
            old.user(f"usr_{number}", email=f"{number}@example.com")
        await move(connection, old)
        for number in range(8):
            old.user(f"usr_{number}", email=f"{number ^ 1}@example.com", avatar="A" * 60_000)
        dry = await move(connection, old, dry_run=True)
        moved = await move(connection, old)
        rows = await connection.fetch("SELECT user_id, email FROM users ORDER BY user_id")
        assert [row["email"] for row in rows] == [f"{number ^ 1}@example.com" for number in range(8)]
        assert dry.summary["users"] == moved.summary["users"]
        outcomes.append(moved.summary["users"])
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("removing", [False, True])
async def test_the_way_back_holds_no_more_of_what_stands_there(
    connection: Connection, old: Old, monkeypatch: pytest.MonkeyPatch, *, removing: bool
) -> None:
    """Of users that changed here, and of those that were deleted here."""
    monkeypatch.setattr(reading, "BYTES_AT_ONCE", 300_000)
    for number in range(24):
        old.user(f"usr_{number}")
    await move(connection, old)
    await connection.execute("DELETE FROM credit_ledger; DELETE FROM users WHERE user_id < 'usr_2'")
    await connection.execute("UPDATE users SET legacy_fingerprint = NULL")
    await connection.execute(
        "INSERT INTO legacy_tombstones (kind, record_id) SELECT 'user', 'usr_' || n FROM generate_series(0, 23) n "
        "WHERE 'usr_' || n NOT IN (SELECT user_id FROM users)"
    )
    for number in range(24):
        old.user(f"usr_{number}", avatar="A" * 50_000)
    held: list[int] = []
    users_of = LegacyTarget.users_of

    def noted(self: LegacyTarget, user_ids: list[str]) -> dict[str, RawUser]:
        found = users_of(self, user_ids)
        held.append(sum(len(copy) for user in found.values() for copy in user.copies.values()))
        return found

    monkeypatch.setattr(LegacyTarget, "users_of", noted)
    told = await back(connection, old, force=True, remove_deleted=removing)
    assert told.summary["users"]["deleted_here"] == 12
    assert told.summary["users"]["conflict"] == 12
    assert sum(held) > 2 * 24 * 50_000
    assert max(held) <= 600_000
    assert (b"user:id:usr_0" in old.dump()) is not removing
