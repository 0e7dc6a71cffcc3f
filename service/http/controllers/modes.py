"""/modes: what can be asked, and what it costs."""

from typing import Annotated, Any

import msgspec
from litestar import get
from msgspec import Meta, Struct

from schema.models.edits import (
    BASE_PRICE,
    CONFIG_TYPES,
    LONG_EDGE,
    PRESET_FIELDS,
    PRESETS,
    QUALITY_FACTOR,
    SIZE_FACTOR,
    Mode,
    Quality,
    Size,
    price,
)


class ModePrice(Struct, frozen=True):
    """The price of one combination, in credits."""

    quality: Quality
    size: Size
    credits: int


class ModeDescription(Struct, frozen=True):
    """One edit: whether this server does it, its prices, presets and configuration."""

    mode: Mode
    available: bool
    base_price: int
    prices: list[ModePrice]
    presets: list[str]
    preset_field: Annotated[str, Meta(description="The field of config that takes one of them.")]
    config_schema: dict[str, Any]


class SizeDescription(Struct, frozen=True):
    """A size: the long edge in pixels (never enlarging), and its factor in the price."""

    long_edge: int
    factor: float


class ModeList(Struct, frozen=True):
    """Every edit, and what makes its price: base x quality x size, rounded up."""

    modes: list[ModeDescription]
    quality_factors: dict[Quality, float]
    sizes: dict[Size, SizeDescription]


QUALITIES = (Quality.STANDARD, Quality.HIGH, Quality.ULTRA)


def describe_modes(available: frozenset[Mode]) -> ModeList:
    """The answer of `GET /modes`, the same for everybody."""
    return ModeList(
        modes=[
            ModeDescription(
                mode=mode,
                available=mode in available,
                base_price=BASE_PRICE[mode],
                prices=[ModePrice(quality, size, price(mode, quality, size)) for quality in QUALITIES for size in Size],
                presets=list(PRESETS[mode]),
                preset_field=PRESET_FIELDS[mode],
                config_schema=_json_schema(CONFIG_TYPES[mode]),
            )
            for mode in Mode
        ],
        quality_factors={quality: float(QUALITY_FACTOR[quality]) for quality in QUALITIES},
        sizes={size: SizeDescription(LONG_EDGE[size], float(SIZE_FACTOR[size])) for size in Size},
    )


def _json_schema(config_type: type[Struct]) -> dict[str, Any]:
    schema = msgspec.json.schema(config_type)
    name = schema["$ref"].rpartition("/")[2]
    definitions = schema["$defs"]
    described = definitions.pop(name)
    return {**described, "$defs": definitions} if definitions else described


def modes_route(available: frozenset[Mode]) -> Any:
    """`GET /modes`, which needs no token."""
    answer = describe_modes(available)

    @get("/modes", tags=["Modes"], sync_to_thread=False, security=[{}])
    def list_modes() -> ModeList:
        """What can be asked, and what it costs. No token needed."""
        return answer

    return list_modes
