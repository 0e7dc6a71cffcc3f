"""Engines that make edits elsewhere, by workflows: what is set for them, and which of their jobs is a task's."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from msgspec import Struct

from schema.models.edits import Mode

RUNNINGHUB_URL: Final = "https://www.runninghub.ai"

SOURCE: Final = "source"
REFERENCE: Final = "reference"
OUTPUT: Final = "output"
SEED: Final = "seed"
"""What a workflow's nodes may be besides a field of `config`."""


class Provenance(StrEnum):
    """What a workflow's pictures say in XMP of how they were made (IPTC DigitalSourceType)."""

    GENERATED = "trainedAlgorithmicMedia"
    COMPOSITE = "composite"


class NodeInput(Struct, frozen=True):
    """A node's input. `field` is empty for a node that only gives: the output."""

    node: str
    field: str = ""


class WorkflowSettings(Struct, frozen=True, kw_only=True):
    """What is set for the engines that run workflows. URLs and the key are secrets: for no log and no message."""

    comfyui_urls: tuple[str, ...] = ()
    """Without a slash at their ends; with path, user and password if need be."""
    comfyui_workflows: Mapping[Mode, str] = {}
    """Files in API format."""
    runninghub_url: str = RUNNINGHUB_URL
    runninghub_api_key: str | None = None
    runninghub_concurrency: int = 1
    runninghub_workflows: Mapping[Mode, str] = {}
    """Ids."""
    nodes: Mapping[Mode, Mapping[str, NodeInput]] = {}
    """By source, reference, output, seed or a field of `config`; what is missing is found by title."""
    provenance: Mapping[Mode, Provenance] = {}
    """Absent: generated."""

    def __repr__(self) -> str:
        return "<WorkflowSettings>"


class RemoteJob(Struct, frozen=True):
    """A job that an engine runs elsewhere for a task.

    `place` tells one server of the engine from another without its address. `job_id` is None as long as the server
    hasn't said: a create may be on its way, and its answer may be lost.
    """

    engine: str
    place: str
    job_id: str | None = None
