"""`darkroom up` on real servers; only its API, worker and commands are stand-ins (fake_service.py)."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from service.cli.up import up
from tests.service.embedded.conftest import Spawn, eventually, gone

EXTERNAL = {"DATABASE_URL": "postgresql://me:hunter2@127.0.0.1:9/x", "REDIS_URL": "redis://:hunter2@127.0.0.1:9/0"}


@dataclass
class Up:
    """A running `up`, or one that has ended."""

    process: subprocess.Popen[bytes]
    data: Path
    said: Path
    known: set[int] = field(default_factory=set[int])

    def ready(self) -> dict[str, Any]:
        """What ready.json says, once it is there."""
        path = self.data / "ready.json"
        eventually(lambda: path.exists() or self.process.poll() is not None)
        assert self.process.poll() is None, self.said.read_text()
        ready: dict[str, Any] = json.loads(path.read_text())
        self.known |= set(pids_in(ready))
        return ready

    def replaced(self, old: int) -> dict[str, Any]:
        """What it says once a pid is no longer in it, which takes 5 seconds at most."""
        eventually(lambda: old not in pids_in(self.ready()), seconds=5)
        return self.ready()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(40)


def pids_in(ready: dict[str, Any]) -> list[int]:
    pids = ready["pids"]
    return [pid for pid in (pids["api"], *pids["workers"], pids["postgres"], pids["redis"]) if pid is not None]


Start = Callable[..., Up]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """What the stand-ins go by."""
    path = tmp_path / "state"
    path.mkdir()
    return path


@pytest.fixture
def start(spawn: Spawn, state: Path, tmp_path: Path) -> Iterator[Start]:
    started: list[Up] = []

    def start_up(data: Path, *options: str, **variables: str) -> Up:
        said = tmp_path / f"said-{len(started)}"
        inherited = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
        environment = inherited | {"FAKE_STATE": str(state)} | variables
        with said.open("wb") as output:
            process = spawn(
                "run_up.py",
                *("--port", "0", "--data-dir", data, *options),
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=tmp_path,
            )
        started.append(Up(process, data, said))
        return started[-1]

    yield start_up
    for each in started:
        if each.process.poll() is None:
            each.stop()
        eventually(lambda each=each: all(gone(pid) for pid in each.known))


def ask(ready: dict[str, Any], path: str) -> dict[str, Any]:
    with urllib.request.urlopen(ready["base_url"] + path, timeout=10) as answer:  # noqa: S310 - http, it is ours
        return json.load(answer)


def test_a_life(made: Path, start: Start, state: Path) -> None:
    """Everything of a stack dies once and comes back; then it is stopped."""
    made.mkdir(exist_ok=True)
    (made / "ready.json").write_text("stale")
    running = start(made, "--demo-user", "--workers", "2")
    eventually(lambda: not (made / "ready.json").exists())
    first = running.ready()
    assert set(first) == {"base_url", "database_url", "redis_url", "api_key", "user_id", "pids"}
    assert set(first["pids"]) == {"api", "workers", "postgres", "redis"}
    assert len(set(pids_in(first))) == 5
    for name in ("ready.json", "demo-user.json", "secret-key"):
        assert (made / name).stat().st_mode & 0o777 == 0o600
    user = json.loads((made / "demo-user.json").read_text())
    assert user == {"user_id": first["user_id"], "email": "demo@darkroom.local", "api_key": first["api_key"]}
    eventually(lambda: f"Open       {first['base_url']}/sign-in#dl_once\n" in running.said.read_text())
    told = json.loads((state / "environment").read_text())
    assert told["STORAGE_URL"] == (made / "files").as_uri()
    assert told["SECRET_KEY"] == (made / "secret-key").read_text()

    worker = first["pids"]["workers"][0]
    os.kill(worker, signal.SIGKILL)
    assert first["pids"]["workers"][1] in running.replaced(worker)["pids"]["workers"]

    # Nobody is refused while the API is away.
    (state / "degraded").touch()
    answers: list[dict[str, Any]] = []
    os.kill(first["pids"]["api"], signal.SIGKILL)
    client = threading.Thread(target=lambda: answers.append(ask(first, "/pid")))
    client.start()
    client.join(10)
    assert answers[0]["pid"] != first["pids"]["api"]
    # It is told of only once everything answers.
    assert running.ready()["pids"]["api"] == first["pids"]["api"]
    (state / "degraded").unlink()
    second = running.replaced(first["pids"]["api"])
    assert second["pids"]["api"] == answers[0]["pid"]

    for name in ("postgres", "redis"):
        os.kill(second["pids"][name], signal.SIGKILL)
        second = running.replaced(second["pids"][name])
    assert {key: second[key] for key in first if key != "pids"} == {key: first[key] for key in first if key != "pids"}

    assert running.stop() == 0, running.said.read_text()
    assert not (made / "ready.json").exists()
    assert all(gone(pid) for pid in pids_in(second))
    stops = [line for line in (state / "log").read_text().splitlines() if "stopped" in line]
    assert sorted(stops) == ["api stopped, database there", *["worker stopped, database there"] * 2]
    assert "Traceback" not in running.said.read_text()


def test_killed_and_started_again(made: Path, start: Start, state: Path) -> None:
    killed = start(made, "--demo-user")
    before = killed.ready()
    killed.process.kill()
    killed.process.wait()
    eventually(lambda: all(gone(pid) for pid in pids_in(before)))
    assert (made / "ready.json").exists()
    again = start(made, "--demo-user")
    eventually(lambda: not (made / "ready.json").exists())
    after = again.ready()
    assert set(pids_in(after)).isdisjoint(pids_in(before))
    assert after["api_key"] == before["api_key"]
    assert again.stop(signal.SIGINT) == 0
    assert (state / "log").read_text().count("user create") <= 1


def test_with_servers_from_elsewhere(directory: Path, start: Start, state: Path, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"FROM_DOTENV=yes\nREDIS_URL={EXTERNAL['REDIS_URL']}\nDATABASE_URL=postgres://no\n")
    running = start(
        directory, "--workers", "3", DATABASE_URL=EXTERNAL["DATABASE_URL"], ENGINE_THREADS="7", SECRET_KEY="s" * 32
    )
    ready = running.ready()
    assert {name: ready[name.lower()] for name in EXTERNAL} == EXTERNAL
    assert (ready["pids"]["postgres"], ready["pids"]["redis"]) == (None, None)
    assert (ready["api_key"], ready["user_id"]) == (None, None)
    told = json.loads((state / "environment").read_text())
    assert (told["ENGINE_THREADS"], told["SECRET_KEY"], told["FROM_DOTENV"]) == ("7", "s" * 32, "yes")
    assert not (directory / "secret-key").exists()
    assert not (directory / "servers").exists()

    second = start(directory, **EXTERNAL)
    assert second.process.wait(10) == 1
    assert second.said.read_text() == f"Error: Another `darkroom up` is running on {directory}\n"
    assert running.ready() == ready


def test_not_ready_before_the_api_says_so(directory: Path, start: Start, state: Path) -> None:
    (state / "degraded").touch()
    running = start(directory, **EXTERNAL)
    eventually(lambda: (state / "log").exists() and "readyz degraded" in (state / "log").read_text())
    assert not (directory / "ready.json").exists()
    (state / "degraded").unlink()
    assert running.ready()


def test_not_ready_before_every_worker_is(directory: Path, start: Start, state: Path) -> None:
    (state / "no-byte").touch()
    running = start(directory, **EXTERNAL)
    eventually(lambda: (state / "environment").exists() and (state / "environment").read_text())
    assert not (directory / "ready.json").exists()
    (state / "no-byte").unlink()
    stuck = json.loads((state / "environment").read_text())["pid"]
    os.kill(stuck, signal.SIGKILL)
    assert running.ready()["pids"]["workers"] != [stuck]


def test_a_demo_user_whose_key_was_never_kept(directory: Path, start: Start, state: Path) -> None:
    (state / "create-prints-nothing").touch()
    killed = start(directory, "--demo-user", **EXTERNAL)
    assert killed.process.wait(10) == -signal.SIGKILL
    (state / "create-prints-nothing").unlink()
    again = start(directory, "--demo-user", **EXTERNAL)
    key = again.ready()["api_key"]
    again.stop()
    # The database that knew it is gone.
    (state / "users").unlink()
    (state / "users").touch()
    other = start(directory, "--demo-user", **EXTERNAL).ready()["api_key"]
    assert other != key
    assert other in (state / "users").read_text()


@pytest.mark.parametrize(
    ("obstacle", "variables", "message"),
    [
        ("migrate-fails", {}, "The schema can't be brought up to date: no connection to postgresql://me:***@"),
        ("worker-refuses", {}, "Worker 1 ended (exit code 1)"),
        (None, {"WORKER_SLOTS": "many"}, "WORKER_SLOTS takes a whole number"),
        (None, {"REDIS_URL": "http://x"}, "REDIS_URL takes redis://"),
    ],
)
def test_a_start_that_fails_says_why_in_a_line(
    directory: Path, start: Start, state: Path, obstacle: str | None, variables: dict[str, str], message: str
) -> None:
    if obstacle is not None:
        (state / obstacle).touch()
    failed = start(directory, **(EXTERNAL | variables))
    assert failed.process.wait(15) == 1
    said = failed.said.read_text()
    assert message in said.splitlines()[-1]
    assert "Traceback" not in said
    assert "hunter2" not in said
    assert not (directory / "ready.json").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel how often a process woke up")
def test_at_rest_it_sleeps(directory: Path, start: Start) -> None:
    """It looks at nothing: the kernel tells it when a child has ended."""
    running = start(directory, **EXTERNAL)
    running.ready()

    def wakings() -> int:
        status = Path(f"/proc/{running.process.pid}/status").read_text()
        return int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])

    def rests() -> bool:
        before = wakings()
        with suppress(subprocess.TimeoutExpired):
            running.process.wait(2)
        return wakings() - before <= 1

    eventually(rests)


@pytest.mark.parametrize("seconds", [0.1, 0.4, 0.7, 1.1])
def test_ctrl_c_in_the_first_second_stops_it_cleanly(directory: Path, tmp_path: Path, seconds: float) -> None:
    """The command itself, imports included; before it has begun, Python says for itself that it was interrupted."""
    environment = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
    # Whoever runs the tests in a shell's background has Ctrl-C ignored, which processes inherit.
    begin = "import os, signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    begin += "from service.cli.main import main; os.write(1, b'begins'); main()"
    command = [sys.executable, "-c", begin, "up", "--port", "0", "--data-dir", directory]
    with (tmp_path / "said").open("wb") as said:
        process = subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=said, stderr=said)
    eventually(lambda: (tmp_path / "said").read_bytes().startswith(b"begins"))
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    process.send_signal(signal.SIGINT)
    assert process.wait(40) in {0, 128 + signal.SIGINT, -signal.SIGINT}
    assert "Traceback" not in (tmp_path / "said").read_text()
    assert not (directory / "ready.json").exists()


def test_a_port_that_is_taken(directory: Path, start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        failed = start(directory, "--port", str(port), **EXTERNAL)
        assert failed.process.wait(10) == 1
        assert failed.said.read_text() == (
            f"Error: Port {port} on 127.0.0.1 is taken: choose another with --port (0 picks a free one)\n"
        )


@pytest.mark.parametrize("options", [["--port", "70000"], ["--workers", "0"], ["--nonsense"]])
def test_wrong_usage(options: list[str]) -> None:
    assert CliRunner().invoke(up, options).exit_code == 2
