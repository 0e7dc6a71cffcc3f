"""A workflow's file: that it is one in API format, and which of its nodes' inputs are for what."""

from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from actors.engines.workflows.driver import Graph
from actors.engines.workflows.loose import object_of
from schema.models.engines import OUTPUT, REFERENCE, SEED, SOURCE, NodeInput

LARGEST = 4 * 2**20
"""Bytes of a workflow's file."""

SEEDS = ("seed", "noise_seed")
SAVES = ("SaveImage", "PreviewImage")
FIELDS = ("value", "seed", "noise_seed", "number", "int", "float", "boolean", "text", "string")
"""Under which names nodes that hold one value have it."""

HOW_TO_EXPORT = "In ComfyUI: Workflow, Export (API); in older ones with dev mode on: Save (API Format)."


class WorkflowError(Exception):
    """A workflow can't be used; the message is for its operator."""


class Places(Struct, frozen=True, kw_only=True):
    """Which inputs of a workflow take what, and which node gives the result."""

    source: NodeInput
    reference: NodeInput | None
    output: str
    fields: Mapping[str, NodeInput]
    """By the name of a field in `config`."""
    seeds: tuple[NodeInput, ...]
    prefix: NodeInput | None
    """What the result's file name begins with."""


def read_workflow(path: Path) -> bytes:
    """A file's content, as far as it can be a workflow's: what never ends, such as a device, isn't read on."""
    with path.open("rb") as file:
        return file.read(LARGEST + 1)


def parse_graph(content: bytes | str) -> Graph:
    """Understand a workflow's file.

    Raises:
        WorkflowError: it is none in API format.
    """
    if len(content) > LARGEST:
        raise WorkflowError(f"The workflow is larger than {LARGEST >> 20} MB.")
    if isinstance(content, bytes):
        content = content.removeprefix(BOM_UTF8)  # as some editors begin a file
    try:
        found = msgspec.json.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise WorkflowError("The workflow isn't JSON.") from None
    return graph_of(found)


def graph_of(found: Any) -> Graph:
    """The workflow in what JSON says.

    Raises:
        WorkflowError: it is none in API format.
    """
    if isinstance(object_of(found).get("nodes"), list):
        raise WorkflowError(f"The workflow is in the format of ComfyUI's editor. {HOW_TO_EXPORT}")
    # Some clients wrap it as they send it.
    wrapped = object_of(found).get("prompt")
    try:
        nodes = msgspec.convert(wrapped if isinstance(wrapped, dict) else found, dict[str, dict[str, Any]])
    except msgspec.ValidationError:
        nodes = {}
    whole = all(
        isinstance(node.get("class_type"), str) and isinstance(node.get("inputs"), dict) for node in nodes.values()
    )
    if not nodes or not whole:
        raise WorkflowError(
            f"The workflow isn't in ComfyUI's API format: nodes with class_type and inputs. {HOW_TO_EXPORT}"
        )
    return nodes


def title_of(graph: Graph, node: str) -> str:
    """A node's title, empty where it has none."""
    title = object_of(graph[node].get("_meta")).get("title")
    return title.strip() if isinstance(title, str) else ""


def find_places(graph: Graph, mapped: Mapping[str, NodeInput], fields: frozenset[str]) -> Places:
    """Which inputs are for what: those that `mapped` names, else by their nodes' titles.

    `input:<any name>:1` is the source, `input:<any name>:2` the reference, `output:image:1` the result; `input:seed`
    takes a seed, `input:<field>` a field of `config` (one of `fields`). Without a title a workflow's only node that
    saves is the result, and inputs named seed or noise_seed take a seed.

    Raises:
        WorkflowError: source or result aren't there, there are two, or `mapped` names what isn't.
    """
    for name, place in mapped.items():
        if place.node not in graph or (place.field and place.field not in graph[place.node]["inputs"]):
            raise WorkflowError(
                f"The workflow has no {place.node}{'.' + place.field if place.field else ''}, named for {name}."
            )
    titled = dict(_titled(graph, fields))
    source = mapped.get(SOURCE) or titled.get(SOURCE)
    if source is None:
        raise WorkflowError("No node takes the source: give its LoadImage node the title input:image:1, or name it.")
    output = mapped.get(OUTPUT) or titled.get(OUTPUT) or _only_save(graph)
    seeds = [place for place in (mapped.get(SEED) or titled.get(SEED),) if place is not None]
    return Places(
        source=source,
        reference=mapped.get(REFERENCE) or titled.get(REFERENCE),
        output=output.node,
        fields={name: place for name in fields if (place := mapped.get(name) or titled.get(name)) is not None},
        seeds=tuple(seeds or _seeds(graph)),
        prefix=NodeInput(output.node, "filename_prefix") if "filename_prefix" in graph[output.node]["inputs"] else None,
    )


def _titled(graph: Graph, fields: frozenset[str]) -> Iterator[tuple[str, NodeInput]]:
    """What titles say of each node, by what it is for."""
    found: set[str] = set()
    for node in graph:
        match [part.strip() for part in title_of(graph, node).split(":")]:
            case ["input", _, "1"]:
                name, place = SOURCE, NodeInput(node, "image")
            case ["input", _, "2"]:
                name, place = REFERENCE, NodeInput(node, "image")
            case ["output", "image", "1"]:
                name, place = OUTPUT, NodeInput(node)
            case ["input", name] if name == SEED or name in fields:
                place = NodeInput(node, _only_field(graph, node, name))
            case _:
                continue
        if name in found:
            raise WorkflowError(f"Two nodes have the title of the {name}.")
        if place.field and place.field not in graph[node]["inputs"]:
            raise WorkflowError(f"Node {node}, by its title the {name}, has no input {place.field}.")
        found.add(name)
        yield name, place


def _only_field(graph: Graph, node: str, name: str) -> str:
    """Which input of a node that stands for one value holds it."""
    inputs: dict[str, Any] = graph[node]["inputs"]
    literal = [field for field, value in inputs.items() if not isinstance(value, list)]
    for field in (name, *FIELDS):
        if field in literal:
            return field
    if len(literal) != 1:
        raise WorkflowError(
            f"Node {node}, by its title for {name}, has {len(literal)} inputs that could take it: name one."
        )
    return literal[0]


def _only_save(graph: Graph) -> NodeInput:
    saving = [node for node in graph if graph[node]["class_type"] in SAVES]
    if len(saving) != 1:
        raise WorkflowError(
            "No node is known to give the result: give its SaveImage node the title output:image:1, or name it."
        )
    return NodeInput(saving[0])


def _seeds(graph: Graph) -> Iterator[NodeInput]:
    for node in graph:
        for field, value in graph[node]["inputs"].items():
            if field in SEEDS and isinstance(value, int) and not isinstance(value, bool):
                yield NodeInput(node, field)


def filled_in(graph: Graph, values: Mapping[NodeInput, object]) -> dict[str, dict[str, Any]]:
    """The workflow with `values` in place of its own."""
    filled = {node: {**content, "inputs": dict(content["inputs"])} for node, content in graph.items()}
    for place, value in values.items():
        filled[place.node]["inputs"][place.field] = value
    return filled
