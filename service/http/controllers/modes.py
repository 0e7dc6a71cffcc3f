"""/modes: what can be asked, and what it costs."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from msgspec import Meta, Struct

from schema.models.edits import (
    BASE_PRICE,
    CANVAS,
    CONFIG_TYPES,
    LONG_EDGE,
    PRESET_FIELDS,
    PRESETS,
    QUALITY_FACTOR,
    SIZE_FACTOR,
    Canvas,
    Mode,
    Quality,
    Size,
    price,
)
from service.http.pictures import AFTER, BEFORE, SOURCE, picture_url, pictures

PICTURES_KEPT = 86400
"""Seconds that browsers keep a picture, whose address changes with it."""


class ModePrice(Struct, frozen=True):
    """The price of one combination, in credits."""

    quality: Quality
    size: Size
    credits: int


class ModeExample(Struct, frozen=True):
    """Pictures of what an edit does: a canvas before and after it, and, where that isn't the canvas, the source."""

    before: str
    after: str
    source: str | None


class ModeDescription(Struct, frozen=True):
    """One edit: whether this server does it, its prices, presets and configuration."""

    mode: Mode
    available: bool
    engines: Annotated[list[str], Meta(description="What makes it, the first before the others.")]
    base_price: int
    prices: list[ModePrice]
    presets: list[str]
    preset_field: Annotated[str, Meta(description="The field of config that takes one of them.")]
    preset_pictures: Annotated[dict[str, str], Meta(description="Where each preset can be seen.")]
    canvas: Annotated[Canvas, Meta(description="Which of the two pictures the result is made on.")]
    example: ModeExample | None
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


def describe_modes(available: frozenset[Mode], engines: Mapping[Mode, Sequence[str]]) -> ModeList:
    """The answer of `GET /modes`, the same for everybody."""
    return ModeList(
        modes=[
            ModeDescription(
                mode=mode,
                available=mode in available,
                engines=list(engines.get(mode, ())) if mode in available else [],
                base_price=BASE_PRICE[mode],
                prices=[ModePrice(quality, size, price(mode, quality, size)) for quality in QUALITIES for size in Size],
                presets=list(PRESETS[mode]),
                preset_field=PRESET_FIELDS[mode],
                preset_pictures={name: url for name in PRESETS[mode] if (url := picture_url(mode, name)) is not None},
                canvas=CANVAS[mode],
                example=_example(mode),
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


def _example(mode: Mode) -> ModeExample | None:
    before, after = picture_url(mode, BEFORE), picture_url(mode, AFTER)
    return None if before is None or after is None else ModeExample(before, after, picture_url(mode, SOURCE))


@get("/modes/pictures/{name:str}", include_in_schema=False, sync_to_thread=False)
def mode_picture(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
    """A picture that `GET /modes` names."""
    if name not in pictures():
        raise NotFoundException
    return pictures()[name].answer(request, {"Cache-Control": f"public, max-age={PICTURES_KEPT}"})


def modes_route(available: frozenset[Mode], engines: Mapping[Mode, Sequence[str]]) -> Any:
    """`GET /modes`, which needs no token."""
    answer = describe_modes(available, engines)

    @get("/modes", tags=["Modes"], sync_to_thread=False, security=[{}])
    def list_modes() -> ModeList:
        """What can be asked, and what it costs. No token needed."""
        return answer

    return list_modes
