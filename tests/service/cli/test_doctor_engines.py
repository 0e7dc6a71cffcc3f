"""The doctor tells of each server of the engines that are set."""

import json
from pathlib import Path

from msgspec import structs

from schema.models.edits import Mode
from schema.models.engines import WorkflowSettings
from service.cli.doctor_engines import engines
from service.health.findings import Finding, Health
from service.settings import Settings
from tests.actors.engines.workflows.workflows import sample
from tests.fakes.comfyui import comfy_ui
from tests.fakes.runninghub import KEY, running_hub
from tests.running import nobodys_port


async def findings(workflows: WorkflowSettings, *names: str) -> list[Finding]:
    settings = Settings(
        database_url="", redis_url="", storage_url="", engines=dict.fromkeys(Mode, names), workflows=workflows
    )
    return [finding async for finding in engines(settings)]


async def test_money_queue_and_what_is_wrong_are_told() -> None:
    with running_hub({"1": sample("head_swap")}) as hub:
        set_up = WorkflowSettings(
            runninghub_url=hub.base_url, runninghub_api_key=KEY, runninghub_workflows=dict.fromkeys(Mode, "1")
        )
        (well,) = await findings(set_up, "runninghub")
        assert (well.health, well.message) == (Health.OK, "0 running, 1250 coins left")
        gone = structs.replace(set_up, runninghub_workflows=dict.fromkeys(Mode, "2"))
        assert [found.message for found in await findings(gone, "runninghub")][1:] == [
            "RunningHub answered 380 WORKFLOW_NOT_EXISTS"
        ] * len(Mode)
        hub.coins = "0"
        (broke,) = await findings(set_up, "local", "runninghub")
        assert (broke.health, broke.message.partition(" (")[0]) == (Health.WRONG, "nothing is left of its money")


async def test_a_workflow_that_no_edit_can_be_made_with_is_told(tmp_path: Path) -> None:
    whole, untitled, gone = tmp_path / "whole.json", tmp_path / "untitled.json", tmp_path / "gone.json"
    whole.write_bytes(b"\xef\xbb\xbf" + json.dumps(sample("head_swap")).encode())
    untitled.write_text(json.dumps({"1": {"class_type": "SaveImage", "inputs": {}}}))
    files = dict(zip(Mode, map(str, (whole, untitled, gone)), strict=True))
    with comfy_ui() as comfy:
        server, *amiss = await findings(
            WorkflowSettings(comfyui_urls=(comfy.base_url,), comfyui_workflows=files), "comfyui"
        )
    assert server.health is Health.OK
    assert [found.check.partition(" ")[2] for found in amiss] == list(Mode)[1:]
    assert "No node takes the source" in amiss[0].message
    assert "No such file" in amiss[1].message


async def test_what_is_not_set_or_away_is_wrong_and_what_is_not_used_is_nobody_s_business() -> None:
    away = WorkflowSettings(comfyui_urls=(f"http://127.0.0.1:{nobodys_port()}",))
    assert await findings(away, "local") == []
    unset, server = await findings(away, "comfyui")
    assert "COMFYUI_WORKFLOW_" in unset.message
    assert server.health is Health.WRONG
    assert server.remedy is not None
    unset, keyless = await findings(WorkflowSettings(), "runninghub")
    assert "RUNNINGHUB_API_KEY" in unset.message
    assert keyless.health is Health.WRONG
