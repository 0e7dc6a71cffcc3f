"""On a host whose own roles get at every table that is made, Darkroom's tables are closed to them."""

from collections.abc import AsyncGenerator
from pathlib import Path

import asyncpg
import pytest
from msgspec import structs

from service.database import Connection
from service.database.migrations import TablesHidden, check_schema, migrate, our_tables, read_journal
from service.health.findings import Health
from service.health.rights import outsiders
from service.settings import Settings

HOSTS_ROLES = ("anon", "authenticated")


@pytest.fixture
async def hosted(empty_database: str, redis_url: str, tmp_path: Path) -> AsyncGenerator[Settings]:
    """A database like Supabase's: whatever is made in it is everybody's."""
    admin = await asyncpg.connect(empty_database)
    for role in HOSTS_ROLES:
        await admin.execute(f"CREATE ROLE {role}")
        for kind in ("TABLES", "SEQUENCES", "FUNCTIONS"):
            await admin.execute(f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON {kind} TO {role}")
    await admin.execute(f"GRANT USAGE ON SCHEMA public TO {', '.join(HOSTS_ROLES)}")
    yield Settings(
        database_url=empty_database, redis_url=redis_url, storage_url=tmp_path.as_uri(), secret_keys=("x" * 16,)
    )
    for role in HOSTS_ROLES:
        await admin.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")
    await admin.close()


async def rights_of_outsiders(connection: Connection) -> list[str]:
    return [
        f"{row['grantee']} {row['privilege_type']} {row['table_name']}"
        for row in await connection.fetch(
            "SELECT grantee, privilege_type, table_name FROM information_schema.role_table_grants "
            "WHERE grantee IN ('anon', 'authenticated', 'PUBLIC') AND table_schema = 'public'"
        )
    ] + [
        sequence["name"]
        for sequence in await connection.fetch(
            "SELECT seqrelid::regclass::text AS name FROM pg_sequence "
            "WHERE has_sequence_privilege('anon', seqrelid, 'USAGE, SELECT, UPDATE')"
        )
    ]


async def test_nobody_else_gets_at_a_table(hosted: Settings) -> None:
    await migrate(hosted)
    connection = await asyncpg.connect(hosted.database_url)
    try:
        assert await rights_of_outsiders(connection) == []
        secured = await connection.fetch("SELECT relname FROM pg_class WHERE relrowsecurity")
        assert sorted(row["relname"] for row in secured) == our_tables()
        assert await connection.fetchval("SELECT count(*) FROM pg_policies") == 0
        await connection.execute("INSERT INTO users (user_id) VALUES ('usr_1')")
        await connection.execute("SET ROLE anon")
        for statement in (
            "INSERT INTO api_keys (key_id, user_id, key_hash) VALUES ('k', 'usr_1', 'x')",
            "SELECT FROM users",
            "SELECT FROM claim_next_task('me', '{HEAD_SWAP}', '1 minute', now())",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await connection.close()


async def test_the_doctor_finds_what_was_opened_again_and_migrate_closes_it(hosted: Settings) -> None:
    await migrate(hosted)
    connection = await asyncpg.connect(hosted.database_url)
    try:
        assert (await outsiders(connection)).health is Health.OK
        for opened, named in (
            ("GRANT SELECT ON files TO authenticated", "files"),
            ("GRANT INSERT ON api_keys TO PUBLIC", "api_keys"),
            ("ALTER TABLE tasks DISABLE ROW LEVEL SECURITY", "tasks"),
            ("GRANT USAGE ON SEQUENCE credit_ledger_entry_id_seq TO anon", "credit_ledger"),
        ):
            await connection.execute(opened)
            found = await outsiders(connection)
            assert found.health is Health.WRONG
            assert found.message.endswith(f"get at: {named}")
            assert await migrate(hosted) == []
            assert (await outsiders(connection)).health is Health.OK
    finally:
        await connection.close()


async def test_where_there_are_no_such_roles_nothing_is_changed(settings: Settings, connection: Connection) -> None:
    await connection.execute("GRANT SELECT ON tasks TO PUBLIC")
    assert await migrate(structs.replace(settings)) == []
    assert await connection.fetchval("SELECT count(*) FROM pg_class WHERE relrowsecurity") == 0
    assert (await outsiders(connection)).health is Health.OK


async def test_every_table_can_be_changed_while_somebody_publishes_it(connection: Connection) -> None:
    """Supabase's Realtime does, and logical replication of everything."""
    await connection.execute("CREATE PUBLICATION everything FOR ALL TABLES")
    for table in our_tables():
        await connection.execute(f"DELETE FROM {table} WHERE false")  # noqa: S608 - our own names


async def test_whom_row_security_shows_nothing_is_told_so(hosted: Settings) -> None:
    """To another user than their owner the tables look empty, as if nothing had ever been migrated."""
    await migrate(hosted)
    connection = await asyncpg.connect(hosted.database_url)
    try:
        await connection.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO anon; SET ROLE anon")
        for look in (check_schema, read_journal):
            with pytest.raises(TablesHidden, match="DATABASE_URL"):
                await look(connection)
        await connection.execute("RESET ROLE; CREATE POLICY everything ON schema_migrations TO anon USING (true)")
        await connection.execute("SET ROLE anon")
        await check_schema(connection)
    finally:
        await connection.close()
