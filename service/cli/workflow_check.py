"""What `darkroom workflow check` tells of a workflow, and what it finds wrong."""

from collections.abc import Mapping
from typing import Any

from actors.engines.workflows.checking import broken_links, lacking, misplaced
from actors.engines.workflows.comfyui.driver import ComfyUI
from actors.engines.workflows.driver import DriverError, Graph
from actors.engines.workflows.filling import fillable
from actors.engines.workflows.graph import Places, WorkflowError, find_places, title_of
from schema.models.edits import CONFIG_TYPES, Mode
from schema.models.engines import NodeInput, WorkflowSettings

AS_PHOTOS = {"background_type", "background_preset", "figure_preset"}
"""Fields of config that are carried out by the reference that is sent."""


async def checked(
    graph: Graph, mode: Mode, settings: WorkflowSettings, *, compared: bool
) -> tuple[list[str], list[str]]:
    """What its nodes are for, and what is wrong; `compared`: with what a ComfyUI server has."""
    told: list[str] = []
    problems = list(broken_links(graph))
    fields = fillable(mode, CONFIG_TYPES[mode])
    places = None
    try:
        places = find_places(graph, settings.nodes.get(mode, {}), fields)
        told += _told(graph, places, fields)
    except WorkflowError as error:
        problems.append(str(error))
    if compared and not settings.comfyui_urls:
        told.append("server      none to compare with: COMFYUI_URL is not set")
    elif compared:
        try:
            known = await _nodes(settings)
            problems += lacking(graph, known)
            problems += misplaced(graph, places, known) if places is not None else ()
        except DriverError as error:
            problems.append(f"no server of COMFYUI_URL could be asked: {error.detail or error.message}")
        else:
            told.append("server      asked for its nodes and models")
    return told, problems


def _told(graph: Graph, places: Places, fields: frozenset[str]) -> list[str]:
    lines = [f"source      {_named(graph, places.source)}"]
    lines.append(f"reference   {_named(graph, places.reference) if places.reference else 'taken by no node'}")
    lines.append(f"result      {_named(graph, NodeInput(places.output))}")
    lines += [f"seed        {_named(graph, seed)}" for seed in places.seeds]
    lines += [f"config      {name}: {_named(graph, place)}" for name, place in sorted(places.fields.items())]
    met = {"size", *(AS_PHOTOS if places.reference else ())}
    if idle := sorted(fields - places.fields.keys() - met):
        lines.append(f"config      taken by no node, whoever asks for it is told: {', '.join(idle)}")
    return lines


def _named(graph: Graph, place: NodeInput) -> str:
    title = title_of(graph, place.node) or graph[place.node]["class_type"]
    return f"node {place.node} ({title})" + (f", {place.field}" if place.field else "")


async def _nodes(settings: WorkflowSettings) -> Mapping[str, Any]:
    driver = ComfyUI(settings)
    try:
        return await driver.nodes()
    finally:
        await driver.close()
