"""What the files for hosts set is what Darkroom reads."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.files.bucket import OPTIONS as STORAGE_OPTIONS
from service.settings import Settings

ROOT = Path(__file__).parents[2]
READ = {name.upper() for name in Settings.__struct_fields__} | {"SECRET_KEY", "PORT"} | STORAGE_OPTIONS.keys()


@pytest.mark.parametrize(
    ("file", "pattern"),
    [
        ("render.yaml", r"- key: ([A-Z_]+)"),
        ("docs/hosting.md", r"^([A-Z_]+)="),
        ("docs/hosting.zh-CN.md", r"^([A-Z_]+)="),
        ("docs/hosting.md", r"`([A-Z]+_[A-Z_]+)`"),
        ("docs/hosting.zh-CN.md", r"`([A-Z]+_[A-Z_]+)`"),
    ],
)
def test_every_name_is_a_setting(file: str, pattern: str) -> None:
    named = set(re.findall(pattern, (ROOT / file).read_text(), flags=re.MULTILINE))
    assert named
    assert named - READ == set()


def test_render_asks_for_what_is_nobody_elses_and_both_services_have_it() -> None:
    """A group can't ask; what stands there empty is what a sync sets."""
    blueprint: dict[str, Any] = yaml.safe_load((ROOT / "render.yaml").read_text())
    api, worker = ({one["key"]: one for one in each["envVars"] if "key" in one} for each in blueprint["services"])
    asked = {name for name, one in api.items() if one.get("sync") is False}
    assert asked >= {"DATABASE_URL", "REDIS_URL", "STORAGE_URL", "AWS_SECRET_ACCESS_KEY", "PUBLIC_URL"}
    assert {name for name, one in worker.items() if one.get("fromService", {}).get("envVarKey") == name} == asked
    assert all(one.get("value") or one.get("generateValue") for one in blueprint["envVarGroups"][0]["envVars"])


@pytest.mark.parametrize("name", ["DATABASE_URL", "REDIS_URL", "STORAGE_URL", "MODEL_MATTE", "MODEL_INPAINT"])
def test_compose_takes_servers_and_models_from_its_environment(name: str) -> None:
    assert f"    {name}: ${{{name}:-" in (ROOT / "docker-compose.yml").read_text()


def test_every_container_has_bounds() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    services = re.split(r"^  (?=\w+:$)", text.split("\nservices:\n")[1].split("\nvolumes:\n")[0], flags=re.MULTILINE)
    shared = text.split("\nservices:\n")[0]
    assert "logging: *logging" in shared
    assert "mem_limit: " in shared
    for service in services:
        if service.strip() and "<<: *darkroom" not in service:
            assert "logging: *logging" in service, service
            assert "mem_limit: " in service, service


def test_no_model_is_downloaded_for_a_change_of_code() -> None:
    """In the image, models come before anything that changes with the code."""
    steps = re.findall(r"^(?:COPY|RUN|    python) .*$", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    fetched = steps.index("    python /models/models.py")
    before = " ".join(step for step in steps[:fetched] if step.startswith("COPY"))
    assert re.findall(r"\S+(?= )", before.replace("COPY", "")) == [
        "requirements.lock", "pip_to_uv.py", "./",
        "actors/engines/local/models.py", "actors/engines/local/models.json",
    ]  # fmt: skip
