"""`legacy verify --accept`: what somebody has looked at is no difference any more, until it changes again."""

import json

import pytest

from service.accounts import users as accounts
from service.database import Connection
from service.settings import Settings
from tests.running import run_command
from tests.service.legacy.moves import Old, compare, differences, move

DONE, GONE, TORN, NEW = (f"task_176491500{n}_aaaaaa" for n in range(4))
USER, LEFT = "usr_1", "usr_2"
REASON = "cleaned up there on Tuesday"


@pytest.fixture
async def differing(connection: Connection, old: Old) -> Old:
    """A difference of each kind."""
    old.user(USER)
    old.user(LEFT)
    old.task(DONE, USER)
    old.task(GONE, USER)
    old.task(TORN, USER)
    await move(connection, old)
    old.redis.delete(f"formy:task:data:{GONE}", f"user:id:{LEFT}", f"user:email:{LEFT}@example.com")
    await connection.execute("UPDATE tasks SET progress = 7 WHERE task_id = $1", DONE)
    old.change(TORN, data="torn")
    old.task(NEW, USER)
    assert set(await differences(connection, old)) == {DONE, GONE, TORN, NEW, LEFT}
    return old


async def accept(connection: Connection, old: Old, reason: str = REASON) -> dict[str, list[str]]:
    found = await compare(connection, old, accept=reason)
    assert found.summary["equal"] is True
    assert found.summary["accepted"] == len(found.heard.findings)
    assert {finding.what for finding in found.heard.findings} <= {"accepted"}
    return {finding.record_id: list(finding.reasons) for finding in found.heard.findings}


async def test_what_was_accepted_stays_so_and_is_listed(connection: Connection, differing: Old) -> None:
    assert set(await accept(connection, differing)) == {DONE, GONE, TORN, NEW, LEFT}
    await accounts.grant(connection, LEFT, 5, "used on")
    again = await compare(connection, differing)
    assert (again.summary["equal"], again.summary["differences"], again.summary["accepted"]) == (True, 0, 5)
    assert again.heard.of(DONE) == ["accepted: progress differs", f"accepted: {REASON}"]
    assert all(finding.reasons[-1] == REASON for finding in again.heard.findings)


async def test_a_change_undoes_it(connection: Connection, differing: Old) -> None:
    await accept(connection, differing)
    await connection.execute("UPDATE tasks SET progress = 8 WHERE task_id = $1", DONE)
    differing.change(TORN, data="torn again")
    differing.change(NEW, current_step="other")
    found = await compare(connection, differing)
    different = {finding.record_id for finding in found.heard.findings if finding.what == "difference"}
    assert different == {DONE, TORN, NEW}
    assert found.summary["accepted"] == 2
    await accept(connection, differing, "looked at again")
    assert (await compare(connection, differing)).summary["equal"] is True


def test_as_a_command(settings: Settings, differing: Old) -> None:
    def verify(*arguments: str) -> tuple[int, dict[str, int]]:
        done = run_command("legacy", "verify", "--redis-url", differing.url, *arguments, settings=settings)
        return done.returncode, json.loads(done.stdout or "{}")

    assert verify()[0] == 1
    assert verify("--accept", " ") == (2, {})
    code, summary = verify("--accept", REASON)
    assert (code, summary["differences"], summary["accepted"]) == (0, 0, 5)
    assert verify()[0] == 0


async def test_who_is_only_known_by_an_email_that_is_spelt_otherwise(connection: Connection, old: Old) -> None:
    old.user(USER, email="Mixed@Example.com", copies=["email"])
    old.redis.rename("user:email:Mixed@Example.com", "user:email:mixed@example.com")
    old.user("usr_3", email="mixed@example.com", copies=["id"])
    await move(connection, old)
    assert await differences(connection, old) == {}
