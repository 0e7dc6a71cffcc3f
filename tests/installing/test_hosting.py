"""What the files for hosts set is what Darkroom reads."""

import re
from pathlib import Path

import pytest

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
