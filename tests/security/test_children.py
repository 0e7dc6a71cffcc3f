"""What the process in which strangers' photos are opened knows of the rest."""

import sys
from pathlib import Path

import pytest

from actors.engines.local.process import ChildProcess
from service.files.storage import OPTIONS

SECRETS = ["SECRET_KEY", "DATABASE_URL", "REDIS_URL", "LEGACY_REDIS_URL", "RUNNINGHUB_API_KEY", "COMFYUI_URL"]
OTHERS = "SOMEBODY_ELSES_TOKEN"


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells a process's environment")
@pytest.mark.parametrize("photos", [False, True])
async def test_it_is_given_no_secret(monkeypatch: pytest.MonkeyPatch, photos: bool) -> None:
    for name in (*SECRETS, *OPTIONS, OTHERS):
        monkeypatch.setenv(name, "a-secret-of-ours")
    monkeypatch.setenv("MODEL_MATTE", "")
    child = await ChildProcess.start(1, photos=photos)
    try:
        told = _environment_of(child.pid)
    finally:
        await child.kill()
    assert b"a-secret-of-ours" not in told
    assert b"MODEL_MATTE=" in told
    assert b"PATH=" in told


def _environment_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()
