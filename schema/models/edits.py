"""What may be asked of an edit: modes, their configuration, their price."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from fractions import Fraction
from functools import cache
from math import ceil
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct


class Mode(StrEnum):
    """The edits Darkroom knows."""

    HEAD_SWAP = "HEAD_SWAP"
    BACKGROUND_CHANGE = "BACKGROUND_CHANGE"
    POSE_CHANGE = "POSE_CHANGE"


class Quality(StrEnum):
    """How much work an edit may take. `low` and `medium` are older clients' words for `standard`."""

    STANDARD = "standard"
    HIGH = "high"
    ULTRA = "ultra"
    LOW = "low"
    MEDIUM = "medium"


class Size(StrEnum):
    """The long edge of the result, never larger than the canvas it is made on."""

    SMALL = "small"
    MEDIUM = "medium"
    LARGE = "large"
    XLARGE = "xlarge"


LONG_EDGE = {Size.SMALL: 768, Size.MEDIUM: 1024, Size.LARGE: 1536, Size.XLARGE: 2048}
"""Pixels of the longer side, per size asked."""

BASE_PRICE = {Mode.HEAD_SWAP: 40, Mode.BACKGROUND_CHANGE: 30, Mode.POSE_CHANGE: 50}
QUALITY_FACTOR = {
    Quality.LOW: Fraction(1),
    Quality.MEDIUM: Fraction(1),
    Quality.STANDARD: Fraction(1),
    Quality.HIGH: Fraction(3, 2),
    Quality.ULTRA: Fraction(2),
}
SIZE_FACTOR = {
    Size.SMALL: Fraction(1),
    Size.MEDIUM: Fraction(6, 5),
    Size.LARGE: Fraction(3, 2),
    Size.XLARGE: Fraction(2),
}


class BackgroundType(StrEnum):
    """Where the new background comes from."""

    CUSTOM = "custom"
    PRESET = "preset"
    REMOVE = "remove"


BACKGROUND_PRESETS = (
    "studio_white",
    "studio_grey",
    "studio_black",
    "gradient_blue",
    "gradient_warm",
    "sunset",
    "sky",
    "green_screen",
)
"""Backgrounds made by code; the first is used when nothing is asked."""

FIGURE_PRESETS = ("astronaut", "officer")
"""Figures that come with Darkroom; the first is used when nothing is asked."""

POSE_PRESETS = (
    "standing_front",
    "arms_raised",
    "arms_out",
    "hands_on_hips",
    "waving",
    "walking",
    "cheering",
    "pointing",
    "dancing",
    "one_arm_raised",
    "side_step",
)
"""Poses kept as key points; the first is used when nothing is asked."""

BLEND_STRENGTH = 0.75
SMOOTHNESS = 0.5
"""What counts where nothing is asked."""

ABSENT: Final = "x-absent"
"""The word for that in JSON Schema, whose own says what a field left out is read as: null."""

# Read by Python and, in the documents, by JavaScript: that knows no \A and \Z, and Python's $ passes a line break.
FileId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}(?!\n)$", description="The id of an uploaded file.")]

# The enums are for the documents: a stored task of the system before this one may name another preset.
_PRESET = r"^[a-z0-9_]{1,40}(?!\n)$"
FigurePreset = Annotated[str, Meta(pattern=_PRESET, extra_json_schema={"enum": [*FIGURE_PRESETS]})]
BackgroundPreset = Annotated[str, Meta(pattern=_PRESET, extra_json_schema={"enum": [*BACKGROUND_PRESETS]})]
PosePreset = Annotated[str, Meta(pattern=_PRESET, extra_json_schema={"enum": [*POSE_PRESETS]})]

Share = Annotated[float, Meta(ge=0, le=1)]
AliasOfReference = Annotated[FileId | None, Meta(description="Another name of reference_image.")]


class EditConfig(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What every mode understands. Null means the same as leaving a field out."""

    quality: Annotated[
        Quality | None,
        Meta(description="How finely edges and fills are worked out. Absent (as low, medium): standard."),
    ] = None
    size: Annotated[
        Size | None, Meta(description="The long edge: 768, 1024, 1536 or 2048 pixels, never enlarging. Absent: medium.")
    ] = None
    reference_image: FileId | None = None


class HeadSwapConfig(EditConfig, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How to put the source's head on the reference's figure."""

    blend_strength: Annotated[
        Share | None,
        Meta(
            description=f"How far skin and light of head and figure come together. Absent: {BLEND_STRENGTH}.",
            extra_json_schema={ABSENT: BLEND_STRENGTH},
        ),
    ] = None
    preserve_details: Annotated[
        bool | None, Meta(description="Whether the head stays as sharp as it is. Absent: true.")
    ] = None
    figure_preset: Annotated[
        FigurePreset | None,
        Meta(description=f"The figure, where there is no reference. Absent: {FIGURE_PRESETS[0]}."),
    ] = None
    target_face_image: AliasOfReference = None
    cloth_image: AliasOfReference = None


class BackgroundChangeConfig(EditConfig, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What to put behind the person."""

    background_type: Annotated[
        BackgroundType | None,
        Meta(description="custom needs a reference. Absent: custom with a reference and no preset, else preset."),
    ] = None
    background_preset: Annotated[
        BackgroundPreset | None, Meta(description=f"The backdrop of preset. Absent: {BACKGROUND_PRESETS[0]}.")
    ] = None
    edge_blur: Annotated[
        Annotated[float, Meta(ge=0, le=10)] | None,
        Meta(description="Feather of the person's edge in pixels. Absent: 0.", extra_json_schema={ABSENT: 0}),
    ] = None
    color_match: Annotated[
        bool | None, Meta(description="Whether the person takes the background's light. Absent: true.")
    ] = None
    background_image: AliasOfReference = None
    bg_image: AliasOfReference = None


class PoseChangeConfig(EditConfig, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Which pose to take, and how."""

    target_pose: Annotated[
        PosePreset | None,
        Meta(description=f"The pose; it wins over a reference. Absent, without a reference: {POSE_PRESETS[0]}."),
    ] = None
    preserve_face: Annotated[
        bool | None, Meta(description="Whether the face stays as it is, instead of turning. Absent: true.")
    ] = None
    smoothness: Annotated[
        Share | None,
        Meta(description=f"How softly joints bend. Absent: {SMOOTHNESS}.", extra_json_schema={ABSENT: SMOOTHNESS}),
    ] = None
    pose_reference: AliasOfReference = None
    pose_image: AliasOfReference = None


AnyConfig = HeadSwapConfig | BackgroundChangeConfig | PoseChangeConfig

CONFIG_TYPES: dict[Mode, type[AnyConfig]] = {
    Mode.HEAD_SWAP: HeadSwapConfig,
    Mode.BACKGROUND_CHANGE: BackgroundChangeConfig,
    Mode.POSE_CHANGE: PoseChangeConfig,
}

REFERENCE_FIELDS: dict[Mode, tuple[str, ...]] = {
    Mode.HEAD_SWAP: ("reference_image", "target_face_image", "cloth_image"),
    Mode.BACKGROUND_CHANGE: ("reference_image", "background_image", "bg_image"),
    Mode.POSE_CHANGE: ("reference_image", "pose_reference", "pose_image"),
}
"""The names under which clients send the reference inside `config`."""

PRESETS: dict[Mode, tuple[str, ...]] = {
    Mode.HEAD_SWAP: FIGURE_PRESETS,
    Mode.BACKGROUND_CHANGE: BACKGROUND_PRESETS,
    Mode.POSE_CHANGE: POSE_PRESETS,
}
"""What can be asked for by name instead of with a reference image."""

PRESET_FIELDS = {
    Mode.HEAD_SWAP: "figure_preset",
    Mode.BACKGROUND_CHANGE: "background_preset",
    Mode.POSE_CHANGE: "target_pose",
}
"""Under which name in `config` a preset is asked for."""

Canvas = Literal["source", "reference"]

CANVAS: dict[Mode, Canvas] = {
    Mode.HEAD_SWAP: "reference",
    Mode.BACKGROUND_CHANGE: "source",
    Mode.POSE_CHANGE: "source",
}
"""On which picture the result is made: it has that one's size and shape."""

LOCAL: Final = "local"
"""The engine that makes edits on the worker's own machine."""

COMFYUI: Final = "comfyui"
RUNNINGHUB: Final = "runninghub"
"""The engines that run a workflow elsewhere."""

ENGINE_MODES: dict[str, frozenset[Mode]] = {name: frozenset(Mode) for name in (LOCAL, COMFYUI, RUNNINGHUB)}
"""Which edits each engine makes, by the engine's name."""

DEFAULT_ENGINE = next(iter(ENGINE_MODES))
"""The engine of a mode that none is set for."""


def available_modes(engines: Mapping[Mode, Sequence[str]]) -> frozenset[Mode]:
    """The modes that an engine set for them makes."""
    return frozenset(mode for mode, names in engines.items() if any(mode in ENGINE_MODES[name] for name in names))


@cache
def price(mode: Mode, quality: Quality | None, size: Size | None) -> int:
    """What an edit costs in credits: exact fractions, rounded up once."""
    return ceil(BASE_PRICE[mode] * QUALITY_FACTOR[quality or Quality.STANDARD] * SIZE_FACTOR[size or Size.MEDIUM])
