"""Whether a workflow can work: its links, and its nodes against what a ComfyUI server says it has."""

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final

from actors.engines.workflows.driver import Graph
from actors.engines.workflows.graph import Places, title_of
from actors.engines.workflows.loose import as_list, as_object, list_of, object_of
from schema.models.edits import Mode

SHOWN: Final = 5
"""Choices that are named of a list."""

PHOTOS: Final = {
    Mode.HEAD_SWAP: ((1, "head_image"), (2, "cloth_image")),
    Mode.BACKGROUND_CHANGE: ((1, "model_image"), (2, "bg_image")),
    Mode.POSE_CHANGE: ((1, "raw_image"), (2, "pose_image")),
}
"""What the two photos are called in the titles of the existing system's workflows."""

OF_THE_TASK: Final = ("LoadImage", "LoadImageMask")
"""Nodes whose picture comes with each task: what the workflow was saved with doesn't matter."""


def broken_links(graph: Graph) -> Iterator[str]:
    """Inputs that come from a node that isn't there, and nodes that wait for themselves."""
    for number, node in graph.items():
        for name, value in node["inputs"].items():
            linked = _link(value)
            if linked is not None and linked[0] not in graph:
                yield f"{_named(graph, number)}: {name} comes from node {linked[0]}, which isn't there"
    comes_from = {
        number: [linked[0] for value in node["inputs"].values() if (linked := _link(value)) is not None]
        for number, node in graph.items()
    }
    try:
        TopologicalSorter(comes_from).prepare()
    except CycleError as error:
        yield f"Nodes {', '.join(dict.fromkeys(error.args[1]))} wait for each other: their links go round"


def misplaced(graph: Graph, places: Places, known: Mapping[str, Any]) -> Iterator[str]:
    """Places that by a server's `/object_info` take no photo's name, or save no picture."""
    for place in filter(None, (places.source, places.reference)):
        if list_of(_takes(graph, place.node, known).get(place.field))[:1] == ["IMAGE"]:
            yield f"{_named(graph, place.node)}: {place.field} takes a picture, not a file: name its LoadImage node"
    if object_of(known.get(graph[places.output]["class_type"])).get("output_node") is False:
        yield f"{_named(graph, places.output)}: it saves no picture: name the SaveImage node"


def _takes(graph: Graph, number: str, known: Mapping[str, Any]) -> dict[str, Any]:
    declared = object_of(object_of(known.get(graph[number]["class_type"])).get("input"))
    return object_of(declared.get("required")) | object_of(declared.get("optional"))


def lacking(graph: Graph, known: Mapping[str, Any]) -> Iterator[str]:
    """What a server doesn't have, by its `/object_info`: kinds of nodes, models and other choices of their inputs."""
    for number, node in graph.items():
        kind = as_object(known.get(node["class_type"]))
        if kind is None:
            yield f"{_named(graph, number)}: the server has no {node['class_type']}; install the nodes it belongs to"
            continue
        required, takes = object_of(object_of(kind.get("input")).get("required")), _takes(graph, number, known)
        yield from (f"{_named(graph, number)}: {name} is missing" for name in required if name not in node["inputs"])
        for name, value in node["inputs"].items():
            choices = _choices(takes.get(name))
            if choices is None or _link(value) is not None or node["class_type"] in OF_THE_TASK:
                continue
            if value not in choices:
                some = ", ".join(map(str, choices[:SHOWN])) or "nothing"
                yield f"{_named(graph, number)}: the server has no {name} {value!r}; it has {some}"
        yield from _missing_outputs(graph, number, known)


def _missing_outputs(graph: Graph, number: str, known: Mapping[str, Any]) -> Iterator[str]:
    """Links to an output that the node they come from doesn't have."""
    for name, value in graph[number]["inputs"].items():
        linked = _link(value)
        if linked is None or linked[0] not in graph:
            continue
        gives = as_list(object_of(known.get(graph[linked[0]]["class_type"])).get("output"))
        if gives is not None and linked[1] >= len(gives):
            yield f"{_named(graph, number)}: {name} comes from an output that node {linked[0]} doesn't have"


def _link(value: Any) -> tuple[str, int] | None:
    """The node and the output that an input comes from, None for a value."""
    match value:
        case [str(node), int(output)] if not isinstance(output, bool):
            return node, output
        case _:
            return None


def _choices(declared: Any) -> list[Any] | None:
    """What an input may be, None where it isn't chosen: `[[...], {}]` or `["COMBO", {"options": [...]}]`."""
    match list_of(declared):
        case ["COMBO", {"options": choices}, *_] | [choices, *_]:
            return as_list(choices)
        case _:
            return None


def _named(graph: Graph, number: str) -> str:
    title = title_of(graph, number)
    return f"Node {number} ({title or graph[number]['class_type']})"


def mode_of(graph: Graph) -> Mode | None:
    """Which mode the titles of a workflow's photos tell, as those of the existing system's workflows do."""
    titles = {title_of(graph, number) for number in graph}
    return next((mode for mode, names in PHOTOS.items() if titles & {f"input:{name}:{n}" for n, name in names}), None)
