"""The existing system's `engine_config.yml` as settings of ours. Keys and passwords are in nothing that comes out.

There, engines with a `type` and a `config` have names, and each mode's pipeline names the engine of its steps:

    engines:
      runninghub_head_swap:
        type: runninghub
        config:
          {api_key, workflow_id, api_base_url, timeout, node_mapping: {head_image: {node_id: "6", field_name: image}}}
    pipelines:
      head_swap: {enabled: true, steps: {head_swap: {engine: runninghub_head_swap}}}

`${NAME}` and `${NAME:default}` in texts stand for variables of the environment.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

import yaml
from msgspec import Struct

from schema.models.edits import COMFYUI, REFERENCE_FIELDS, RUNNINGHUB, Mode
from service.settings.engines import read_engines, read_workflow_settings
from service.settings.sources import SettingsError, Sources
from service.urls.splitting import NotAUrl, split_url

SOURCES: Final = ("head_image", "model_image", "raw_image", "source_image", "image")
REFERENCES: Final = frozenset(name for names in REFERENCE_FIELDS.values() for name in names)
"""Under which names `node_mapping` has the two photos."""

USUAL_TIMEOUT: Final = 300
KEY: Final = "RUNNINGHUB_API_KEY"

_PLACEHOLDER = re.compile(r"\$\{([^}:]+)(?::([^}]*))?\}")
_WORDS = {Mode.HEAD_SWAP: ("head",), Mode.BACKGROUND_CHANGE: ("background", "bg"), Mode.POSE_CHANGE: ("pose",)}

_Config = Mapping[str, Any]


class UnreadableConfig(Exception):  # noqa: N818 - the file is at fault
    """It is no such file; the message quotes nothing of it."""


class Translation(Struct, frozen=True):
    """Variables for `.env`, in order; those that hold a secret are empty. `notes` say what is left to do by hand."""

    settings: Mapping[str, str]
    notes: list[str]


class _Engine(Struct, frozen=True):
    name: str
    kind: str
    config: _Config


def translate(text: str, environ: Mapping[str, str]) -> Translation:
    """Read the file's text.

    Raises:
        UnreadableConfig: it isn't YAML, or names no engine.
    """
    try:
        root = _mapping(_resolved(_loaded(text), environ))
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark is not None else ""
        raise UnreadableConfig(f"It isn't YAML{line}.") from None
    except (yaml.YAMLError, RecursionError):
        raise UnreadableConfig("It isn't YAML.") from None
    engines = {name: _engine(name, _mapping(found)) for name, found in _mapping(root.get("engines")).items()}
    if not engines:
        raise UnreadableConfig("It has no `engines`.")
    writer = _Writer()
    for mode in Mode:
        writer.add(mode, _engine_of(mode, engines, _mapping(root.get("pipelines"))))
    return writer.written()


def _loaded(text: str) -> Any:
    """What YAML says.

    Raises:
        UnreadableConfig: a value is none of its kind; PyYAML then raises whatever Python does.
        yaml.YAMLError: it says nothing.
    """
    try:
        return yaml.safe_load(text)
    except (ValueError, LookupError, AttributeError):
        words = "a date or a number in it is none. Values that are meant as text, such as ids, belong in quotes."
        raise UnreadableConfig(words) from None


class _Writer:
    """Puts modes' engines together; what is one for all of Darkroom has to be the same in each."""

    def __init__(self) -> None:
        self._settings: dict[str, str] = {}
        self._notes: list[str] = []
        self._keys: dict[str, str] = {}
        self._timeout = USUAL_TIMEOUT

    def add(self, mode: Mode, engine: _Engine | str) -> None:
        if isinstance(engine, str):
            self._notes.append(f"{mode}: {engine}.")
            return
        self._timeout = max(self._timeout, _seconds(engine.config.get("timeout")))
        if engine.kind == RUNNINGHUB:
            self._add_runninghub(mode, engine)
        else:
            self._add_comfyui(mode, engine)

    def _add_runninghub(self, mode: Mode, engine: _Engine) -> None:
        config = engine.config
        values = {f"ENGINE_{mode}": RUNNINGHUB, f"RUNNINGHUB_WORKFLOW_{mode}": _text(config.get("workflow_id"))}
        nodes = self._nodes(mode, _mapping(config.get("node_mapping")))
        self._accept(mode, values | ({f"WORKFLOW_NODES_{mode}": nodes} if nodes else {}))
        self._one_for_all("RUNNINGHUB_URL", _text(config.get("api_base_url")), engine)
        if key := _text(config.get("api_key")):
            self._keys.setdefault(key, engine.name)

    def _add_comfyui(self, mode: Mode, engine: _Engine) -> None:
        path = _text(engine.config.get("workflow_path"))
        self._accept(mode, {f"ENGINE_{mode}": COMFYUI, f"COMFYUI_WORKFLOW_{mode}": path})
        self._one_for_all("COMFYUI_URL", _text(engine.config.get("comfyui_url")), engine)

    def _nodes(self, mode: Mode, mapping: Mapping[str, Any]) -> str:
        parts: list[str] = []
        for name, found in mapping.items():
            place = _mapping(found)
            role = "source" if name in SOURCES else "reference" if name in REFERENCES else None
            if role is None:
                self._notes.append(f"{mode}: node_mapping's {name} is neither of the photos, and left out.")
                continue
            parts.append(f"{role}={_text(place.get('node_id'))}.{_text(place.get('field_name')) or 'image'}")
        return ",".join(parts)

    def _accept(self, mode: Mode, values: Mapping[str, str]) -> None:
        """Take what our settings take; none of it, with a note, where they don't."""
        if trouble := _trouble(values):
            self._notes.append(f"{mode}: left out. {trouble}")
        else:
            self._settings |= values

    def _one_for_all(self, name: str, value: str, engine: _Engine) -> None:
        if not value:
            return
        if _trouble({name: value}):
            self._notes.append(f"{name}: {engine.name} has none that can be used.")
        elif _may_hold_secrets(value):
            self._settings.setdefault(name, "")
            self._notes.append(f"{name}: copy it from {engine.name}; it may hold a secret, and isn't printed.")
        elif self._settings.setdefault(name, value) != value:
            self._notes.append(f"{name}: {engine.name} has another; there is one for all modes.")

    def written(self) -> Translation:
        if self._keys:
            name, *others = self._keys.values()
            self._settings[KEY] = ""
            self._notes.append(f"{KEY}: copy api_key from {name}; it is printed nowhere.")
            self._notes.extend(f"{KEY}: {other} has another; there is one for all modes." for other in others)
        elif RUNNINGHUB in self._settings.values():
            self._settings[KEY] = ""
            self._notes.append(f"{KEY}: none is named there.")
        if self._timeout != USUAL_TIMEOUT:
            self._settings["TASK_TIMEOUT_SECONDS"] = str(self._timeout)
        return Translation(self._settings, self._notes)


def _engine_of(mode: Mode, engines: Mapping[str, _Engine], pipelines: Mapping[str, Any]) -> _Engine | str:
    """The engine that makes the mode's pictures, or why there is none."""
    known = {name: engine for name, engine in engines.items() if engine.kind in {RUNNINGHUB, COMFYUI}}
    pipeline = pipelines.get(mode.lower())
    if pipeline is None:
        named = [engine for name, engine in known.items() if any(word in name.lower() for word in _WORDS[mode])]
    elif _mapping(pipeline).get("enabled") is False:
        return "its pipeline isn't enabled there, and is left out"
    else:
        steps = _mapping(_mapping(pipeline).get("steps")).values()
        used = [_text(_mapping(step).get("engine")) for step in steps]
        named = [known[name] for name in used if name in known]
    return named[-1] if named else "no engine there runs a workflow for it"


def _engine(name: str, found: Mapping[str, Any]) -> _Engine:
    return _Engine(name, _text(found.get("type")).lower(), _mapping(found.get("config")))


def _trouble(values: Mapping[str, str]) -> str | None:
    """Why our settings wouldn't take these, if they wouldn't."""
    empty = [name for name, value in values.items() if not value]
    if empty:
        return f"{empty[0]} would be empty."
    sources = Sources([("", values)])
    try:
        read_engines(sources)
        read_workflow_settings(sources)
    except SettingsError as error:
        return f"{error}."
    return None


def _may_hold_secrets(url: str) -> bool:
    try:
        parts = split_url(url)
    except NotAUrl:
        return True
    return parts.username is not None or parts.path.strip("/") != ""


def _resolved(root: Any, environ: Mapping[str, str]) -> Any:
    """Each value once: an anchor's aliases are one object, and nine in nine in nine of them are no end of work."""
    known: dict[int, Any] = {}

    def resolved(value: Any) -> Any:
        if isinstance(value, str):
            return _PLACEHOLDER.sub(lambda found: environ.get(found[1]) or found[2] or "", value)
        place = id(value)
        if place not in known and isinstance(value, dict):
            known[place] = {str(name): resolved(item) for name, item in cast("dict[Any, Any]", value).items()}
        elif place not in known and isinstance(value, list):
            known[place] = [resolved(item) for item in cast("list[Any]", value)]
        return known.get(place, value)

    return resolved(root)


def _mapping(value: Any) -> Mapping[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _seconds(value: Any) -> int:
    text = _text(value)
    return int(text) if text.isdecimal() else 0


def lines(translation: Translation) -> Iterator[str]:
    """As lines of a `.env` file."""
    yield from (f"{name}={_quoted(value)}" for name, value in translation.settings.items())
    yield from (f"# {note}" for note in translation.notes)


def _quoted(value: str) -> str:
    return value if re.fullmatch(r"[A-Za-z0-9_./:=,@%+-]*", value) else f"'{value}'"
