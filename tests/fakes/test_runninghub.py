"""That the fake is faithful: a client that others wrote for the real cloud gets along with it."""

import json
from collections.abc import Generator
from typing import Any

import pytest
from runninghub_sdk import NodeInput, RunningHubClient, RunningHubError, TaskError, TaskStatus

from tests.actors.engines.workflows.workflows import sample
from tests.fakes.runninghub import KEY, FakeRunningHub, running_hub

WORKFLOW = "1996478152513830914"


@pytest.fixture
def hub() -> Generator[FakeRunningHub]:
    with running_hub({WORKFLOW: sample("background_change")}) as running:
        yield running


@pytest.fixture
def client(hub: FakeRunningHub) -> Generator[RunningHubClient]:
    with RunningHubClient(KEY, base_url=hub.base_url) as made:
        yield made


def photo(name: str) -> list[NodeInput | dict[str, Any]]:
    return [NodeInput("1", "image", name)]


def test_a_task_from_upload_to_picture(hub: FakeRunningHub, client: RunningHubClient) -> None:
    uploaded = client.upload_file(b"a photo", "photo.jpg").file_name
    task = client.run(WORKFLOW, photo(uploaded))
    seen: list[TaskStatus] = []
    (output,) = client.wait_for_completion(task.task_id, poll_interval=0, on_status_change=seen.append)
    assert seen == [TaskStatus.RUNNING, TaskStatus.SUCCESS]
    assert (output.node_id, output.file_type) == ("6", "png")
    assert hub.file(output.file_url.rpartition("/")[2]).content == b"a photo"
    assert json.loads(task.prompt_tips)["node_errors"] == {}
    assert client.get_workflow_json_parsed(WORKFLOW) == sample("background_change")
    assert client.get_account_status().remain_coins == "1250"


@pytest.mark.parametrize("reason", [{"node_name": "KSampler", "exception_message": "out of memory"}])
def test_a_task_that_fails_and_one_that_is_cancelled(
    hub: FakeRunningHub, client: RunningHubClient, reason: dict[str, Any]
) -> None:
    hub.failing = reason
    hub.looks_running = 0
    uploaded = client.upload_file(b"a photo").file_name
    failing = client.run(WORKFLOW, photo(uploaded)).task_id
    assert client.get_status(failing) == TaskStatus.FAILED
    with pytest.raises((TaskError, RunningHubError), match=r"805|out of memory"):
        client.get_outputs(failing)
    hub.hold()
    cancelled = client.run(WORKFLOW, photo(uploaded)).task_id
    client.cancel(cancelled)
    assert client.get_status(cancelled) == TaskStatus.FAILED


def test_what_it_refuses(hub: FakeRunningHub, client: RunningHubClient) -> None:
    hub.at_once = 1
    hub.hold()
    client.run(WORKFLOW)
    for code, call in (
        (421, lambda: client.run(WORKFLOW)),
        (380, lambda: client.run("nobody's")),
        (803, lambda: client.run(WORKFLOW, [NodeInput("77", "image", "x")])),
        (423, lambda: client.get_status("0")),
        (807, lambda: client.get_outputs("0")),
    ):
        with pytest.raises(RunningHubError) as refused:
            call()
        assert refused.value.code == code
    with RunningHubClient("another key", base_url=hub.base_url) as stranger, pytest.raises(RunningHubError) as refused:
        stranger.get_account_status()
    assert refused.value.code == 802
