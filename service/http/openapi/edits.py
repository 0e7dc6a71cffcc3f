"""Tasks in the document, by mode: which configuration goes with which, what results tell, examples to try."""

from typing import Any

import msgspec

from schema.models.edits import BACKGROUND_PRESETS, CONFIG_TYPES, FIGURE_PRESETS, Mode

JSON = dict[str, Any]

REFERENCE = "#/components/schemas/{name}"
PLACEHOLDER = "file_your_last_upload"
"""Stands for an upload's id in examples; /docs puts the id of the last photo that was uploaded there in its place."""

WEBHOOK = "^[hH][tT][tT][pP][sS]?://[!-~]+(?!\\n)$"

EXAMPLES: dict[str, JSON] = {
    "Another background": {"mode": Mode.BACKGROUND_CHANGE, "config": {"background_preset": BACKGROUND_PRESETS[5]}},
    "No background": {"mode": Mode.BACKGROUND_CHANGE, "config": {"background_type": "remove", "size": "small"}},
    "A head on a figure": {"mode": Mode.HEAD_SWAP, "config": {"figure_preset": FIGURE_PRESETS[0]}},
    "Another pose": {"mode": Mode.POSE_CHANGE, "config": {"target_pose": "hands_on_hips"}, "priority": "high"},
}
"""Bodies of POST /tasks, but for the photo."""

METADATA: JSON = {
    "title": "ResultMetadata",
    "description": "What is to be known about the pictures, of every mode alike.",
    "type": "object",
    "properties": {
        "width": {"type": "integer", "description": "Pixels."},
        "height": {"type": "integer", "description": "Pixels."},
        "format": {"type": "string", "enum": ["jpeg", "png", "webp"]},
        "size": {"type": "integer", "description": "Bytes."},
        "engine": {"type": "string", "description": "The engine that made it."},
        "warnings": {"type": "array", "items": {"type": "string"}, "description": "For the person, who may try again."},
        "models": {
            "type": "object",
            "description": "Models of the operator's own that it was made with: matte, inpaint.",
            "additionalProperties": {
                "type": "object",
                "properties": {"sha256": {"type": "string"}, "licence": {"type": "string"}},
            },
        },
        "seconds": {
            "type": "object",
            "additionalProperties": {"type": "number"},
            "description": "How long each step took.",
        },
    },
}
OLDER = {"type": "object", "title": "Older", "description": "As the system before this one wrote it."}


def type_edits(document: JSON) -> None:
    """Type what depends on the mode: a new task's `config` by it, and what tasks tell of theirs."""
    schemas = document["components"]["schemas"]
    _, configs = msgspec.json.schema_components(CONFIG_TYPES.values(), ref_template=REFERENCE)
    schemas |= configs
    for config in configs.values():
        for described in config.get("properties", {}).values():
            # What absence means the description tells; what has a default, generators of types take as always there.
            described.pop("default", None)
    schemas["ResultMetadata"] = METADATA
    new = schemas["NewTask"]
    new["properties"]["webhook_url"] |= {"format": "uri", "pattern": WEBHOOK}
    variants = {mode: f"New{mode.title().replace('_', '')}" for mode in Mode}
    for mode, name in variants.items():
        schemas[name] = {
            **new,
            "title": name,
            "properties": {
                **new["properties"],
                "mode": {"type": "string", "enum": [mode]},
                "config": _reference(CONFIG_TYPES[mode].__name__),
            },
            "additionalProperties": False,
        }
    schemas["NewTask"] = {
        "title": "NewTask",
        "oneOf": [_reference(name) for name in variants.values()],
        "discriminator": {
            "propertyName": "mode",
            "mapping": {mode: _reference(name)["$ref"] for mode, name in variants.items()},
        },
    }
    told = [_reference(kind.__name__) for kind in CONFIG_TYPES.values()]
    for task in ("Task", "HistoricTask"):
        schemas[task]["properties"]["config"] = {"anyOf": [*told, OLDER], "description": "As it was sent."}
    schemas["TaskResult"]["properties"]["metadata"] = {"anyOf": [_reference("ResultMetadata"), OLDER]}
    content = document["paths"]["/api/v1/tasks"]["post"]["requestBody"]["content"]["application/json"]
    content["examples"] = {
        name: {"summary": name, "value": {"source_image": PLACEHOLDER, **body}} for name, body in EXAMPLES.items()
    }


def _reference(name: str) -> JSON:
    return {"$ref": REFERENCE.format(name=name)}
