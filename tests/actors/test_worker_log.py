"""What an operator reads in a worker's log."""

import json
import signal
from pathlib import Path

from service.settings import Settings
from tests.running import running_worker


def test_a_worker_says_when_it_is_ready_and_when_it_stops_and_each_line_says_who(
    settings: Settings, tmp_path: Path
) -> None:
    log = tmp_path / "worker.log"
    with running_worker(settings, {"LOG_FORMAT": "json"}, log=log) as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    told = [line["event"].partition(":")[0] for line in lines if line["event"].startswith("worker ")]
    assert told == ["worker ready", "worker stopping", "worker stopped"]
    assert {line["pid"] for line in lines} == {process.pid}
    (name,) = {line["worker_id"] for line in lines if "worker_id" in line}
    assert f":{process.pid}:" in name
    ready = next(line for line in lines if line["event"] == "worker ready")
    assert (ready["worker_id"], ready["slots"]) == (name, 1)
