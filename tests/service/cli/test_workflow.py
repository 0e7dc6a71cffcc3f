"""`darkroom workflow`, as processes of their own, against servers that speak RunningHub's and ComfyUI's protocols."""

import json
from collections.abc import Generator
from pathlib import Path
from signal import SIGINT
from subprocess import CompletedProcess
from tempfile import TemporaryFile
from threading import Event
from typing import Any

import pytest

from actors.engines.workflows.checking import broken_links, lacking, misplaced, mode_of
from actors.engines.workflows.graph import find_places
from schema.models.edits import Mode
from service.settings import Settings
from tests.actors.engines.scenes import ASTRONAUT, CHINA, loaded
from tests.actors.engines.workflows.workflows import SAMPLES, sample
from tests.fakes.runninghub import CREATE, KEY, WORKFLOW, FakeRunningHub, Fault, running_hub
from tests.forking import MAIN, start
from tests.running import PATIENCE, environment, run_command

WORKFLOW_ID = "1996478152513830914"


@pytest.fixture(scope="module")
def hub() -> Generator[FakeRunningHub]:
    with running_hub({WORKFLOW_ID: sample("background_change")}) as running:
        running.looks_running = 0
        yield running


def darkroom(*arguments: str | Path, hub: FakeRunningHub | None = None) -> "CompletedProcess[str]":
    nothing = Settings(database_url="", redis_url="", storage_url="")
    extra = {} if hub is None else {"RUNNINGHUB_URL": hub.base_url, "RUNNINGHUB_API_KEY": KEY}
    return run_command("workflow", *map(str, arguments), settings=nothing, extra=extra)


def test_a_workflow_is_tried_and_its_picture_is_one_of_ours(hub: FakeRunningHub, tmp_path: Path) -> None:
    output = tmp_path / "made.jpg"
    done = darkroom("run", WORKFLOW_ID, ASTRONAUT, CHINA, "-o", output, "--config", '{"edge_blur": 3}', hub=hub)
    assert done.returncode == 0, done.stderr
    assert "edge_blur has no effect" in done.stderr
    assert loaded(output).size == (512, 512)
    assert b"trainedAlgorithmicMedia" in output.read_bytes()
    (task,) = hub.tasks.values()
    assert set(task.inputs) == {"1", "2"}
    assert KEY not in done.stderr + done.stdout


def test_a_workflow_that_fails_tells_an_operator_why(hub: FakeRunningHub, tmp_path: Path) -> None:
    hub.failing = {"node_name": "KSampler", "exception_message": "too dark", "traceback": "in sampling"}
    try:
        done = darkroom("run", WORKFLOW_ID, ASTRONAUT, CHINA, "-o", tmp_path / "made.jpg", hub=hub)
    finally:
        hub.failing = None
    assert done.returncode == 1
    assert "KSampler: too dark" in done.stderr
    assert "in sampling" in done.stderr
    assert not (tmp_path / "made.jpg").exists()


def test_what_is_just_being_started_when_it_is_interrupted_is_stopped(hub: FakeRunningHub, tmp_path: Path) -> None:
    answers = Event()
    hub.hold()
    hub.tasks.clear()
    hub.calls.clear()
    hub.plant(CREATE, Fault(until=answers))
    nothing = Settings(database_url="", redis_url="", storage_url="")
    extra = {"RUNNINGHUB_URL": hub.base_url, "RUNNINGHUB_API_KEY": KEY}
    arguments = ("workflow", "run", WORKFLOW_ID, str(ASTRONAUT), str(CHINA), "-o", str(tmp_path / "made.jpg"))
    with TemporaryFile() as said:
        run = start(MAIN, *arguments, environment=environment(nothing, extra), stdout=said, stderr=said)
        hub.wait_until(lambda: bool(hub.called(CREATE)))
        run.send_signal(SIGINT)
        answers.set()
        run.wait(timeout=PATIENCE)
    hub.release()
    assert [task.cancelled for task in hub.tasks.values()] == [True]


def test_what_others_wrote_acts_on_no_terminal(hub: FakeRunningHub, tmp_path: Path) -> None:
    flow = sample("background_change")
    flow["3"]["class_type"], flow["4"]["_meta"]["title"] = "a\n\x9b2Jb", "input:edge_blur"
    flow["1"]["_meta"]["title"] = "input:c\n\x9b2Jd:1"
    flow["3"]["_meta"], flow["4"]["inputs"]["gone"] = {}, ["e\n\x9b2Jf", 0]
    file = tmp_path / "workflow.json"
    file.write_text(json.dumps(flow))
    checked = darkroom("check", file, "--mode", "BACKGROUND_CHANGE")
    assert "\\x9b2J" in checked.stdout
    assert checked.stdout.count("\n") == checked.stdout.count("\n  ") + 1
    hub.plant(WORKFLOW, Fault(body=b'{"code": 802, "msg": "g\\n\\u009b2Jh"}'))
    refused = darkroom("check", WORKFLOW_ID, hub=hub)
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    hub.failing = {"node_name": "KSampler", "exception_message": "i\x9b2Jj"}
    try:
        failed = darkroom("run", WORKFLOW_ID, ASTRONAUT, CHINA, "-o", tmp_path / "made.jpg", hub=hub)
    finally:
        hub.failing = None
    assert failed.returncode == 1
    assert "\x9b" not in checked.stdout + checked.stderr + refused.stderr + failed.stderr


def test_an_edit_is_made_by_the_engine_that_is_asked_for(hub: FakeRunningHub, tmp_path: Path) -> None:
    output = tmp_path / "made.jpg"
    nothing = Settings(database_url="", redis_url="", storage_url="")
    edit = ("edit", "background_change", str(ASTRONAUT), str(CHINA), "-o", str(output), "--engine", "runninghub")
    made = len(hub.tasks)
    unset = run_command(*edit, settings=nothing)
    assert unset.returncode == 1
    assert "RUNNINGHUB_API_KEY and RUNNINGHUB_WORKFLOW_BACKGROUND_CHANGE are not set" in unset.stderr
    assert not output.exists()
    there = {"RUNNINGHUB_URL": hub.base_url, "RUNNINGHUB_API_KEY": KEY}
    done = run_command(*edit, settings=nothing, extra=there | {"RUNNINGHUB_WORKFLOW_BACKGROUND_CHANGE": WORKFLOW_ID})
    assert done.returncode == 0, done.stderr
    assert loaded(output).size == (512, 512)
    assert len(hub.tasks) == made + 1


def test_a_workflow_of_runninghub_is_checked_by_its_titles(hub: FakeRunningHub) -> None:
    done = darkroom("check", WORKFLOW_ID, hub=hub)
    assert (done.returncode, done.stderr) == (0, "")
    assert "background_preset" not in done.stdout
    for part in (
        "BACKGROUND_CHANGE",
        "source      node 1 (input:model_image:1), image",
        "result      node 6",
        "edge_blur",
    ):
        assert part in done.stdout
    unknown = darkroom("check", "42", hub=hub)
    assert unknown.returncode == 1
    assert "380 WORKFLOW_NOT_EXISTS" in unknown.stderr


def test_a_file_in_the_editor_s_format_is_told_apart(tmp_path: Path) -> None:
    file = tmp_path / "workflow.json"
    file.write_text(json.dumps({"nodes": [{"id": 1, "type": "LoadImage", "title": "input:raw_image:1"}], "links": []}))
    done = darkroom("check", file)
    assert done.returncode == 1
    assert "Export (API)" in done.stderr


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'"\xff"', b"[" * 100_000])
def test_what_is_no_json_is_told_in_one_line(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "workflow.json"
    file.write_bytes(content)
    done = darkroom("check", file)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "nobody foresaw" not in line
    assert str(file) in line


@pytest.mark.parametrize("command", ["check", "settings"])
def test_a_file_that_never_ends_is_not_read_on(command: str) -> None:
    done = darkroom(command, Path("/dev/zero"))
    assert done.returncode == 1
    assert done.stderr == "darkroom: /dev/zero can't be read: it is larger than 4 MB\n"


def test_what_comes_through_a_pipe_is_told_by_the_name_it_was_given() -> None:
    done = darkroom("run", Path("/dev/null"), "photo.jpg", "-o", "out.jpg")
    assert done.stderr == "darkroom: /dev/null: The workflow isn't JSON.\n"


@pytest.mark.parametrize("mode", list(Mode))
def test_the_samples_are_whole_and_tell_their_mode(mode: Mode) -> None:
    graph = sample(mode.lower())
    assert mode_of(graph) is mode
    assert list(broken_links(graph)) == []
    assert (SAMPLES / f"{mode.lower()}.json").is_file()


def test_what_a_server_lacks_is_named() -> None:
    graph: dict[str, dict[str, Any]] = {
        "1": {"class_type": "LoadImage", "inputs": {"image": "gone.png"}},
        "2": {"class_type": "Checkpoint", "inputs": {"name": "mine.safetensors"}, "_meta": {"title": "The model"}},
        "3": {"class_type": "Sampler", "inputs": {"model": ["2", 3], "how": "odd", "photo": ["9", 0]}},
        "4": {"class_type": "Rare", "inputs": {}},
    }
    known: dict[str, Any] = {
        "LoadImage": {"input": {"required": {"image": [["a.png"], {}]}}, "output": ["IMAGE"]},
        "Checkpoint": {"input": {"required": {"name": [["a.safetensors"]]}}, "output": ["MODEL"]},
        "Sampler": {
            "input": {
                "required": {"model": ["MODEL"], "seed": ["INT", {}]},
                "optional": {"how": ["COMBO", {"options": ["even"]}]},
            },
            "output": ["IMAGE"],
        },
    }
    assert list(broken_links(graph)) == ["Node 3 (Sampler): photo comes from node 9, which isn't there"]
    assert list(lacking(graph, known)) == [
        "Node 2 (The model): the server has no name 'mine.safetensors'; it has a.safetensors",
        "Node 3 (Sampler): seed is missing",
        "Node 3 (Sampler): the server has no how 'odd'; it has even",
        "Node 3 (Sampler): model comes from an output that node 2 doesn't have",
        "Node 4 (Rare): the server has no Rare; install the nodes it belongs to",
    ]


def test_titles_on_nodes_that_cannot_be_what_they_say_are_named() -> None:
    graph = sample("background_change")
    source, output = graph["1"]["_meta"], graph["6"]["_meta"]
    graph["4"]["_meta"], graph["5"]["_meta"] = source, output
    graph["1"]["_meta"] = graph["6"]["_meta"] = {}
    known: dict[str, Any] = {
        "ImageScale": {"input": {"required": {"image": ["IMAGE"]}}, "output_node": False},
        "ImageCompositeMasked": {"output_node": False},
        "SaveImage": {"output_node": True},
    }
    places = find_places(graph, {}, frozenset())
    assert list(misplaced(graph, places, known)) == [
        "Node 4 (input:model_image:1): image takes a picture, not a file: name its LoadImage node",
        "Node 5 (output:image:1): it saves no picture: name the SaveImage node",
    ]
    assert list(misplaced(graph, places, {})) == [], "nobody says"
    whole = sample("background_change")
    assert list(misplaced(whole, find_places(whole, {}, frozenset()), known)) == []


@pytest.mark.parametrize(("node", "comes_from"), [("3", "5"), ("3", "3")])
def test_nodes_that_wait_for_each_other_are_named(node: str, comes_from: str) -> None:
    graph = sample("background_change")
    graph[node]["inputs"]["image"] = [comes_from, 0]
    (problem,) = broken_links(graph)
    assert problem.endswith("wait for each other: their links go round")
