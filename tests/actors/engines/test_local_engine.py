"""The child process of the local engine: stopped, killed, hung, orphaned; and what its parent doesn't load."""

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from unittest.mock import Mock

import pytest

from actors.engines.local.engine import LocalEngine
from actors.engines.local.process import ChildProcess
from actors.engines.registry import engines_for
from actors.engines.seam import EngineError, Progress
from schema.models.edits import HeadSwapConfig, Mode, PoseChangeConfig
from schema.models.problems import FailureCode
from tests.actors.engines.conftest import MakeRequest, edited
from tests.actors.engines.scenes import ASTRONAUT, CHINA, FIGURE

NEEDS_PIDFD = pytest.mark.skipif(sys.platform != "linux", reason="pidfd is Linux's")
WITHIN = 5.0
"""Seconds after which a slot must be free again: a second is promised, where four processes don't test beside it."""


LONG = {"source": FIGURE, "config": PoseChangeConfig(), "mode": Mode.POSE_CHANGE}
"""An edit that isn't over, whatever its matte is, before its process is."""


@pytest.fixture
def mortal_engine(quick_engine: LocalEngine, quickness: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> LocalEngine:
    """One whose next process has as little to load as its first."""
    for name, value in quickness.items():
        monkeypatch.setenv(name, value)
    return quick_engine


async def works(engine: LocalEngine, request_for: MakeRequest) -> bool:
    """Whether its child looks at a photo and answers, here that no face is in it: a thirtieth of what an edit costs."""
    with pytest.raises(EngineError) as caught:
        await edited(engine, request_for(CHINA, config=HeadSwapConfig(), mode=Mode.HEAD_SWAP))
    return caught.value.code is FailureCode.NO_FACE_DETECTED


def test_the_parent_loads_nothing_native() -> None:
    script = (
        "import sys, actors.engines.registry as r; r.engines_for(dict.fromkeys(r.Mode, r.LocalEngine.name), threads=1);"
        "print([n for n in ('numpy', 'cv2', 'openvino', 'PIL', 'scipy', 'ai_edge_litert') if n in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", script], text=True).strip() == "[]"


def test_the_registry_knows_the_engine_and_its_modes() -> None:
    routed = engines_for(dict.fromkeys(Mode, LocalEngine.name), threads=1)
    engine = routed[Mode.BACKGROUND_CHANGE]
    assert isinstance(engine, LocalEngine)
    assert set(routed) == engine.modes()
    assert set(routed.values()) == {engine}


def test_loading_a_model_reports_to_nobody() -> None:
    script = (
        "import sys; from actors.engines.local.runtimes import Runtimes; Runtimes(1).load('u2net.onnx');"
        "print([n for n, m in sys.modules.items() if n.startswith('openvino_telemetry') and m is not None])"
    )
    assert subprocess.check_output([sys.executable, "-c", script], text=True).strip() == "[]"


def test_what_libraries_print_goes_to_standard_error() -> None:
    script = (
        "import os; from actors.engines.local.child import protocol_pipe; pipe = protocol_pipe();"
        "os.write(1, b'noise'); print('more', flush=True); pipe.write(b'frame')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert done.stdout == b"frame"
    assert b"noise" in done.stderr
    assert b"more" in done.stderr


@pytest.mark.asyncio(loop_scope="session")
async def test_closing_stops_the_edit_and_frees_the_slot(mortal_engine: LocalEngine, request_for: MakeRequest) -> None:
    engine = mortal_engine
    events = engine.run(request_for(**LONG))
    async for event in events:
        if isinstance(event, Progress) and event.percent >= 78:  # about to fill, which is one long native call
            break
    started = time.monotonic()
    await events.aclose()
    assert time.monotonic() - started < WITHIN
    assert await works(engine, request_for)


@pytest.mark.asyncio(loop_scope="session")
async def test_a_hung_native_call_is_killed(mortal_engine: LocalEngine, request_for: MakeRequest) -> None:
    engine = mortal_engine
    events = engine.run(request_for(**LONG))
    await anext(events)
    hung = engine.pid
    assert hung is not None
    os.kill(hung, signal.SIGSTOP)
    started = time.monotonic()
    await events.aclose()
    assert time.monotonic() - started < WITHIN
    with pytest.raises(ProcessLookupError):
        os.kill(hung, 0)
    assert await works(engine, request_for)
    assert engine.pid != hung


@pytest.mark.asyncio(loop_scope="session")
async def test_a_crash_is_told_and_the_next_edit_works(mortal_engine: LocalEngine, request_for: MakeRequest) -> None:
    engine = mortal_engine
    events = engine.run(request_for(**LONG))
    await anext(events)
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGKILL)
    with pytest.raises(EngineError) as caught:
        async for _ in events:
            pass
    assert caught.value.code is FailureCode.PROCESSING_FAILED
    assert caught.value.crashed
    assert caught.value.transient
    assert await works(engine, request_for)


@NEEDS_PIDFD
@pytest.mark.asyncio(loop_scope="session")
async def test_a_child_that_died_between_edits_is_replaced(
    mortal_engine: LocalEngine, request_for: MakeRequest
) -> None:
    engine = mortal_engine
    await engine.start()
    died = engine.pid
    assert died is not None
    descriptor = os.pidfd_open(died)
    os.kill(died, signal.SIGKILL)
    select.select([descriptor], [], [], 5)
    os.close(descriptor)
    assert await works(engine, request_for)
    assert engine.pid != died


async def test_nobody_but_who_waits_looks_whether_a_child_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or else that one complains on stderr, now and then."""
    asked = Mock(return_value=None)
    monkeypatch.setattr(subprocess.Popen, "poll", asked)
    for wait in (False, True):
        child = await ChildProcess.start(1, photos=True)
        if wait:
            await child.ready()
        await child.kill()
        assert not child.alive
    assert not asked.called


@pytest.mark.asyncio(loop_scope="session")
async def test_a_mode_it_has_not_is_refused(request_for: MakeRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = LocalEngine(threads=1)
    monkeypatch.setattr(engine, "modes", lambda: frozenset({Mode.BACKGROUND_CHANGE}))
    with pytest.raises(EngineError) as caught:
        await edited(engine, request_for(ASTRONAUT, config=HeadSwapConfig(), mode=Mode.HEAD_SWAP))
    assert caught.value.code is FailureCode.ENGINE_NOT_AVAILABLE
    assert engine.pid is None


@pytest.mark.asyncio(loop_scope="session")
async def test_a_missing_model_is_told_with_the_remedy(
    request_for: MakeRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DARKROOM_MODELS", str(tmp_path))
    engine = LocalEngine(threads=1)
    try:
        with pytest.raises(EngineError) as caught:
            await edited(engine, request_for(ASTRONAUT))
    finally:
        await engine.close()
    assert caught.value.code is FailureCode.ENGINE_NOT_AVAILABLE
    assert "python -m actors.engines.local.models" in caught.value.message


@NEEDS_PIDFD
def test_the_child_dies_with_its_parent(tmp_path: Path) -> None:
    script = (
        "import asyncio, actors.engines.local.engine as e\n"
        "async def main():\n"
        "    engine = e.LocalEngine(threads=1)\n"
        "    await engine.start()\n"
        "    print(engine.pid, flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())"
    )
    environment = os.environ | {"DARKROOM_MODELS": str(tmp_path)}  # there are none, which nobody asks for
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        descriptor = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
    try:
        ended, _, _ = select.select([descriptor], [], [], 5)
    finally:
        os.close(descriptor)
    assert ended
