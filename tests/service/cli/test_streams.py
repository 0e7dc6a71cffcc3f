"""What a command says gets where it can: whatever the terminal spells, whoever reads, whatever is missing."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import pytest

from service.database import Connection
from service.settings import Settings
from tests.forking import MAIN, start
from tests.running import environment
from tests.seeds import SEED, THOROUGH

EMAIL = "用户😀@x.test"
ENCODINGS = ("ascii", "latin-1", "gbk", "cp1252", "utf-16", "utf-8", "ascii:strict", "gbk:strict")


def run(
    *arguments: str, settings: Settings, extra: dict[str, str] | None = None, stdout: IO[bytes] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """`darkroom ...`, which writes where it is told to."""
    with TemporaryFile() as written, TemporaryFile() as errors:
        process = start(
            MAIN, *arguments, environment=environment(settings, extra), stdout=stdout or written, stderr=errors
        )
        code = process.wait(60)
        written.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess(arguments, code, written.read(), errors.read())


def run_in_shell(
    *arguments: str, settings: Settings, script: str = 'exec "$@"', extra: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """`darkroom ...` as `$@` of a script, by a Python that starts under what the script has made of its streams."""
    return subprocess.run(
        ["bash", "-c", script, "bash", sys.executable, "-m", "service.cli.main", *arguments],
        env=environment(settings, extra),
        capture_output=True,
        check=False,
        timeout=60,
    )


def quiet(done: subprocess.CompletedProcess[bytes]) -> None:
    for text in (done.stdout, done.stderr):
        assert b"Traceback" not in text
        assert re.search(rb"[A-Z]\w+(Error|Exception)", text) is None
        assert b"destroyed" not in text


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_key_is_shown_on_every_terminal(settings: Settings, encoding: str) -> None:
    done = run("user", "create", EMAIL, settings=settings, extra={"PYTHONIOENCODING": encoding})
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout.decode(encoding.partition(":")[0]))
    assert made["email"] == EMAIL
    assert made["api_key"].startswith("dk_")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_errors_and_questions_are_told_on_every_terminal(settings: Settings, encoding: str) -> None:
    done = run("user", "show", EMAIL, settings=settings, extra={"PYTHONIOENCODING": encoding})
    assert done.returncode == 1
    assert "There is no user" in done.stderr.decode(encoding.partition(":")[0])
    quiet(done)


def test_a_locale_without_letters(settings: Settings) -> None:
    bare = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    done = run_in_shell("user", "create", "ada@x.test", settings=settings, extra=bare)
    assert json.loads(done.stdout)["api_key"]
    done = run_in_shell("user", "show", EMAIL, settings=settings, extra=bare)
    assert done.returncode == 2
    quiet(done)


def test_bytes_that_are_no_text_name_nobody(settings: Settings) -> None:
    done = run_in_shell("user", "show", settings=settings, script='exec "$@" "$(printf \'a\\xff@x.test\')"')
    assert done.returncode == 2
    quiet(done)


@pytest.mark.parametrize(
    "arguments", [("doctor",), ("--help",), ("user", "show", "ada@x.test"), ("user", "list"), ("legacy", "--help")]
)
@pytest.mark.parametrize("reader", ["head -1", "true"])
async def test_a_reader_that_goes_away(
    settings: Settings, connection: Connection, arguments: Sequence[str], reader: str
) -> None:
    await connection.execute("INSERT INTO users (user_id, email) VALUES ('usr_ada', 'ada@x.test')")
    with subprocess.Popen(reader.split(), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as reading:  # noqa: ASYNC220
        done = run(*arguments, settings=settings, stdout=reading.stdin)
    assert done.returncode == (1 if arguments == ("doctor",) else 0), done.stderr
    quiet(done)


@pytest.mark.parametrize("streams", [">&-", "<&-", "2>&-", "<&- >&-", "<&- >&- 2>&-"])
def test_streams_that_are_not_there(settings: Settings, streams: str) -> None:
    done = run_in_shell("user", "create", f"{len(streams)}@x.test", settings=settings, script=f'exec "$@" {streams}')
    assert done.returncode == 0, done.stderr
    quiet(done)
    if ">" not in streams.replace("2>", ""):
        assert json.loads(done.stdout)["api_key"]


def test_a_full_disk_is_told_and_the_key_is_not_lost(settings: Settings) -> None:
    with Path("/dev/full").open("wb", buffering=0) as full:
        done = run("user", "create", "ada@x.test", settings=settings, stdout=full)
    assert done.returncode == 1
    told, _, last = done.stderr.decode().strip().rpartition("\n")
    assert json.loads(told)["api_key"]
    assert last == "darkroom: What there is to say can't be written: No space left on device"


def test_nothing_at_all_can_be_told(settings: Settings) -> None:
    done = run_in_shell("user", "create", "ada@x.test", settings=settings, script='exec "$@" >/dev/full 2>/dev/full')
    assert done.returncode == 1


@pytest.mark.parametrize("arguments", [("user", "show", "ada@x.test"), ("doctor",), ("edit", "--help")])
def test_ctrl_c_at_any_moment_leaves_no_traceback(settings: Settings, arguments: Sequence[str], tmp_path: Path) -> None:
    """From when Python itself has started: what it prints before that is not ours. The moments are others every day."""
    moments = random.Random(SEED)  # noqa: S311 - no secret
    program = [sys.executable, "-c", "import sys; sys.stderr.write('!'); from service.cli.main import main; main()"]
    for step in range(12 if THOROUGH else 2):
        log = tmp_path / f"{step}.log"
        with log.open("wb") as written:
            process = subprocess.Popen(
                [*program, *arguments], env=environment(settings), stdout=subprocess.DEVNULL, stderr=written
            )
            while not log.read_bytes() and process.poll() is None:
                time.sleep(0.001)
            time.sleep(moments.uniform(0.02, 0.9))
            process.send_signal(signal.SIGINT)
            code = process.wait(30)
        text = log.read_text()
        assert "Traceback" not in text, text
        assert code in {-signal.SIGINT, 130, 0, 1}, text
        if code == 130:
            assert text.splitlines()[-1].endswith("darkroom: stopped")


def test_a_command_that_ignores_ctrl_c_goes_on_ignoring_it(settings: Settings) -> None:
    """As `nohup` and shells' background jobs want it."""
    done = run_in_shell(
        "user", "show", "x@x.test", settings=settings,
        script="trap '' INT; \"$@\" & sleep 0.4; kill -INT $!; wait $!",
    )  # fmt: skip
    assert done.returncode == 1
    assert b"There is no user" in done.stderr


async def test_erasing_asks_or_demands_yes(settings: Settings, connection: Connection) -> None:
    await connection.execute("INSERT INTO users (user_id, email) VALUES ('usr_ada', 'ada@x.test')")
    done = run("user", "delete", "ada@x.test", settings=settings)
    assert done.returncode == 2
    assert b"--yes" in done.stderr
    for answer, code, left in (("n", 1, 1), ("y", 0, 0)):
        controller, terminal = os.openpty()
        process = subprocess.Popen(  # noqa: ASYNC220 - it asks, and is answered at once
            [sys.executable, "-m", "service.cli.main", "user", "delete", "ada@x.test"],
            env=environment(settings),
            stdin=terminal,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        os.write(controller, f"{answer}\n".encode())
        _, errors = process.communicate(timeout=60)
        os.close(terminal)
        os.close(controller)
        assert process.returncode == code, errors
        assert b"Erase ada@x.test" in errors
        assert await connection.fetchval("SELECT count(*) FROM users") == left
    assert run("user", "delete", "ada@x.test", "--yes", settings=settings).returncode == 1
