"""A short storm over a whole stack; `python -m tests.chaos.storm` is the long one."""

import asyncio
import tempfile
from collections import Counter
from pathlib import Path

from tests.chaos.judging import defects
from tests.chaos.killing import WEIGHTS, blows, kind_of
from tests.chaos.storm import Weather, storm

TASKS = 40


def test_a_storm_loses_nothing_and_charges_nobody_twice() -> None:
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory) / "up.log"
        report = asyncio.run(storm(Weather(tasks=TASKS, users=4, seconds=12.0, seed=3, pause=(0.3, 1.6)), log))
        told = "\n".join([*report.lines(), *log.read_text().splitlines()[-200:]])
    assert report.wrong == [], told
    # It was one: whoever has no hand in what happens to these tasks can't show that they survive it.
    assert report.killed["worker"] > 0, told
    assert report.killed.total() >= 5, told
    assert report.ends.total() >= TASKS, told
    assert report.ends["done"] > 0, told
    assert report.looks > 0, told


def test_the_same_seed_strikes_the_same_blows() -> None:
    assert blows(7, (0.3, 3.0)) == blows(7, (0.3, 3.0)) != blows(8, (0.3, 3.0))
    assert Counter(blow.victim for blow in blows(7, (0.3, 3.0))).keys() == WEIGHTS.keys()


def test_victims_are_told_by_their_command_lines() -> None:
    assert kind_of("/venv/bin/python -m tests.chaos.darkroom api --fd 6") == "api"
    assert kind_of("/venv/bin/python -m tests.chaos.darkroom worker") == "worker"
    assert kind_of("/venv/bin/python -m tests.chaos.darkroom migrate") is None
    assert kind_of("/programs/valkey-server --port 1") == "redis"
    assert kind_of("/programs/bin/postgres -D /data") == "postgres"
    assert kind_of("postgres: darkroom darkroom 127.0.0.1(4711) idle") == "connection"
    assert kind_of("postgres: checkpointer") is None


def test_a_defect_in_the_log_is_told(tmp_path: Path) -> None:
    log = tmp_path / "up.log"
    log.write_text(
        'Darkroom is ready\n{"event": "request", "level": "info"}\n'
        '{"event": "sweep failed", "level": "error", "exception": "KeyError"}\n'
        '{"event": "Consumer encountered a connection error: refused", "level": "error"}\n'
    )
    assert defects(log) == ["1 times in the log: sweep failed: KeyError"]
