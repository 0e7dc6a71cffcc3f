"""The workflows that come along, for tests."""

import json
from pathlib import Path
from typing import Any

import actors.engines.workflows

SAMPLES = Path(actors.engines.workflows.__file__ or "").parent / "samples"


def sample(name: str) -> dict[str, Any]:
    """In API format, new."""
    return json.loads((SAMPLES / f"{name}.json").read_text())
