"""GET /api/v1/modes: prices, presets and the JSON Schema of `config`, without a token."""

from typing import Any

import httpx
import pytest

from schema.models.edits import BACKGROUND_PRESETS, Mode
from tests.service.http.serving import API, JSON, Api, User, client_of


@pytest.fixture
async def modes(anonymous: httpx.AsyncClient) -> JSON:
    answer = await anonymous.get(f"{API}/modes")
    assert answer.status_code == 200
    return answer.json()


async def test_every_mode_is_described(modes: JSON) -> None:
    assert [mode["mode"] for mode in modes["modes"]] == list(Mode)
    assert {mode["mode"]: mode["base_price"] for mode in modes["modes"]} == {
        "HEAD_SWAP": 40,
        "BACKGROUND_CHANGE": 30,
        "POSE_CHANGE": 50,
    }
    assert modes["quality_factors"] == {"standard": 1, "high": 1.5, "ultra": 2}
    assert {name: size["factor"] for name, size in modes["sizes"].items()} == {
        "small": 1,
        "medium": 1.2,
        "large": 1.5,
        "xlarge": 2,
    }
    assert {name: size["long_edge"] for name, size in modes["sizes"].items()} == {
        "small": 768,
        "medium": 1024,
        "large": 1536,
        "xlarge": 2048,
    }
    presets = {mode["mode"]: mode["presets"] for mode in modes["modes"]}
    assert presets["BACKGROUND_CHANGE"] == list(BACKGROUND_PRESETS)
    assert [mode["engines"] for mode in modes["modes"]] == [["local"]] * 3
    assert [mode["preset_field"] for mode in modes["modes"]] == ["figure_preset", "background_preset", "target_pose"]


async def test_every_preset_is_taken_by_the_field_that_is_told(modes: JSON, user: User) -> None:
    for mode in modes["modes"]:
        for preset in mode["presets"]:
            assert await user.task(mode=mode["mode"], config={mode["preset_field"]: preset})


async def test_a_task_costs_what_is_told(modes: JSON, user: User) -> None:
    for mode in modes["modes"]:
        prices: list[dict[str, Any]] = mode["prices"]
        assert len(prices) == 12
        for told in prices[::5]:
            config = {"quality": told["quality"], "size": told["size"]}
            assert (await user.task(mode=mode["mode"], config=config))["credits_consumed"] == told["credits"]


async def test_the_schema_of_config_names_the_fields_that_are_taken(modes: JSON) -> None:
    for mode in modes["modes"]:
        schema = mode["config_schema"]
        assert schema["type"] == "object"
        assert schema["additionalProperties"] is False
        assert {"quality", "size", "reference_image"} <= set(schema["properties"])
    (head, background, pose) = [set(mode["config_schema"]["properties"]) for mode in modes["modes"]]
    assert {"blend_strength", "preserve_details", "figure_preset"} <= head
    assert {"background_type", "background_preset", "edge_blur", "color_match"} <= background
    assert {"target_pose", "preserve_face", "smoothness"} <= pose


async def test_what_no_engine_makes_is_told(modes: JSON, strict_api: Api) -> None:
    assert [mode["available"] for mode in modes["modes"]] == [True, True, True]
    async with client_of(strict_api) as client:
        told = (await client.get(f"{API}/modes")).json()
    assert {mode["mode"]: mode["available"] for mode in told["modes"]} == {
        "HEAD_SWAP": False,
        "BACKGROUND_CHANGE": True,
        "POSE_CHANGE": False,
    }


async def test_every_mode_and_preset_can_be_seen(anonymous: httpx.AsyncClient, modes: JSON) -> None:
    """`make mode-pictures` makes what is missing here."""
    for mode in modes["modes"]:
        assert mode["preset_pictures"].keys() == set(mode["presets"])
        shown = [*mode["preset_pictures"].values(), mode["example"]["before"], mode["example"]["after"]]
        for url in shown:
            answer = await anonymous.get(url)
            assert answer.status_code == 200
            assert answer.headers["content-type"] in {"image/webp", "image/svg+xml"}
            assert "max-age" in answer.headers["cache-control"]
    assert (await anonymous.get(f"{API}/modes/pictures/nothing.webp")).status_code == 404
