"""`make demo`: one edit of each available mode, over HTTP, on a stack of its own; the pictures go into demo/."""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

SAMPLES = Path(__file__).parent
PICTURES = Path("demo")
START_WITHIN = 120.0
EDIT_WITHIN = 120.0

EDITS: dict[str, list[tuple[str, str, str | None, dict[str, Any]]]] = {
    "BACKGROUND_CHANGE": [
        ("background_preset", "astronaut.jpg", None, {"background_preset": "studio_grey"}),
        ("background_custom", "man_standing.jpg", "background_china.jpg", {"background_type": "custom"}),
        ("background_remove", "hopper.jpg", None, {"background_type": "remove"}),
    ],
    "HEAD_SWAP": [
        ("head_on_preset", "hopper.jpg", None, {"figure_preset": "astronaut"}),
        ("head_on_reference", "astronaut.jpg", "hopper.jpg", {}),
    ],
    "POSE_CHANGE": [
        ("pose_preset", "man_standing.jpg", None, {"target_pose": "hands_on_hips"}),
        ("pose_reference", "man_arms_out.jpg", "figure_arms_raised.jpg", {}),
    ],
}
"""By mode: the picture's name, source, reference, config."""


@contextmanager
def stack() -> Generator[dict[str, Any]]:
    """`darkroom up` on free ports and a fresh directory; what its ready.json says."""
    with tempfile.TemporaryDirectory(prefix="darkroom-demo-") as directory:
        ready = Path(directory) / "ready.json"
        log = (Path(directory) / "up.log").open("wb")
        command = [
            sys.executable,
            "-m",
            "service.cli.main",
            "up",
            "--port",
            "0",
            "--demo-user",
            "--data-dir",
            directory,
        ]
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)  # noqa: S603 - our own command
        try:
            deadline = time.monotonic() + START_WITHIN
            while not ready.exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    sys.stderr.write(Path(log.name).read_text())
                    raise SystemExit("The stack did not start; its log is above.")
                time.sleep(0.05)
            yield json.loads(ready.read_text())
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()
            log.close()


def upload(client: httpx.Client, name: str) -> str:
    with (SAMPLES / name).open("rb") as file:
        answer = client.post("/api/v1/uploads", files={"file": (name, file)})
    return answer.raise_for_status().json()["file_id"]


def edit(client: httpx.Client, mode: str, source: str, reference: str | None, config: dict[str, Any]) -> dict[str, Any]:
    """The finished task."""
    body: dict[str, Any] = {"mode": mode, "source_image": upload(client, source), "config": config}
    if reference is not None:
        body["reference_image"] = upload(client, reference)
    task = client.post("/api/v1/tasks", json=body).raise_for_status().json()
    deadline = time.monotonic() + EDIT_WITHIN
    while task["status"] in {"pending", "processing"} and time.monotonic() < deadline:
        task = client.get(f"/api/v1/tasks/{task['task_id']}", params={"wait": 30}).raise_for_status().json()
    return task


def save(client: httpx.Client, task: dict[str, Any], name: str) -> Path:
    """The picture, from its signed URL, without a token."""
    answer = httpx.get(str(client.base_url.join(task["result"]["output_image"])), trust_env=False).raise_for_status()
    path = PICTURES / f"{name}.{'png' if answer.headers['content-type'] == 'image/png' else 'jpg'}"
    path.write_bytes(answer.content)
    return path


def main() -> int:
    argparse.ArgumentParser(description=__doc__).parse_args()
    PICTURES.mkdir(exist_ok=True)
    failures = 0
    with stack() as ready:
        headers = {"Authorization": f"Bearer {ready['api_key']}"}
        # The stack is on this machine: whatever proxy the environment names can't reach it.
        with httpx.Client(base_url=ready["base_url"], headers=headers, timeout=60, trust_env=False) as client:
            modes = client.get("/api/v1/modes").raise_for_status().json()["modes"]
            for mode in (description["mode"] for description in modes if description["available"]):
                for name, source, reference, config in EDITS[mode]:
                    task = edit(client, mode, source, reference, config)
                    if task["status"] == "done":
                        path = save(client, task, name)
                        cost = f"{task['processing_time']:.1f} s, {task['credits_consumed']} credits"
                        print(f"{mode:18} {source} -> {path}  ({cost})")
                    else:
                        failures += 1
                        print(f"{mode:18} {source}: {task['status']} {task['error']}")
    return min(failures, 1)


if __name__ == "__main__":
    sys.exit(main())
