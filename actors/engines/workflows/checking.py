"""Whether a workflow can work: its links, and its nodes against what a ComfyUI server says it has."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from actors.engines.workflows.driver import Graph
from actors.engines.workflows.graph import title_of
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
    """Inputs that come from a node that isn't there."""
    for number, node in graph.items():
        for name, value in node["inputs"].items():
            linked = _link(value)
            if linked is not None and linked[0] not in graph:
                yield f"{_named(graph, number)}: {name} comes from node {linked[0]}, which isn't there"


def lacking(graph: Graph, known: Mapping[str, Any]) -> Iterator[str]:
    """What a server doesn't have, by its `/object_info`: kinds of nodes, models and other choices of their inputs."""
    for number, node in graph.items():
        kind = as_object(known.get(node["class_type"]))
        if kind is None:
            yield f"{_named(graph, number)}: the server has no {node['class_type']}; install the nodes it belongs to"
            continue
        declared = object_of(kind.get("input"))
        required = object_of(declared.get("required"))
        takes = required | object_of(declared.get("optional"))
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
