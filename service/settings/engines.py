"""Which engine makes which edit, and what is set for those that run workflows."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from schema.models.edits import COMFYUI, CONFIG_TYPES, DEFAULT_ENGINE, ENGINE_MODES, RUNNINGHUB, Mode
from schema.models.engines import (
    OUTPUT,
    REFERENCE,
    RUNNINGHUB_URL,
    SEED,
    SOURCE,
    NodeInput,
    Provenance,
    WorkflowSettings,
)
from service.settings.sources import Sources, read_dotenv
from service.urls.splitting import NotAUrl, split_url

if TYPE_CHECKING:
    from service.settings import Settings

MOST_AT_ONCE = 1000

_NODE = re.compile(r"(?P<name>[a-z_]+)=(?P<node>[A-Za-z0-9_:.-]{1,64}?)(?:\.(?P<field>[A-Za-z_][A-Za-z0-9_ -]{0,63}))?")
_KEY = re.compile(r"[!-~]{8,200}")


def read_engines(sources: Sources) -> dict[Mode, tuple[str, ...]]:
    """For each mode the engines that make it, the first before the others. Raises SettingsError."""
    every = _names(sources, "ENGINE") or (DEFAULT_ENGINE,)
    return {mode: _names(sources, f"ENGINE_{mode}") or every for mode in Mode}


def load_workflow_settings(environ: Mapping[str, str]) -> WorkflowSettings:
    """As `load_settings`, for whoever needs nothing else of them. Raises SettingsError."""
    return read_workflow_settings(Sources([("", environ), (" (in .env)", read_dotenv(Path(".env")))]))


def read_workflow_settings(sources: Sources) -> WorkflowSettings:
    """What is set for ComfyUI and RunningHub. Raises SettingsError."""
    return WorkflowSettings(
        comfyui_urls=_urls(sources, "COMFYUI_URL"),
        comfyui_workflows=_per_mode(sources, "COMFYUI_WORKFLOW", r".{1,4096}", "the path of a workflow in API format"),
        runninghub_url=(_urls(sources, "RUNNINGHUB_URL", several=False) or (RUNNINGHUB_URL,))[0],
        runninghub_api_key=_key(sources),
        runninghub_concurrency=_concurrency(sources),
        runninghub_workflows=_per_mode(sources, "RUNNINGHUB_WORKFLOW", r"[A-Za-z0-9_-]{1,64}", "a workflow's id"),
        nodes={mode: nodes for mode in Mode if (nodes := _nodes(sources, mode))},
        provenance=_provenances(sources),
    )


def not_set(names: Sequence[str]) -> str:
    """That these variables are missing, for a sentence."""
    return f"{' and '.join(names)} {'is' if len(names) == 1 else 'are'} not set"


def what_engines_lack(settings: "Settings") -> str | None:
    """What a worker with these settings lacks to make edits with the engines that they name: a sentence, or None."""
    for mode, names in settings.engines.items():
        for name in names:
            if absent := what_an_engine_lacks(name, mode, settings.workflows):
                return f"{mode} is made by {name} (ENGINE, ENGINE_{mode}), and {not_set(absent)}."
    return None


def what_an_engine_lacks(engine: str, mode: Mode, given: WorkflowSettings) -> list[str]:
    """The variables that must be set for an engine to make a mode, and aren't."""
    has = {
        COMFYUI: {"COMFYUI_URL": given.comfyui_urls, f"COMFYUI_WORKFLOW_{mode}": mode in given.comfyui_workflows},
        RUNNINGHUB: {
            "RUNNINGHUB_API_KEY": given.runninghub_api_key,
            f"RUNNINGHUB_WORKFLOW_{mode}": mode in given.runninghub_workflows,
        },
    }
    return [variable for variable, there in has.get(engine, {}).items() if not there]


def _names(sources: Sources, variable: str) -> tuple[str, ...]:
    takes = f"{', '.join(ENGINE_MODES)}, or several of them with commas, the first one first"
    names = tuple(sources.several(variable, takes))
    if len(set(names)) != len(names) or not set(names) <= ENGINE_MODES.keys():
        raise sources.wrong(variable, takes)
    return names


def _urls(sources: Sources, variable: str, *, several: bool = True) -> tuple[str, ...]:
    takes = "an address like http://gpu.example:8188" + (" (several with commas)" if several else "")
    urls: list[str] = []
    for text in sources.several(variable, takes):
        try:
            url = split_url(text)
            good = url.scheme in {"http", "https"} and bool(url.host.name) and "?" not in text and "#" not in text
        except NotAUrl:
            raise sources.wrong(variable, takes) from None
        if not good:
            raise sources.wrong(variable, takes)
        urls.append(text.rstrip("/"))
    if len(set(urls)) != len(urls) or (len(urls) > 1 and not several):
        raise sources.wrong(variable, takes)
    return tuple(urls)


def _per_mode(sources: Sources, prefix: str, pattern: str, takes: str) -> dict[Mode, str]:
    found: dict[Mode, str] = {}
    for mode in Mode:
        variable = f"{prefix}_{mode}"
        if text := sources.text(variable):
            if not text.isprintable() or not re.fullmatch(pattern, text):
                raise sources.wrong(variable, takes)
            found[mode] = text
    return found


def _key(sources: Sources) -> str | None:
    text = sources.text("RUNNINGHUB_API_KEY")
    if text and not _KEY.fullmatch(text):
        raise sources.wrong("RUNNINGHUB_API_KEY", "the key that RunningHub shows for its API")
    return text or None


def _concurrency(sources: Sources) -> int:
    variable = "RUNNINGHUB_CONCURRENCY"
    text = sources.text(variable)
    if text and not (re.fullmatch(r"[0-9]{1,4}", text) and 1 <= int(text) <= MOST_AT_ONCE):
        raise sources.wrong(variable, f"a whole number from 1 to {MOST_AT_ONCE}")
    return int(text or 1)


def _nodes(sources: Sources, mode: Mode) -> dict[str, NodeInput]:
    """`source=6.image,reference=7.image,output=10`, and fields of the mode's config in the same way."""
    variable = f"WORKFLOW_NODES_{mode}"
    names = {SOURCE, REFERENCE, OUTPUT, SEED, *CONFIG_TYPES[mode].__struct_fields__}
    takes = "nodes like source=6.image,reference=7.image,output=10 (also seed and fields of config)"
    nodes: dict[str, NodeInput] = {}
    for part in text.split(",") if (text := sources.text(variable)) else ():
        found = _NODE.fullmatch(part.strip())
        if found is None or found["name"] not in names or found["name"] in nodes:
            raise sources.wrong(variable, takes)
        if (found["name"] == OUTPUT) == (found["field"] is not None):
            raise sources.wrong(variable, takes)
        nodes[found["name"]] = NodeInput(found["node"], found["field"] or "")
    return nodes


def _provenances(sources: Sources) -> dict[Mode, Provenance]:
    words = {word.name.lower(): word for word in Provenance}
    found: dict[Mode, Provenance] = {}
    for mode in Mode:
        variable = f"WORKFLOW_PROVENANCE_{mode}"
        if text := sources.text(variable):
            if text not in words:
                raise sources.wrong(variable, " or ".join(words))
            found[mode] = words[text]
    return found
