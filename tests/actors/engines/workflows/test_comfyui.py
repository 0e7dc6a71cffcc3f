"""The workflow engine on ComfyUI: an edit from its photos to its pictures, and each of the server's faults."""

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Callable, Generator
from pathlib import Path

import pytest
import pytest_asyncio
from PIL import Image

from actors.engines.seam import (
    Artifact,
    EditRequest,
    EngineEvent,
    Finished,
    JobBegun,
    JobDropped,
    JobOver,
    JobStarting,
    LeftJob,
    Progress,
    Standing,
)
from actors.engines.workflows import following
from actors.engines.workflows.comfyui.driver import ComfyUI
from actors.engines.workflows.comfyui.server import Server
from actors.engines.workflows.desk import Desk
from actors.engines.workflows.driver import DriverError, Fate
from actors.engines.workflows.engine import WorkflowEngine
from schema.models.edits import (
    CONFIG_TYPES,
    AnyConfig,
    BackgroundChangeConfig,
    BackgroundType,
    Mode,
    PoseChangeConfig,
    Quality,
    Size,
)
from schema.models.engines import RemoteJob, WorkflowSettings
from schema.models.problems import FailureCode
from tests.actors.engines.workflows.comfy_edits import (
    MODE,
    SMALL,
    NewRequest,
    at_work,
    begun,
    made,
    new_engine,
    refusal,
    running,
)
from tests.actors.engines.workflows.workflows import sample
from tests.fakes.comfyui import FakeComfyUI, comfy_ui
from tests.fakes.comfyui_state import Faults
from tests.running import nobodys_port

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def server() -> Generator[FakeComfyUI]:
    with comfy_ui() as running:
        yield running


@pytest.fixture
def comfy(server: FakeComfyUI, monkeypatch: pytest.MonkeyPatch) -> FakeComfyUI:
    """As after its start."""
    monkeypatch.setattr(ComfyUI, "look_every", 0.02)
    monkeypatch.setattr(ComfyUI, "settles_within", 0.2)
    monkeypatch.setattr(following, "APPEARS_WITHIN", 0.2)
    monkeypatch.setattr(following, "AWAY_FOR", 0.1)
    server.faults = Faults()
    server.restart()
    server.go_on()
    server.credentials = None
    server.asked.clear()
    for seen in (server.prompts, server.graphs, server.started, server.stopped):
        seen.clear()
    return server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk() -> AsyncGenerator[Desk]:
    made = Desk(threads=1)
    yield made
    await made.close()


@pytest_asyncio.fixture(loop_scope="module")
async def engine(comfy: FakeComfyUI, desk: Desk) -> AsyncGenerator[WorkflowEngine]:
    made = new_engine(desk, comfy.base_url)
    yield made
    await made.close()


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a place in its EXIF, lying on its side."""
    path = tmp_path_factory.mktemp("photos") / "photo.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8825)[1] = "N"
    Image.effect_noise((1200, 900), 60).convert("RGB").save(path, exif=exif)
    return path


@pytest.fixture
def request_for(tmp_path: Path, photo: Path) -> NewRequest:
    count = iter(range(100))

    def make(
        config: AnyConfig = SMALL, mode: Mode = MODE, *, reference: bool = True, left: LeftJob | None = None
    ) -> EditRequest:
        workspace = tmp_path / f"workspace-{next(count)}"
        workspace.mkdir()
        return EditRequest(mode, photo, photo if reference else None, config, workspace, 40_000_000, left)

    return make


async def test_an_edit_from_its_photos_to_its_pictures(
    engine: WorkflowEngine, comfy: FakeComfyUI, request_for: NewRequest
) -> None:
    events = await made(
        engine, request_for(BackgroundChangeConfig(size=Size.SMALL, edge_blur=3, quality=Quality.ULTRA))
    )
    jobs = [event for event in events if isinstance(event, JobBegun)]
    assert [job.started for job in jobs] == [False, True]
    assert comfy.prompts == [jobs[0].job.job_id]
    percents = [event.percent for event in events if isinstance(event, Progress)]
    assert percents == sorted(percents)
    pictures = {event.kind: event for event in events if isinstance(event, Artifact)}
    assert pictures.keys() == {"output", "thumbnail", "comparison"}
    # Upright, and no larger than was asked.
    assert (pictures["output"].width, pictures["output"].height) == (576, 768)
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert finished.metadata["engine"] == "comfyui"
    assert sorted(finished.metadata["warnings"]) == [
        "edge_blur has no effect with this engine.",
        "quality has no effect with this engine.",
    ]
    with Image.open(pictures["output"].path) as output:
        assert "digitalsourcetype/trainedAlgorithmicMedia" in str(output.info["xmp"])
        assert not output.getexif()
    # What was sent: upright, without a place, to be forgotten there.
    sent = {kind: content for (kind, name), content in comfy.kept.files.items() if "source" in name}
    assert sent.keys() == {"temp"}
    assert b"Exif" not in sent["temp"]
    assert b"MM\x00*" not in sent["temp"][:4096]


@pytest.mark.parametrize("mode", [Mode.HEAD_SWAP, Mode.POSE_CHANGE])
async def test_every_mode_has_its_workflow_and_what_it_says_of_its_pictures(
    engine: WorkflowEngine, comfy: FakeComfyUI, request_for: NewRequest, mode: Mode
) -> None:
    events = await made(engine, request_for(CONFIG_TYPES[mode](size=Size.SMALL), mode))
    output = next(event for event in events if isinstance(event, Artifact))
    with Image.open(output.path) as picture:
        ends = "composite" if mode is Mode.POSE_CHANGE else "trainedAlgorithmicMedia"
        assert f"digitalsourcetype/{ends}" in str(picture.info["xmp"])
    assert len(comfy.prompts) == 1


async def test_a_preset_is_sent_as_a_picture_and_a_pose_without_one_is_refused(
    engine: WorkflowEngine, comfy: FakeComfyUI, request_for: NewRequest
) -> None:
    config = BackgroundChangeConfig(size=Size.SMALL, background_type=BackgroundType.PRESET, background_preset="sunset")
    finished = (await made(engine, request_for(config, reference=False)))[-1]
    assert isinstance(finished, Finished)
    assert finished.metadata["warnings"] == []
    assert any("reference" in name for _, name in comfy.kept.files)
    error, _ = await refusal(engine, request_for(PoseChangeConfig(), Mode.POSE_CHANGE, reference=False))
    assert (error.code, error.transient) == (FailureCode.INVALID_CONFIG, False)


async def test_what_was_to_be_cut_out_and_is_not_is_told(
    engine: WorkflowEngine, comfy: FakeComfyUI, request_for: NewRequest
) -> None:
    finished = (await made(engine, request_for(BackgroundChangeConfig(background_type=BackgroundType.REMOVE))))[-1]
    assert isinstance(finished, Finished)
    assert "The engine's picture has no transparency." in finished.metadata["warnings"]
    del comfy


FAULTS = [
    (Faults(missing=frozenset({"ImageScale"})), FailureCode.ENGINE_NOT_AVAILABLE, False, Standing.REFUSING),
    (Faults(status=401), FailureCode.ENGINE_AUTH_FAILED, False, Standing.REFUSING),
    (Faults(status=502), FailureCode.ENGINE_NOT_AVAILABLE, True, Standing.AWAY),
    (Faults(status=200), FailureCode.ENGINE_NOT_AVAILABLE, True, Standing.AWAY),
    (Faults(status=429), FailureCode.ENGINE_NOT_AVAILABLE, True, Standing.FULL),
    (Faults(away=True), FailureCode.ENGINE_NOT_AVAILABLE, True, Standing.AWAY),
    (
        Faults(error={"exception_type": "torch.OutOfMemoryError", "exception_message": "Allocation on device"}),
        FailureCode.ENGINE_RESPONSE_ERROR,
        True,
        Standing.WELL,
    ),
    (
        Faults(error={"exception_type": "ValueError", "exception_message": "no face in /srv/k3y/in.png"}),
        FailureCode.ENGINE_RESPONSE_ERROR,
        False,
        Standing.WELL,
    ),
    (Faults(no_outputs=True), FailureCode.ENGINE_RESPONSE_ERROR, False, Standing.WELL),
    (Faults(picture=b"<html>"), FailureCode.ENGINE_RESPONSE_ERROR, False, Standing.WELL),
]


@pytest.mark.parametrize(("faults", "code", "transient", "standing"), FAULTS)
async def test_each_fault_has_its_code_and_nothing_of_the_server_in_its_words(
    engine: WorkflowEngine,
    comfy: FakeComfyUI,
    request_for: NewRequest,
    faults: Faults,
    code: FailureCode,
    transient: bool,
    standing: Standing,
) -> None:
    comfy.faults = faults
    error, seen = await refusal(engine, request_for())
    assert (error.code, error.transient, error.standing) == (code, transient, standing)
    assert not any(word in error.message for word in ("/srv", "k3y", "Traceback", "ValueError", "127.0.0.1"))
    # A job that was begun is over: the next attempt may begin another.
    jobs = [event for event in seen if isinstance(event, JobBegun)]
    assert any(isinstance(event, JobOver) for event in seen) == bool(jobs)


async def test_of_several_pictures_the_first_is_taken_and_it_is_told(
    engine: WorkflowEngine, comfy: FakeComfyUI, request_for: NewRequest
) -> None:
    comfy.faults.several_outputs = 3
    finished = (await made(engine, request_for()))[-1]
    assert isinstance(finished, Finished)
    assert finished.metadata["warnings"] == ["The workflow gave several pictures; the first was taken."]


@pytest.mark.parametrize("status", [401, 429, 503])
async def test_a_picture_that_nobody_could_ask_for_is_not_made_again(
    engine: WorkflowEngine, comfy: FakeComfyUI, request_for: NewRequest, status: int
) -> None:
    def fetching(event: EngineEvent) -> None:
        if isinstance(event, Progress) and event.step == "Fetching the picture":
            comfy.faults.status = status

    error, seen = await refusal(engine, request_for(), fetching)
    assert error.standing is not Standing.WELL
    assert not [event for event in seen if isinstance(event, JobOver)]
    job = next(event.job for event in seen if isinstance(event, JobBegun))
    comfy.faults.status = None
    again = await made(engine, request_for(left=LeftJob(job, started=True, age=1)))
    assert isinstance(again[-1], Finished)
    assert len(comfy.prompts) == 1


async def test_a_silent_websocket_delays_nothing(
    engine: WorkflowEngine, comfy: FakeComfyUI, request_for: NewRequest
) -> None:
    comfy.faults.silent_sockets = True
    assert isinstance((await made(engine, request_for()))[-1], Finished)


async def test_a_restart_in_the_middle_is_a_failure_that_passes(
    engine: WorkflowEngine, comfy: FakeComfyUI, request_for: NewRequest
) -> None:
    comfy.hold()
    error, seen = await refusal(engine, request_for(), lambda event: at_work(event) and comfy.restart())
    assert (error.code, error.transient) == (FailureCode.ENGINE_RESPONSE_ERROR, True)
    assert isinstance(seen[-1], JobOver)


async def test_a_server_that_is_away_for_a_moment_is_waited_for(
    engine: WorkflowEngine, comfy: FakeComfyUI, request_for: NewRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "AWAY_FOR", 20)
    comfy.faults.away = True
    making = asyncio.create_task(made(engine, request_for()))
    await asyncio.to_thread(comfy.asked.wait, 20)
    comfy.faults.away = False
    assert isinstance((await making)[-1], Finished)


@pytest.mark.parametrize("lets_go", [begun, at_work])
async def test_a_job_that_runs_is_found_again_and_no_other_started(
    engine: WorkflowEngine,
    comfy: FakeComfyUI,
    desk: Desk,
    request_for: NewRequest,
    lets_go: Callable[[EngineEvent], bool],
) -> None:
    comfy.hold()
    job = await running(engine, request_for(), lets_go)
    comfy.go_on()
    another = new_engine(desk, comfy.base_url)
    events = await made(another, request_for(left=LeftJob(job, started=True, age=1)))
    await another.close()
    assert isinstance(events[-1], Finished)
    assert comfy.prompts == [job.job_id]


async def test_a_start_whose_answer_was_lost_is_found_by_its_id(
    engine: WorkflowEngine, comfy: FakeComfyUI, request_for: NewRequest
) -> None:
    comfy.faults.lost_answers = 1
    error, seen = await refusal(engine, request_for())
    assert (error.transient, isinstance(seen[-1], JobStarting)) == (True, True)
    job = next(event.job for event in seen if isinstance(event, JobBegun))
    events = await made(engine, request_for(left=LeftJob(job, started=False, age=1)))
    assert isinstance(events[-1], Finished)
    assert comfy.prompts == [job.job_id]


async def test_a_job_that_never_arrived_is_started_anew(
    engine: WorkflowEngine, comfy: FakeComfyUI, request_for: NewRequest
) -> None:
    place = (await engine.driver.draft(MODE)).place
    left = LeftJob(RemoteJob("comfyui", place, "never-arrived"), started=False, age=0)
    events = await made(engine, request_for(left=left))
    assert JobOver(left.job) in events
    assert len(comfy.prompts) == 1


@pytest.mark.parametrize("faults", [Faults(), Faults(jobs_api=True), Faults(deaf_to_interrupts=1)])
async def test_a_cancel_ends_the_job_and_nobody_elses(
    engine: WorkflowEngine, comfy: FakeComfyUI, request_for: NewRequest, faults: Faults
) -> None:
    comfy.faults = faults
    comfy.hold()
    runs = await running(engine, request_for(), at_work)
    waits = await running(engine, request_for(), begun)
    stays = await running(engine, request_for(), begun)
    for job in (waits, runs):
        for _ in range(3):
            if await engine.stop(job):
                break
    assert comfy.stopped == [waits.job_id, runs.job_id]
    assert await engine.stop(runs), "again"
    comfy.go_on()
    assert isinstance((await made(engine, request_for(left=LeftJob(stays, started=True, age=1))))[-1], Finished)


async def test_of_several_servers_the_least_loaded_is_taken_and_a_sick_one_rests(
    comfy: FakeComfyUI, desk: Desk, request_for: NewRequest
) -> None:
    with comfy_ui() as other:
        engine = new_engine(desk, comfy.base_url, other.base_url, f"http://127.0.0.1:{nobodys_port()}")
        comfy.hold()
        other.hold()
        # The first goes anywhere, the second where it is warm, the third is too many there.
        for _ in range(4):
            await running(engine, request_for(), begun)
        assert sorted([len(comfy.prompts), len(other.prompts)]) == [2, 2]
        other.faults.away = True
        for _ in range(2):
            await running(engine, request_for(), begun)
        assert len(comfy.prompts) == 4
        other.faults.away = False
        states = await engine.driver.states()
        assert [state.trouble is None for state in states] == [True, True, False]
        assert [state.version for state in states[:2]] == ["0.3.64", "0.3.64"]
        await engine.close()


@pytest.mark.parametrize(("status", "standing"), [(401, Standing.REFUSING), (429, Standing.FULL)])
async def test_of_several_servers_one_that_refuses_keeps_no_edit_from_another(
    comfy: FakeComfyUI, desk: Desk, request_for: NewRequest, status: int, standing: Standing
) -> None:
    with comfy_ui() as other:
        engine = new_engine(desk, f"http://127.0.0.1:{nobodys_port()}", other.base_url, comfy.base_url)
        other.faults.status = status
        for _ in range(2):
            assert isinstance((await made(engine, request_for()))[-1], Finished)
        comfy.faults.away = True
        error, _ = await refusal(engine, request_for())
        assert error.standing is standing
        assert other.prompts == []
        await engine.close()


async def test_a_server_that_lacks_a_node_keeps_no_edit_from_another_and_rests(
    comfy: FakeComfyUI, desk: Desk, request_for: NewRequest
) -> None:
    with comfy_ui() as other:
        engine = new_engine(desk, comfy.base_url, other.base_url)
        comfy.faults.missing = frozenset({"ImageScale"})
        refused: list[bool] = []
        for _ in range(3):
            events = await made(engine, request_for())
            assert isinstance(events[-1], Finished)
            refused.append(any(isinstance(event, JobOver) for event in events))
        assert refused == [True, False, False]
        other.faults.missing = comfy.faults.missing
        error, _ = await refusal(engine, request_for())
        assert error.standing is Standing.REFUSING
        await engine.close()


async def test_a_server_that_would_leave_the_picture_out_keeps_no_edit_from_another(
    comfy: FakeComfyUI, desk: Desk, request_for: NewRequest
) -> None:
    """It takes the job all the same, for another node that saves something, such as a preview."""
    with comfy_ui() as other:
        engine = new_engine(desk, comfy.base_url, other.base_url)
        comfy.faults.half_invalid = True
        comfy.hold()
        assert isinstance((await made(engine, request_for()))[-1], Finished)
        assert (len(comfy.prompts), comfy.stopped, len(other.prompts)) == (1, comfy.prompts, 1)
        other.faults.half_invalid = True
        other.hold()
        error, _ = await refusal(engine, request_for())
        assert (error.code, error.standing) == (FailureCode.ENGINE_NOT_AVAILABLE, Standing.REFUSING)
        assert comfy.busy + other.busy == 0
        await engine.close()


async def test_a_job_of_a_server_that_is_none_of_ours_any_more_is_started_anew(
    engine: WorkflowEngine, comfy: FakeComfyUI, request_for: NewRequest
) -> None:
    left = LeftJob(RemoteJob("comfyui", "elsewhere", "known-there"), started=True, age=1)
    events = await made(engine, request_for(left=left))
    assert JobOver(left.job) in events
    assert isinstance(events[-1], Finished)
    assert len(comfy.prompts) == 1


async def test_a_server_that_dies_with_a_job_keeps_the_edit_from_no_other(
    comfy: FakeComfyUI, desk: Desk, request_for: NewRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each attempt looked for the job there, and failed: it is dropped, to be stopped if the server comes back."""
    monkeypatch.setattr(following, "SILENT_FOR", 0.2)
    dead = Server(f"http://127.0.0.1:{nobodys_port()}")
    left = LeftJob(RemoteJob("comfyui", dead.place, "runs-there"), started=True, age=1)
    engine = new_engine(desk, dead.base, comfy.base_url)
    events = await made(engine, request_for(left=left))
    assert JobDropped(left.job) in events
    assert isinstance(events[-1], Finished)
    comfy.faults.away = True
    error, seen = await refusal(engine, request_for(left=left))
    assert (error.transient, error.standing) == (True, Standing.AWAY)
    assert JobDropped(left.job) not in seen, "nobody else is there"
    await engine.close()


async def test_a_workflow_that_is_just_being_written_is_waited_for(
    comfy: FakeComfyUI, desk: Desk, request_for: NewRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "AWAY_FOR", 20)
    file = tmp_path / "workflow.json"
    whole = json.dumps(sample("background_change")).encode()
    file.write_bytes(whole[:500])
    settings = WorkflowSettings(comfyui_urls=(comfy.base_url,), comfyui_workflows={MODE: str(file)})
    engine = WorkflowEngine(ComfyUI(settings), settings, desk)

    os.utime(file, (1, 1))
    error, _ = await refusal(engine, request_for())
    assert error.standing is Standing.REFUSING, "nobody writes it any more"
    file.write_bytes(whole[:500])
    with pytest.raises(DriverError) as half:
        await engine.driver.graph(MODE)
    assert half.value.fate is Fate.AWAY
    making = asyncio.create_task(made(engine, request_for()))
    file.write_bytes(whole)
    assert isinstance((await making)[-1], Finished)
    await engine.close()


async def test_user_and_password_go_along_and_are_told_nowhere(
    comfy: FakeComfyUI, desk: Desk, request_for: NewRequest
) -> None:
    comfy.credentials = "Basic YW5uOnMzY3IzdA=="
    engine = new_engine(desk, comfy.base_url.replace("://", "://ann:s3cr3t@"))
    assert isinstance((await made(engine, request_for()))[-1], Finished)
    assert "s3cr3t" not in json.dumps([state.name for state in await engine.driver.states()])
    await engine.close()


async def test_eight_jobs_at_once_wait_for_nobody(
    engine: WorkflowEngine, comfy: FakeComfyUI, request_for: NewRequest
) -> None:
    edits = [asyncio.create_task(made(engine, request_for())) for _ in range(8)]
    ends = await asyncio.gather(*edits)
    assert all(isinstance(events[-1], Finished) for events in ends)
    assert len(set(comfy.prompts)) == 8
