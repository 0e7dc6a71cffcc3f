"""Every command helps, exits 0, 1 or 2 as it should, and says what is wrong in one line."""

from pathlib import Path

import asyncpg
import pytest
from click.testing import CliRunner
from msgspec import structs

from service.cli.errors import explain
from service.cli.group import COMMANDS, darkroom
from service.database import Connection
from service.files.mark import WrongStorage
from service.settings import Settings
from service.storage_errors import BlobNotFound, DirectoryMissing, StorageError
from tests.running import run_command


@pytest.mark.parametrize(
    "command", [*COMMANDS, "user create", "user grant", "user key", "user token", "user show", "user delete"]
)
def test_every_command_helps(command: str) -> None:
    answer = CliRunner().invoke(darkroom, [*command.split(), "--help"])
    assert answer.exit_code == 0
    assert "Usage:" in answer.output


def nowhere(settings: Settings) -> Settings:
    return Settings(
        database_url="postgresql://someone:hunter2@127.0.0.1:1/nothing",
        redis_url=settings.redis_url,
        storage_url=settings.storage_url,
        secret_keys=settings.secret_keys,
    )


@pytest.mark.parametrize(
    "arguments", [["api", "--port", "0"], ["worker"], ["migrate"], ["user", "show", "a@example.com"]]
)
def test_without_its_database_a_command_fails_with_one_line(settings: Settings, arguments: list[str]) -> None:
    answer = run_command(*arguments, settings=nowhere(settings))
    assert answer.returncode == 1
    assert "DATABASE_URL" in answer.stderr.splitlines()[-1]
    assert "Traceback" not in answer.stderr
    assert "hunter2" not in answer.stderr + answer.stdout


async def test_tables_of_the_existing_system_are_told_apart(settings: Settings, empty_database: str) -> None:
    """As they are before they are adopted: with ids of another type, and fewer columns."""
    connection = await asyncpg.connect(empty_database)
    await connection.execute("CREATE TABLE users (user_id uuid PRIMARY KEY, email varchar(255) NOT NULL)")
    await connection.close()
    for arguments in (["user", "show", "a@example.com"], ["user", "list"], ["user", "create", "a@example.com"]):
        answer = run_command(*arguments, settings=structs.replace(settings, database_url=empty_database))
        assert answer.returncode == 1
        assert answer.stderr.splitlines()[-1].endswith("Run: darkroom migrate")


async def test_tables_that_are_of_this_version_are_not_to_be_migrated(
    settings: Settings, connection: Connection
) -> None:
    """What fails there all the same, no migration mends."""
    await connection.execute("ALTER TABLE users RENAME COLUMN email TO post")
    answer = run_command("user", "show", "a@example.com", settings=settings)
    assert answer.returncode == 1
    assert "is gone" in answer.stderr
    assert "migrate" not in answer.stderr


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("darkroom", ["nonsense"]),
        ("darkroom edit", []),
        ("darkroom user create", []),
        ("darkroom user grant", ["a@example.com", "much"]),
        ("darkroom up", ["--port", "x"]),
        ("darkroom migrate", ["one\ntwo"]),
        ("darkroom up", ["--data-dir"]),
        ("darkroom legacy verify", ["--accept"]),
        ("darkroom legacy import", ["--dry-run=yes"]),
    ],
)
def test_a_wrong_call_exits_with_2(settings: Settings, command: str, arguments: list[str]) -> None:
    answer = run_command(*command.split()[1:], *arguments, settings=settings)
    assert answer.returncode == 2
    (line,) = answer.stderr.splitlines()
    assert line.startswith(f"{command}: ")
    assert line.endswith(f"; see `{command} --help`")


def test_a_wrong_setting_is_named(settings: Settings) -> None:
    answer = run_command("migrate", settings=settings, extra={"LOG_FORMAT": "xml"})
    assert answer.returncode == 1
    assert answer.stderr.strip() == "darkroom: LOG_FORMAT takes console or json"


def test_a_data_directory_that_cannot_be_made_is_named(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    answer = run_command("up", "--data-dir", str(tmp_path / "file" / "data"), settings=settings)
    assert answer.returncode == 1
    assert answer.stderr == f"darkroom: {tmp_path}/file/data can't be used: Not a directory\n"


def test_the_api_demands_a_secret_key(settings: Settings) -> None:
    answer = run_command("api", settings=settings, extra={"SECRET_KEY": ""})
    assert answer.returncode == 1
    assert answer.stderr.startswith("darkroom: SECRET_KEY is not set.")


@pytest.mark.parametrize(
    "error",
    [
        StorageError("s3://photos: access denied", transient=False),
        BlobNotFound("ab/file_1"),
        DirectoryMissing(Path("/photos")),
        WrongStorage("file:///photos", "0123"),
    ],
)
def test_a_storage_that_cant_be_used_is_told_in_its_own_words(error: StorageError) -> None:
    assert explain(error) == str(error)
