"""The driver of RunningHub against a server that speaks its protocol, with each of its faults."""

import json
import threading
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from actors.engines.workflows.driver import (
    DriverError,
    Failed,
    Fate,
    Finished,
    Gone,
    Output,
    Running,
    Stopped,
    Value,
    Waiting,
    Work,
)
from actors.engines.workflows.runninghub import RunningHub
from schema.models.edits import Mode
from schema.models.engines import NodeInput, RemoteJob, WorkflowSettings
from schema.models.problems import FailureCode
from tests.actors.engines.scenes import CHINA
from tests.actors.engines.workflows.workflows import sample
from tests.fakes.runninghub import (
    ACCOUNT,
    CANCEL,
    CREATE,
    KEY,
    OUTPUTS,
    UPLOAD,
    WORKFLOW,
    FakeRunningHub,
    Fault,
    File,
    running_hub,
)
from tests.running import nobodys_port

MODE = Mode.BACKGROUND_CHANGE
WORKFLOW_ID = "1996478152513830914"
MOST = 1_000_000


@pytest.fixture
def hub() -> Generator[FakeRunningHub]:
    with running_hub({WORKFLOW_ID: sample("background_change")}) as running:
        yield running


@pytest.fixture
def settings(hub: FakeRunningHub) -> WorkflowSettings:
    return WorkflowSettings(
        runninghub_url=hub.base_url, runninghub_api_key=KEY, runninghub_workflows={MODE: WORKFLOW_ID}
    )


@pytest.fixture
async def driver(settings: WorkflowSettings) -> AsyncGenerator[RunningHub]:
    made = RunningHub(settings)
    yield made
    await made.close()


async def started(driver: RunningHub) -> RemoteJob:
    job = await driver.draft(MODE)
    assert job.job_id is None
    name = await driver.upload(job, CHINA, "source.jpg")
    return await driver.start(job, Work(MODE, await driver.graph(MODE), [Value(NodeInput("1", "image"), name)], "6"))


async def test_an_edit_from_the_photo_to_the_picture(hub: FakeRunningHub, driver: RunningHub, tmp_path: Path) -> None:
    hub.looks_queued = 1
    job = await started(driver)
    assert isinstance(await driver.look(job), Waiting)
    assert isinstance(await driver.look(job), Running)
    finished = await driver.look(job)
    assert isinstance(finished, Finished)
    (output,) = finished.outputs
    assert output.node == "6"
    await driver.fetch(job, output, tmp_path / "made", MOST)
    assert (tmp_path / "made").read_bytes() == CHINA.read_bytes()
    assert await driver.graph(MODE) == sample("background_change")
    assert len(hub.called(WORKFLOW)) == 1  # it is kept
    assert hub.called(CREATE)[0]["addMetadata"] is False  # no prompt in anybody's picture
    assert await driver.cancel(job) is Stopped.STOPPED  # too late, and no harm


@pytest.mark.parametrize(
    ("rh_code", "fate", "code"),
    [
        (301, Fate.REFUSED, FailureCode.ENGINE_RESPONSE_ERROR),
        (380, Fate.REFUSED, FailureCode.ENGINE_NOT_AVAILABLE),
        (415, Fate.WAIT, FailureCode.ENGINE_NOT_AVAILABLE),
        (421, Fate.WAIT, FailureCode.ENGINE_NOT_AVAILABLE),
        (433, Fate.REFUSED, FailureCode.ENGINE_RESPONSE_ERROR),
        (500, Fate.AWAY, FailureCode.ENGINE_NOT_AVAILABLE),
        (801, Fate.REFUSED, FailureCode.ENGINE_AUTH_FAILED),
        (802, Fate.REFUSED, FailureCode.ENGINE_AUTH_FAILED),
        (803, Fate.REFUSED, FailureCode.ENGINE_RESPONSE_ERROR),
        (806, Fate.REFUSED, FailureCode.ENGINE_AUTH_FAILED),
        (811, Fate.REFUSED, FailureCode.ENGINE_AUTH_FAILED),
        (812, Fate.REFUSED, FailureCode.ENGINE_NOT_AVAILABLE),
        (814, Fate.WAIT, FailureCode.ENGINE_NOT_AVAILABLE),
        (1999, Fate.TRANSIENT, FailureCode.ENGINE_RESPONSE_ERROR),
    ],
)
async def test_each_code_of_a_create_means_something(
    hub: FakeRunningHub, driver: RunningHub, rh_code: int, fate: Fate, code: FailureCode
) -> None:
    hub.plant(CREATE, Fault(rh_code))
    with pytest.raises(DriverError) as refused:
        await started(driver)
    assert (refused.value.fate, refused.value.code, refused.value.lost) == (fate, code, False)
    assert str(rh_code) not in refused.value.message
    assert str(rh_code) in refused.value.detail


async def test_a_photo_is_sent_once_while_its_task_waits_for_a_place(hub: FakeRunningHub, driver: RunningHub) -> None:
    for code, sent in ((421, 1), (421, 1), (803, 1), (0, 2)):
        hub.plant(CREATE, Fault(code))
        if code:
            with pytest.raises(DriverError):
                await started(driver)
        else:
            await started(driver)
        assert len(hub.called(UPLOAD)) == sent


@pytest.mark.parametrize(
    ("rh_code", "fate"), [(808, Fate.TRANSIENT), (809, Fate.FINAL), (802, Fate.REFUSED), (421, Fate.WAIT)]
)
async def test_an_upload_that_is_refused(hub: FakeRunningHub, driver: RunningHub, rh_code: int, fate: Fate) -> None:
    hub.plant(UPLOAD, Fault(rh_code))
    with pytest.raises(DriverError) as refused:
        await started(driver)
    assert refused.value.fate is fate
    assert hub.tasks == {}


@pytest.mark.parametrize(
    ("fault", "lost"),
    [
        (Fault(lost=True), True),
        (Fault(http=502), True),
        (Fault(http=404), False),
        (Fault(body=b"<html>"), True),
        (Fault(http=429), False),
        (Fault(http=401), False),
    ],
)
async def test_a_create_whose_answer_is_lost_is_told_as_such(
    hub: FakeRunningHub, driver: RunningHub, fault: Fault, lost: bool
) -> None:
    hub.plant(CREATE, fault)
    with pytest.raises(DriverError) as told:
        await started(driver)
    assert told.value.lost is lost
    assert len(hub.called(CREATE)) == 1  # and isn't tried again


async def test_a_server_that_is_away_was_sent_nothing(settings: WorkflowSettings) -> None:
    driver = RunningHub(structs.replace(settings, runninghub_url=f"http://127.0.0.1:{nobodys_port()}"))
    job = await driver.draft(MODE)
    with pytest.raises(DriverError) as told:
        await driver.start(job, Work(MODE, {}, [], "6"))
    assert (told.value.fate, told.value.lost) == (Fate.AWAY, False)
    (state,) = await driver.states()
    assert state.trouble is not None
    assert "no connection" in state.trouble
    await driver.close()


async def test_a_slow_create_is_waited_for(hub: FakeRunningHub, driver: RunningHub) -> None:
    slow = threading.Event()
    hub.plant(CREATE, Fault(until=slow))
    threading.Thread(target=lambda: (hub.wait_until(lambda: bool(hub.called(CREATE))), slow.set())).start()
    assert (await started(driver)).job_id in hub.tasks


@pytest.mark.parametrize(
    ("reason", "fate", "shown"),
    [
        ({"node_name": "KSampler", "exception_message": "too dark /root/x.py"}, Fate.FINAL, "KSampler: too dark …"),
        ({"exception_type": "torch.OutOfMemoryError", "exception_message": "Allocation"}, Fate.TRANSIENT, "memory"),
        (None, Fate.TRANSIENT, "stopped"),
        ("no JSON, but a sentence", Fate.FINAL, "no JSON, but a sentence"),
    ],
)
@pytest.mark.parametrize("as_text", [False, True])
async def test_why_a_task_failed(
    hub: FakeRunningHub, driver: RunningHub, reason: Any, fate: Fate, shown: str, as_text: bool
) -> None:
    job = await started(driver)
    task = hub.tasks[job.job_id or ""]
    task.status = "FAILED"
    task.reason = json.dumps(reason) if as_text else reason
    failed = await driver.look(job)
    assert isinstance(failed, Failed)
    assert failed.error.fate is fate
    assert shown in failed.error.message
    assert "/root" not in failed.error.message


async def test_a_workflow_whose_nodes_are_wrong_is_stopped_and_refused(hub: FakeRunningHub, driver: RunningHub) -> None:
    hub.prompt_tips = {"3": {"errors": [{"type": "value_not_in_list", "details": "ckpt_name: 'x' not in []"}]}}
    with pytest.raises(DriverError) as refused:
        await started(driver)
    assert (refused.value.fate, refused.value.code) == (Fate.REFUSED, FailureCode.ENGINE_RESPONSE_ERROR)
    assert "value_not_in_list" in refused.value.detail
    assert len(hub.called(CANCEL)) == 1
    assert hub.running == []


async def test_one_that_could_not_be_stopped_for_its_nodes_is_not_lost(hub: FakeRunningHub, driver: RunningHub) -> None:
    hub.prompt_tips = {"6": {"errors": [{"type": "required_input_missing"}]}}
    hub.plant(CANCEL, Fault(http=502))
    assert (await started(driver)).job_id in hub.tasks


async def test_a_task_that_nobody_knows_is_gone(hub: FakeRunningHub, driver: RunningHub) -> None:
    job = structs.replace(await driver.draft(MODE), job_id="0")
    for code in (807, 423):
        hub.plant(OUTPUTS, Fault(code))
        assert isinstance(await driver.look(job), Gone)
    assert await driver.cancel(job) is Stopped.STOPPED


async def test_a_cancel_is_believed_once_it_is_seen(hub: FakeRunningHub, driver: RunningHub) -> None:
    hub.hold()
    mine, others = await started(driver), await started(driver)
    hub.plant(CANCEL, Fault(500))
    assert await driver.cancel(mine) is Stopped.RUNNING
    hub.plant(CANCEL, Fault(lost=True))
    assert await driver.cancel(mine) is Stopped.UNKNOWN
    hub.plant(OUTPUTS, Fault(http=502))
    assert await driver.cancel(mine) is Stopped.UNKNOWN
    assert await driver.cancel(mine) is Stopped.STOPPED
    assert [task.task_id for task in hub.running] == [others.job_id]


async def test_a_task_of_another_address_is_neither_looked_for_here_nor_taken_for_stopped(
    hub: FakeRunningHub, driver: RunningHub
) -> None:
    job = structs.replace(await started(driver), place="another")
    assert isinstance(await driver.look(job), Gone)
    assert await driver.cancel(job) is Stopped.UNKNOWN
    assert hub.called(CANCEL) == hub.called(OUTPUTS) == []


@pytest.mark.parametrize(
    ("where", "file", "fate"),
    [
        ("{hub}/files/x.png", File(b"0" * (MOST + 1)), Fate.FINAL),
        ("{hub}/files/x.png", File(endless=True), Fate.FINAL),
        ("{hub}/files/x.png", File(status=403), Fate.TRANSIENT),
        ("{hub}/files/x.png", File(status=503), Fate.AWAY),
        ("{hub}/files/x.png", File(status=429), Fate.AWAY),
        ("{hub}/files/x.png", File(status=302, headers={"Location": "http://169.254.169.254/latest"}), Fate.FINAL),
        ("{hub}/files/x.png", File(status=302, headers={"Location": "https://10.0.0.1/"}), Fate.FINAL),
        ("{hub}/files/x.png", File(status=302, headers={"Location": "/files/x.png"}), Fate.FINAL),
        ("{hub}/files/x.png", File(status=302, headers={"Location": "https://localhost:1/"}), Fate.FINAL),
        ("http://127.0.0.1:1/x.png", File(), Fate.FINAL),
        ("http://example.com/x.png", File(), Fate.FINAL),
        ("file:///etc/passwd", File(), Fate.FINAL),
        ("nothing", File(), Fate.FINAL),
        ("https://[::1/", File(), Fate.FINAL),
    ],
)
async def test_results_that_are_not_fetched(
    hub: FakeRunningHub, driver: RunningHub, tmp_path: Path, where: str, file: File, fate: Fate
) -> None:
    hub.files["x.png"] = file
    job = await driver.draft(MODE)
    with pytest.raises(DriverError) as told:
        await driver.fetch(job, Output("6", where.format(hub=hub.base_url)), tmp_path / "made", MOST)
    assert (told.value.fate, told.value.code) == (fate, FailureCode.ENGINE_RESPONSE_ERROR)


async def test_how_it_is_told(hub: FakeRunningHub, driver: RunningHub) -> None:
    hub.money = "3.20"
    (state,) = await driver.states()
    assert (state.name, state.running, state.money) == ("127.0.0.1", 0, "1250 coins and 3.2 USD")
    assert state.trouble is None
    hub.coins, hub.money = "0", None
    (state,) = await driver.states()
    assert state.trouble == "nothing is left of its money"
    hub.plant(ACCOUNT, Fault(802))
    (state,) = await driver.states()
    assert "RUNNINGHUB_API_KEY" in (state.trouble or "")


async def test_the_key_is_in_no_error(hub: FakeRunningHub, driver: RunningHub) -> None:
    hub.plant(CREATE, Fault(body=json.dumps({"code": 301, "msg": f"bad {KEY}", "data": {"k": KEY}}).encode()))
    with pytest.raises(DriverError) as told:
        await started(driver)
    assert KEY not in f"{told.value.detail}{told.value.message}{told.value!r}{told.value.__cause__!r}"
