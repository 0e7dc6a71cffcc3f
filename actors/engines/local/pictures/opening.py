"""Opening a picture that somebody sent.

It is judged as an upload is before a pixel is decoded, reduced while decoding where the format can, turned upright,
and brought to sRGB.
"""

# ruff: noqa: PLR2004 - thresholds stand where they are used, each with its meaning

import io
import struct
import zlib
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import cv2
import numpy as np
from msgspec import Struct
from PIL import Image, ImageCms

from actors.engines.local.arrays import Plane, Rgb8
from actors.engines.local.pictures.colours import profile_of
from actors.engines.local.pictures.decoding import decode, shape_of
from actors.engines.local.pictures.profile import srgb_profile
from actors.engines.seam import EngineError
from schema.models.problems import FailureCode
from schema.pictures.facts import UnacceptablePictureError
from schema.pictures.judging import judge_picture

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What EXIF's orientations ask for."""

_BROKEN = (
    OSError,
    RuntimeError,
    ValueError,
    SyntaxError,
    EOFError,
    LookupError,
    ArithmeticError,
    struct.error,
    zlib.error,
    cv2.error,
    ImageCms.PyCMSError,
    Image.DecompressionBombError,
)
"""The decoders raise all of these for files that are cut short or broken."""

_THE_IMAGE = "The image "
"""How most sentences about a picture begin."""


class Picture(Struct, frozen=True):
    """A picture at the size it is worked on.

    `image` (h, w, 3) is what is seen: on white where the file is transparent. `alpha` (h, w) is None for an opaque one;
    `colours` (h, w, 3) are then the file's own, not mixed with white.
    """

    image: Rgb8
    colours: Rgb8
    alpha: Plane | None

    @property
    def width(self) -> int:
        return self.image.shape[1]

    @property
    def height(self) -> int:
        return self.image.shape[0]


def open_picture(
    path: Path, *, role: str, max_pixels: int, long_edge: int | None, cover: tuple[int, int] | None = None
) -> Picture:
    """Decode a file of any format that may be uploaded; of an animated one the first picture.

    It is reduced, never enlarged, to `long_edge` pixels on its longer side, or to just cover `cover` (width, height);
    what would hang over on two sides is cut off.
    `role` ("source", "reference") is how a message names it.

    Raises:
        EngineError: IMAGE_NOT_FOUND or IMAGE_DECODE_FAILED, with a message for the person who sent it.
    """
    with _told(role):
        content = path.read_bytes()
        facts = judge_picture(content, max_pixels)
        size, orientation = shape_of(facts)
        aim = _aim(size, orientation, long_edge, cover)
        decoded = decode(content, facts, _at_least(aim.whole))
        reduced = _reduced(decoded.image, aim)
        if facts.colours is not None:
            straight = _srgb(_coloured(reduced), profile_of(facts.colours))
        else:
            straight = _srgb(reduced, decoded.profile)
        return _arrays(_turned(straight, orientation))


@contextmanager
def _told(role: str) -> Generator[None]:
    """Whatever goes wrong inside, told for a person."""
    try:
        yield
    except FileNotFoundError as error:
        raise EngineError(
            FailureCode.IMAGE_NOT_FOUND,
            f"The {role} image isn't there any more. Please upload it again.",
            details={"image": role},
        ) from error
    except UnacceptablePictureError as error:
        told = error.message.removeprefix(_THE_IMAGE)
        what = told if told != error.message else f"can't be edited: {told}"
        raise _refused(role, what) from error
    except _BROKEN as error:
        raise _refused(role, "is damaged or incomplete and can't be read. Please upload it again.") from error


def _refused(role: str, what: str) -> EngineError:
    return EngineError(FailureCode.IMAGE_DECODE_FAILED, f"The {role} image {what}", details={"image": role})


class _Aim(Struct, frozen=True):
    """What to make of a file's pixels, as it stores them (perhaps lying on their side).

    The middle part of them, `share` of the width and of the height, becomes `size` (width, height); `whole` is how
    large all of them would be at that scale.
    """

    share: tuple[float, float]
    size: tuple[int, int]
    whole: tuple[int, int]


def _aim(size: tuple[int, int], orientation: int, long_edge: int | None, cover: tuple[int, int] | None) -> _Aim:
    width, height = size
    scale, across, down = 1.0, 1.0, 1.0
    if long_edge is not None:
        scale = min(scale, long_edge / max(width, height))
    if cover is not None:
        wanted = cover if orientation < 5 else (cover[1], cover[0])  # 5 to 8 lie on their side
        covering = max(wanted[0] / width, wanted[1] / height)
        across, down = wanted[0] / width / covering, wanted[1] / height / covering
        scale = min(scale, covering)
    return _Aim(
        share=(across, down),
        size=(max(1, round(width * across * scale)), max(1, round(height * down * scale))),
        whole=(max(1, round(width * scale)), max(1, round(height * scale))),
    )


def _at_least(target: tuple[int, int]) -> tuple[int, int]:
    """What a JPEG is decoded to (at 1/2, 1/4, 1/8) at least: half as much again, so that the rest is resampled well."""
    return target[0] * 3 // 2, target[1] * 3 // 2


def _reduced(image: Image.Image, aim: _Aim) -> Image.Image:
    """What `aim` wants of `image`; colours under transparent pixels don't bleed into the others."""
    if image.size == aim.size:
        return image
    left, top = (image.width * (1 - aim.share[0]) / 2, image.height * (1 - aim.share[1]) / 2)
    box = left, top, image.width - left, image.height - top
    if image.mode == "RGBA":
        reduced = image.convert("RGBa").resize(aim.size, Image.Resampling.LANCZOS, box, reducing_gap=3)
        return reduced.convert("RGBA")
    return image.resize(aim.size, Image.Resampling.LANCZOS, box, reducing_gap=3)


def _srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """`image` in sRGB, mode RGB or RGBA; a profile that is broken or doesn't fit is left aside."""
    alpha = image.getchannel("A") if image.mode in {"LA", "RGBA"} else None
    colours = image.convert("L" if image.mode == "LA" else "RGB") if alpha is not None else image
    if profile:
        with suppress(ImageCms.PyCMSError, OSError, ValueError, TypeError):
            source, target = ImageCms.ImageCmsProfile(io.BytesIO(profile)), srgb_profile()
            converted = ImageCms.profileToProfile(
                colours, source, target, ImageCms.Intent.RELATIVE_COLORIMETRIC, outputMode="RGB"
            )
            colours = converted or colours
    result = colours.convert("RGB")
    if alpha is not None:
        result.putalpha(alpha)
    return result


def _coloured(image: Image.Image) -> Image.Image:
    """Grey as colours, which a profile of colours takes."""
    return image.convert({"L": "RGB", "LA": "RGBA"}.get(image.mode, image.mode))


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    """`image` as EXIF's orientation says it is to be seen."""
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image


def _arrays(image: Image.Image) -> Picture:
    if image.mode != "RGBA":
        pixels = np.array(image)
        return Picture(pixels, pixels, None)
    values = np.array(image)
    colours, alpha = np.ascontiguousarray(values[..., :3]), values[..., 3].astype(np.float32) / 255
    if alpha.min() > 0.99:  # opaque but for rounding
        return Picture(colours, colours, None)
    white = 255 - (255 - colours.astype(np.float32)) * alpha[..., None]
    return Picture((white + 0.5).astype(np.uint8), colours, alpha)
