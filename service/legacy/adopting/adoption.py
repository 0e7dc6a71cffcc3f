"""`darkroom migrate --adopt`: the existing system's tables become Darkroom's, in place and in one transaction.

The statements are in `schema/adoption`, in order. How the tables look is read in theirs.py, what forbids it in
obstacles.py, and what must go for a while goes in reshaping.py.
"""

from importlib.resources import files
from itertools import takewhile
from typing import Final

import asyncpg
from msgspec import Struct

from schema.models.accounts import UserRecord
from schema.models.tasks import TaskRecord
from service.database import UNAVAILABLE, Connection, connect
from service.database.away import CHANGED_BELOW_US
from service.database.migrations import (
    CREATE_JOURNAL,
    Migration,
    SchemaError,
    all_migrations,
    enter,
    our_tables,
    read_journal,
    transaction_with_lock,
)
from service.database.rights import close_to_outsiders
from service.legacy.adopting.obstacles import obstacles, refuse, unfit_tables
from service.legacy.adopting.reshaping import give_back, rename_namesakes, strip, tell_rows_apart
from service.legacy.adopting.theirs import QUERIES, TableFacts, Theirs, find_tables, survey
from service.settings import Settings

OURS: Final = {"users": frozenset(UserRecord.__struct_fields__), "tasks": frozenset(TaskRecord.__struct_fields__)}

REFUSED: Final = (asyncpg.ObjectNotInPrerequisiteStateError, *CHANGED_BELOW_US)

FIRST: Final = 1
"""The migration that makes both tables: what the adopted ones are turned into."""
WITH_RECORDS: Final = 10
"""The migration after which there is room for what is to be known about them, large balances included."""

# Times without a zone are UTC, and nobody's patience ends half way. Rows that a policy hides would be lost: then it
# fails.
SESSION: Final = """
SET LOCAL TimeZone = 'UTC';
SET LOCAL DateStyle = 'ISO, YMD';
SET LOCAL statement_timeout = 0;
SET LOCAL lock_timeout = 0;
SET LOCAL idle_in_transaction_session_timeout = 0;
SET LOCAL row_security = off;
SET LOCAL quote_all_identifiers = off;
SET CONSTRAINTS ALL IMMEDIATE;
"""

# As Darkroom writes rows: whatever of theirs forbids that is found now.
TRIAL: Final = """
INSERT INTO users (user_id, email) VALUES ('darkroom_trial_1', 'darkroom_trial_1'), ('darkroom_trial_2', NULL);
INSERT INTO tasks (task_id, user_id, mode, source_image)
VALUES ('darkroom_trial_1', 'darkroom_trial_1', 'HEAD_SWAP', 'x'), ('darkroom_trial_2', NULL, 'HEAD_SWAP', 'x');
UPDATE tasks SET status = 'failed', failed_at = now() WHERE task_id = 'darkroom_trial_1';
"""


class _Numbers(Struct, frozen=True):
    users: int
    placeholders: int
    tasks: int
    elsewhere: int
    nobodys: int
    credits: int


async def adopt(settings: Settings, migrations: list[Migration] | None = None) -> list[str]:
    """Take over `users` and `tasks` where Darkroom has never been; what was done, a line each.

    Where there is nothing to adopt, nothing is done. Migrations from the first on that runs outside a transaction are
    left to `service.database.migrations.migrate`.

    Raises:
        SchemaError: Something stands in the way, named with what to do about it; nothing was changed.
    """
    connection = await connect(settings)
    try:
        async with transaction_with_lock(connection):
            if await read_journal(connection) is not None:
                return []
            tables = await find_tables(connection)
            return await _take_over(connection, tables, migrations or all_migrations()) if tables else []
    except asyncpg.DeadlockDetectedError as error:
        raise SchemaError(
            "Somebody else's transaction uses these tables, each waited for the other, and nothing was changed. "
            "Stop what writes to them, and run it again."
        ) from error
    except asyncpg.PostgresError as error:
        # 55000 means a closed database while connecting; here it is a step that was refused, as is what isn't there.
        if isinstance(error, UNAVAILABLE) and not isinstance(error, REFUSED):
            raise
        raise SchemaError(
            f"PostgreSQL refused a step of the adoption, and nothing was changed: {str(error).splitlines()[0]}"
        ) from error
    finally:
        await connection.close()


async def _take_over(connection: Connection, tables: list[TableFacts], migrations: list[Migration]) -> list[str]:
    await connection.execute(SESSION)
    refuse(unfit_tables(tables))
    await connection.execute(f"LOCK TABLE {', '.join(table.name for table in tables)} IN ACCESS EXCLUSIVE MODE")
    lines = await rename_namesakes(connection, tables, OURS)
    theirs = await _locked_survey(connection)
    refuse(await obstacles(connection, theirs, migrations))
    await tell_rows_apart(connection, theirs, "FULL")
    lines += await strip(connection, theirs)
    await connection.execute(_step("1_tools"))
    await connection.execute(CREATE_JOURNAL)
    counted: list[str] = []
    applied: list[str] = []
    for migration in takewhile(lambda migration: migration.in_transaction, migrations):
        if migration.version == FIRST:
            await _become_first(connection, theirs, migration)
        else:
            await connection.execute(migration.sql)
        if migration.version == WITH_RECORDS:
            await connection.execute(_step("5_records"))
            counted = await _counted(connection, theirs)
        await enter(connection, migration)
        applied.append(f"applied {migration.name}")
    await connection.execute(_step("6_tidy"))
    lines += await give_back(connection, theirs)
    await close_to_outsiders(connection, our_tables())
    await _try(connection)
    return [*lines, *counted, *applied]


async def _locked_survey(connection: Connection) -> Theirs:
    """How the tables look, with a lock on all whose foreign keys lead to them: nothing changes under our hands."""
    locked: set[str] = set()
    while True:
        theirs = await survey(connection)
        names = {reference.table_name for reference in theirs.references if reference.owned} - locked
        if not names:
            return theirs
        await connection.execute(f"LOCK TABLE {', '.join(sorted(names))} IN ACCESS EXCLUSIVE MODE")
        locked |= names


async def _become_first(connection: Connection, theirs: Theirs, migration: Migration) -> None:
    """What 0001 would have made, of the tables that are there."""
    there = {table.name for table in theirs.tables}
    if "users" in there:
        await connection.execute(_step("2_users"))
    if there == {"users", "tasks"}:
        await connection.execute(_step("3_owners"))
    if "tasks" in there:
        await connection.execute(_step("4_tasks"))
    await tell_rows_apart(connection, theirs, "DEFAULT")
    for statement in migration.statements:
        if not any(f"CREATE TABLE {name} (" in statement for name in there):
            await connection.execute(statement)


def _step(name: str) -> str:
    return files("schema").joinpath("adoption", f"{name}.sql").read_text()


async def _counted(connection: Connection, theirs: Theirs) -> list[str]:
    there = {table.name for table in theirs.tables}
    numbers = await QUERIES["numbers_of_adoption"].row(connection, _Numbers)
    assert numbers is not None  # noqa: S101 - counting answers a row
    lines = [
        f"row level security is on for {table.name}: only the owner of the table gets past it"
        for table in theirs.tables
        if table.row_security
    ]
    if "users" in there:
        lines.append(f"adopted {_many(numbers.users, 'user')} with {_many(numbers.credits, 'credit')}")
    if "tasks" in there:
        lines.append(f"adopted {_many(numbers.tasks, 'task')}")
    if numbers.placeholders:
        lines.append(f"made {_many(numbers.placeholders, 'account')} for users that only tasks name")
    if numbers.elsewhere:
        lines.append(f"left {_many(numbers.elsewhere, 'unfinished task')} to the old system's workers")
    if numbers.nobodys:
        lines.append(f"without a user: {_many(numbers.nobodys, 'task')}")
    for query, words in (("reasons_of_adoption", "quarantined"), ("remarks_of_adoption", "remarked on")):
        for kind, reason, records in await QUERIES[query].rows(connection, tuple[str, str, int]):
            lines.append(f"{words} {_many(records, kind)}: {reason}")
    return lines


def _many(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


async def _try(connection: Connection) -> None:
    """Write as Darkroom does, and take it back."""
    await connection.execute("SAVEPOINT trial")
    try:
        await connection.execute(TRIAL)
    except (asyncpg.IntegrityConstraintViolationError, asyncpg.DataError) as error:
        refuse([f"rows as Darkroom makes them would be refused ({str(error).splitlines()[0]}): drop what forbids them"])
    finally:
        await connection.execute("ROLLBACK TO SAVEPOINT trial")
