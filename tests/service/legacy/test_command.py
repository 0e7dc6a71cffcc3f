"""`darkroom legacy import` and `darkroom legacy verify` as an operator calls them."""

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis
from msgspec import structs

from service.database import Connection
from service.settings import Settings
from tests.chaos.pgbouncer import needs_pgbouncer, pooled
from tests.databases import url_of_database
from tests.legacy.sample import Sample, generate
from tests.redis_servers import valkey
from tests.running import environment, nobodys_port, run_command
from tests.service.legacy.moves import JSON, Old

TASK = "task_1764915114_a1b2c3"
READER, PASSWORD = "reader", "a password for tests"
PARTS = ["users", "tasks", "queue"]
NOTHING = {"LEGACY_REDIS_URL": ""}


def called(settings: Settings, *arguments: str, **extra: str) -> "subprocess.CompletedProcess[str]":
    return run_command("legacy", *arguments, settings=settings, extra=NOTHING | extra)


def refused(answer: "subprocess.CompletedProcess[str]", words: str, code: int) -> None:
    """It says why in one line of its own, and nothing else happened."""
    assert answer.returncode == code, answer.stderr
    assert answer.stdout == ""
    said = answer.stderr.splitlines()
    assert words in said[-1]
    parts = ("users: ", "tasks: ", "deleted: ")
    assert len([line for line in said if line.strip() and not line.startswith(parts)]) == 1
    assert "Traceback" not in answer.stderr


@pytest.fixture
def reader(old: Old) -> Generator[str]:
    """The URL for somebody who may only read, of all Redis can do."""
    old.redis.acl_setuser(
        READER,
        enabled=True,
        passwords=[f"+{PASSWORD}"],
        keys=["*"],
        categories=["+@read"],
        commands=["+select"],
        reset=True,
    )
    parts = urlsplit(old.url)
    login = f"{READER}:{PASSWORD.replace(' ', '%20')}"
    yield parts._replace(netloc=f"{login}@{parts.hostname}:{parts.port}").geturl()
    old.redis.acl_deluser(READER)


@pytest.mark.parametrize("command", ["hgetall", "pttl"])
def test_who_may_not_even_read_is_told_so(settings: Settings, old: Old, reader: str, command: str) -> None:
    old.task(TASK)
    old.redis.acl_setuser(READER, enabled=True, commands=[f"-{command}"])
    refused(called(settings, "import", "--redis-url", reader), "can't be read: this user may not", 1)


def test_who_may_only_read_can_import_and_compare(settings: Settings, old: Old, reader: str, tmp_path: Path) -> None:
    generate(old.redis, Sample(tasks=300, users=60, breakage=0.5))
    before, report = old.dump(), tmp_path / "report.json"
    imported = called(settings, "import", "--take-over", "--report", str(report), LEGACY_REDIS_URL=reader)
    assert imported.returncode == 0, imported.stderr
    summary: JSON = json.loads(imported.stdout)
    written: JSON = json.loads(report.read_bytes())
    assert written["summary"] == summary
    findings = written["findings"]
    told = summary["users"]["quarantined"] + summary["tasks"]["quarantined"]
    assert sum(finding["what"] == "quarantined" for finding in findings) == told > 0
    assert sum(finding["kind"] == "queue" for finding in findings) == summary["queue"]["without_data"] > 0
    remarked = summary["users"]["remarked"] + summary["tasks"]["remarked"]
    assert len(findings) == told + remarked + summary["queue"]["without_data"]
    assert list(tmp_path.glob("*.partial")) == []

    verified = called(settings, "verify", "--redis-url", reader, "--report", str(report))
    assert verified.returncode == 0, verified.stderr
    assert json.loads(verified.stdout)["equal"] is True
    assert json.loads(report.read_bytes())["findings"] == []
    old.change(old.task(TASK), status="failed")
    assert old.dump().items() >= before.items()
    differs = called(settings, "verify", "--redis-url", reader, "--report", str(report))
    assert differs.returncode == 1
    assert differs.stderr.splitlines()[-1] == "darkroom: 1 differences; the first are listed above"
    assert [one["record_id"] for one in json.loads(differs.stdout)["list"]] == [TASK]
    assert [one["record_id"] for one in json.loads(report.read_bytes())["findings"]] == [TASK]


@needs_pgbouncer
def test_through_a_transaction_pooler(settings: Settings, old: Old, tmp_path: Path) -> None:
    generate(old.redis, Sample(tasks=1500, users=100, breakage=0.2))
    with pooled(settings.database_url, tmp_path, sessions=2) as bouncer:
        behind = structs.replace(settings, database_url=bouncer.url)
        for command in (("import",), ("import", "--take-over"), ("verify",)):
            answer = called(behind, *command, "--redis-url", old.url, DATABASE_POOLER="transaction")
            assert answer.returncode == 0, answer.stderr


async def test_what_is_wrong_is_said_in_a_line(settings: Settings, old: Old, connection: Connection) -> None:
    old.task(TASK, old.user("usr_1"))
    for command in ("import", "verify"):
        refused(called(settings, command), "--redis-url", 2)
        refused(called(settings, command, "--redis-url", "http://x"), "redis://", 2)
        refused(called(settings, command, "--redis-url", old.url, "--timezone", "Asia/Nowhere"), "Asia/Nowhere", 2)
        away = f"redis://127.0.0.1:{nobodys_port()}/0"
        refused(called(settings, command, "--redis-url", away), "The old Redis can't be read", 1)
        parts = urlsplit(old.url)
        beyond = parts._replace(path="/9999").geturl()
        refused(called(settings, command, "--redis-url", beyond), "it says: DB index is out of range", 1)
        wrong = parts._replace(netloc=f"nobody:secret@{parts.hostname}:{parts.port}").geturl()
        refused(called(settings, command, "--redis-url", wrong), "refuses the user or password", 1)
        report = called(settings, command, "--redis-url", old.url, "--report", "/nowhere/at/all.json")
        refused(report, "/nowhere/at/all.json can't be written", 1)
        prefix = called(settings, command, "--redis-url", old.url, "--prefix", "other:")
        assert prefix.returncode == 1
        assert prefix.stderr.splitlines()[-1] == (
            "darkroom: No task's key begins with 'other:', but there are some that begin with 'formy:'. "
            "Name it with --prefix, or set LEGACY_PREFIX."
        )
    assert await connection.fetchval("SELECT count(*) FROM tasks") == 0
    unmigrated = structs.replace(settings, database_url=settings.database_url.rpartition("/")[0] + "/postgres")
    refused(called(unmigrated, "import", "--redis-url", old.url), "darkroom migrate", 1)


def test_an_old_redis_that_is_full_of_clients_is_told_so(settings: Settings) -> None:
    with valkey(maxclients="1") as url, redis.Redis.from_url(url) as holding:
        holding.ping()
        for arguments in (("import",), ("export", "--force")):
            answer = called(settings, *arguments, "--redis-url", url)
            refused(answer, "it has no connection left for us; raise its maxclients", 1)


def test_somebody_who_watches_sees_a_bar_with_the_rate(settings: Settings, old: Old) -> None:
    generate(old.redis, Sample(tasks=11_000, users=100))
    watching, watched = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "service.cli.main", "legacy", "import", "--redis-url", old.url],
        env=environment(settings) | {"TERM": "xterm", "COLUMNS": "100"},
        stdout=subprocess.DEVNULL,
        stderr=watched,
    ) as process:
        os.close(watched)
        shown = b""
        while chunk := _read(watching):
            shown += chunk
    os.close(watching)
    assert process.returncode == 0, shown
    lines = re.sub(r"\x1b\[\S*?[a-z]", "", shown.decode()).replace("\r\n", "\n").splitlines()
    bars = [line for line in lines if re.match(r"tasks +\[#+-*\] +\d{4,}/\d{5} .* [\d,]+/s", line)]
    assert len(bars) > 3
    assert [line.partition(":")[0] for line in lines if re.search(r": [\d,]+ in [\d.]+ s", line)] == PARTS


def _read(terminal: int) -> bytes:
    """What comes; nothing once the other end is closed, which Linux tells as an error."""
    try:
        return os.read(terminal, 65_536)
    except OSError:
        return b""


def test_the_way_back_is_a_command(settings: Settings, old: Old, redis_url: str) -> None:
    """To another Redis than the one imported from, whatever its name; told in one line where it can't."""
    old.user("usr_1", current_credits=4368)
    old.task(TASK, "usr_1", "pending")
    assert called(settings, "import", "--redis-url", old.url, "--take-over").returncode == 0
    before = old.dump()
    other_name = old.url.replace("127.0.0.1", "localhost")
    for url in (old.url, other_name):
        refused(called(settings, "export", "--redis-url", url), "imported from. Name another one, or say --force", 1)
    refused(called(settings, "export"), "Missing option '--redis-url'", 2)
    refused(called(settings, "export", "--redis-url", f"redis://127.0.0.1:{nobodys_port()}"), "nobody listens there", 1)
    assert old.dump() == before
    another = Old(url_of_database(redis_url, "5"))
    try:
        another.redis.flushdb()
        there = called(settings, "export", "--redis-url", another.url)
        assert there.returncode == 0, there.stderr
        summary: JSON = json.loads(there.stdout)
        assert (summary["users"]["written"], summary["tasks"]["written"], summary["queue"]["waiting"]) == (0, 1, 1)
        named = called(settings, "export", "--redis-url", another.url, LEGACY_REDIS_URL=another.url)
        refused(named, "imported from. Name another one, or say --force", 1)
        another.redis.flushdb()
        another.redis.set("formy:task:queue", "what?")
        refused(called(settings, "export", "--redis-url", another.url), "under formy:task:queue lies a string", 1)
    finally:
        another.redis.flushdb()
        another.close()


@needs_pgbouncer
def test_the_way_back_leads_through_a_pooler(settings: Settings, old: Old, tmp_path: Path) -> None:
    old.user("usr_1")
    old.task(TASK, "usr_1", "pending")
    assert called(settings, "import", "--redis-url", old.url, "--take-over").returncode == 0
    with pooled(settings.database_url, tmp_path, sessions=2) as bouncer:
        pooler = structs.replace(settings, database_url=bouncer.url)
        there = called(pooler, "export", "--redis-url", old.url, "--force")
    assert there.returncode == 0, there.stderr
    assert old.queue() == [TASK]
