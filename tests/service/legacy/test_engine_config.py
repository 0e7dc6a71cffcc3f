"""The existing system's engine_config.yml becomes settings that ours take, and no key comes out."""

import pytest

from schema.models.edits import Mode
from schema.models.engines import NodeInput
from service.legacy.engine_config import UnreadableConfig, lines, translate
from service.settings.engines import read_engines, read_workflow_settings
from service.settings.sources import Sources

SECRET = "84427s3cr3t"

WHOLE = """
engines:
  runninghub_pose_transfer:
    type: runninghub
    config:
      api_key: "84427s3cr3t"
      workflow_id: "1996080571212349442"
      api_base_url: "https://www.runninghub.ai"
      timeout: 300
      poll_interval: 8
  runninghub_head_swap:
    type: runninghub
    config:
      api_key: "84427s3cr3t"
      workflow_id: 1996469641855770625
      api_base_url: "https://www.runninghub.ai"
      timeout: ${HEAD_TIMEOUT:420}
      node_mapping:
        head_image: {node_id: "6", field_name: "image"}
        cloth_image:
          node_id: 7
        blur: {node_id: "9", field_name: value}
  comfyui_background:
    type: comfyui
    config:
      comfyui_url: "${COMFYUI_BASE_URL}"
      workflow_path: "./workflows/my background.json"
  face_detection_api:
    type: external_api
    config: {api_url: "https://api.example.com", api_key: "84427s3cr3t"}
pipelines:
  head_swap:
    enabled: true
    steps:
      detect: {engine: face_detection_api}
      swap: {engine: runninghub_head_swap}
  background_change: {steps: {change: {engine: comfyui_background}}}
  pose_change: {enabled: true, steps: {pose: {engine: runninghub_pose_transfer}}}
"""


def test_a_whole_configuration_is_one_that_our_settings_take() -> None:
    translation = translate(WHOLE, {"COMFYUI_BASE_URL": "http://gpu:8188"})
    sources = Sources([("", translation.settings)])
    assert read_engines(sources) == {
        Mode.HEAD_SWAP: ("runninghub",),
        Mode.BACKGROUND_CHANGE: ("comfyui",),
        Mode.POSE_CHANGE: ("runninghub",),
    }
    workflows = read_workflow_settings(sources)
    assert workflows.runninghub_workflows == {
        Mode.HEAD_SWAP: "1996469641855770625",
        Mode.POSE_CHANGE: "1996080571212349442",
    }
    assert workflows.nodes == {
        Mode.HEAD_SWAP: {"source": NodeInput("6", "image"), "reference": NodeInput("7", "image")}
    }
    assert workflows.comfyui_workflows == {Mode.BACKGROUND_CHANGE: "./workflows/my background.json"}
    assert (workflows.comfyui_urls, workflows.runninghub_url) == (("http://gpu:8188",), "https://www.runninghub.ai")
    assert translation.settings["TASK_TIMEOUT_SECONDS"] == "420"
    assert translation.settings["RUNNINGHUB_API_KEY"] == ""
    written = "\n".join(lines(translation))
    assert SECRET not in written
    assert "COMFYUI_WORKFLOW_BACKGROUND_CHANGE='./workflows/my background.json'" in written
    assert "# RUNNINGHUB_API_KEY: copy api_key from runninghub_head_swap; it is printed nowhere." in written
    assert "# HEAD_SWAP: node_mapping's blur is neither of the photos, and left out." in written


def test_without_pipelines_names_tell_and_what_differs_is_said() -> None:
    translation = translate(
        """
        engines:
          my_head: {type: runninghub, config: {api_key: a-s3cr3t, workflow_id: "1", api_base_url: "https://a.example"}}
          my_pose: {type: runninghub, config: {api_key: b-s3cr3t, workflow_id: "2", api_base_url: "https://b.example"}}
          my_background: {type: comfyui, config: {comfyui_url: "http://u:s3cr3t@h/k", workflow_path: a.json}}
        """,
        {},
    )
    assert translation.settings["RUNNINGHUB_URL"] == "https://a.example"
    assert translation.settings["COMFYUI_URL"] == ""
    told = "\n".join(lines(translation))
    assert "s3cr3t" not in told
    assert "RUNNINGHUB_URL: my_pose has another" in told
    assert "RUNNINGHUB_API_KEY: my_pose has another" in told
    assert "COMFYUI_URL: copy it from my_background" in told


BOMB = "\n".join(["a0: &a0 s3cr3t", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30))])
"""9 to the 29th texts, if each alias is looked through."""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no `engines`"),
        ("engines: []", "no `engines`"),
        ("- s3cr3t", "no `engines`"),
        ("engines:\n  a: {s3cr3t: [", "isn't YAML, line 2"),
        ("s3cr3t: \x00", "isn't YAML"),
        ("&loop [*loop]", "isn't YAML"),
        ("s3cr3t: 2026-13-45", "none"),
        ("s3cr3t: 0x_", "none"),
        (f"s3cr3t: {'9' * 5000}", "none"),
        ("a: !!timestamp s3cr3t", "none"),
        ("a: !!bool s3cr3t", "none"),
        (BOMB, "no `engines`"),
    ],
)
def test_what_is_no_such_file_is_refused_without_quoting_it(text: str, told: str) -> None:
    with pytest.raises(UnreadableConfig) as refused:
        translate(text, {})
    assert told in str(refused.value)
    assert "s3cr3t" not in str(refused.value)


def test_what_our_settings_would_not_take_is_left_out_with_a_note() -> None:
    translation = translate(
        """
        engines:
          head: {type: runninghub, config: {workflow_id: "a b", api_base_url: "ftp://x"}}
          pose: {type: runninghub, config: {}}
        pipelines: {background_change: {enabled: false}}
        """,
        {},
    )
    assert translation.settings == {}
    told = "\n".join(translation.notes)
    for part in ("HEAD_SWAP: left out", "POSE_CHANGE: left out", "BACKGROUND_CHANGE: its pipeline", "RUNNINGHUB_URL"):
        assert part in told
