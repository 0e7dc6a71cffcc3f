"""Decoding the pixels of a file that was judged before, each format by what does it best."""

import io
from typing import Any

import cv2
import numpy as np
from msgspec import Struct
from PIL import AvifImagePlugin, Image

from actors.engines.local.pictures.completeness import demand_whole_jpeg, demand_whole_png
from schema.pictures.facts import PictureFacts

# The pixel limit is the caller's, and looked at before decoding; Pillow's own would only warn.
Image.MAX_IMAGE_PIXELS = None


class Decoded(Struct, frozen=True):
    """A file's pixels, in one of the modes L, LA, RGB, RGBA, CMYK, and the ICC profile that comes with them."""

    image: Image.Image
    profile: bytes | None


def decode_with(threads: int) -> None:
    """Bound the threads of the decoders that have some."""
    AvifImagePlugin.DEFAULT_MAX_THREADS = threads


def shape_of(facts: PictureFacts) -> tuple[tuple[int, int], int]:
    """Size (width, height) and orientation of what `decode` returns; a JPEG may be smaller."""
    if facts.content_type == "image/heic":
        return (facts.width, facts.height), 1
    left, top, right, bottom = facts.crop or (0, 0, *facts.stored)
    return (right - left, bottom - top), facts.orientation


def decode(content: bytes, facts: PictureFacts, enough: tuple[int, int]) -> Decoded:
    """The picture; of an animation the first, of a container the primary one.

    A JPEG may come reduced, to `enough` (width, height) at least.

    Raises:
        OSError, ValueError, and whatever else Pillow's decoders raise: the data can't be decoded.
    """
    match facts.content_type:
        case "image/heic":
            return _heic(content, facts)
        case "image/avif":
            return _avif(content, facts)
        case _:
            return _others(content, facts, enough)


def _heic(content: bytes, facts: PictureFacts) -> Decoded:
    """The decoder turns, mirrors and cuts it itself."""
    import pillow_heif  # noqa: PLC0415 - 26 MB of libraries, for those who are sent one

    pillow_heif.options.DECODE_THREADS = max(1, AvifImagePlugin.DEFAULT_MAX_THREADS)
    # Nothing but the picture itself is wanted of a file.
    pillow_heif.options.THUMBNAILS = False
    pillow_heif.options.DEPTH_IMAGES = False
    pillow_heif.options.AUX_IMAGES = False
    file = pillow_heif.HeifFile(_branded(content, b"heic"))
    picture: Any = file[file.primary_index]
    wanted, _ = shape_of(facts)
    _demand(picture.size, wanted)
    data = picture.data
    _demand(picture.size, wanted)
    image = Image.frombuffer(picture.mode, picture.size, data, "raw", picture.mode, picture.stride, 1)
    profile: bytes | None = picture.info.get("icc_profile")
    return Decoded(_straight(image), profile or None)


def _avif(content: bytes, facts: PictureFacts) -> Decoded:
    with Image.open(io.BytesIO(_branded(content, b"avif")), formats=["AVIF"]) as file:
        _demand(file.size, facts.stored)
        file.load()
        profile: bytes | None = file.info.get("icc_profile")
        return Decoded(file.crop(facts.crop) if facts.crop else file, profile)


def _branded(content: bytes, brand: bytes) -> bytes:
    """The file under the name of a still picture: of a sequence its decoder then takes the primary one."""
    return content[:8] + brand + content[12:]


def _demand(size: tuple[int, int], wanted: tuple[int, int]) -> None:
    if size != wanted:
        raise OSError("the file's picture isn't of the size that the file tells")


def _straight(image: Image.Image) -> Image.Image:
    """Without colours that are multiplied by their alpha."""
    return image.convert(image.mode.upper()) if image.mode in {"RGBa", "La"} else image


def _others(content: bytes, facts: PictureFacts, enough: tuple[int, int]) -> Decoded:
    with Image.open(io.BytesIO(content), formats=["JPEG", "PNG", "WEBP"]) as file:
        _demand(file.size, facts.stored)
        if facts.content_type == "image/jpeg":
            demand_whole_jpeg(content)
            file.draft(file.mode, enough)
        elif facts.content_type == "image/png":
            demand_whole_png(content)
        profile: bytes | None = file.info.get("icc_profile")
        return Decoded(_plain(file, content), profile)


def _plain(file: Image.Image, content: bytes) -> Image.Image:
    """The picture decoded, in one of the modes L, LA, RGB, RGBA, CMYK."""
    if file.format == "WEBP" and not getattr(file, "is_animated", False):
        return _still_webp(content, file.size, transparent=file.mode == "RGBA")
    file.load()
    if file.mode == "I;16":
        return _eight_bits(file)
    if "transparency" in file.info:
        return file.convert("RGBA")
    return file if file.mode in {"L", "LA", "RGB", "RGBA", "CMYK"} else file.convert("RGB")


def _still_webp(content: bytes, size: tuple[int, int], *, transparent: bool) -> Image.Image:
    """A WebP file without Pillow's decoder, which is made for animations and holds every pixel four times."""
    how = cv2.IMREAD_UNCHANGED if transparent else cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), how)
    mode, order = ("RGBA", "BGRA") if transparent else ("RGB", "BGR")
    if pixels is None or pixels.shape != (size[1], size[0], len(mode)):  # pyright: ignore[reportUnnecessaryComparison] - the stubs don't know that it may fail
        raise OSError("the WebP bitstream can't be decoded")
    return Image.frombuffer(mode, size, np.ascontiguousarray(pixels), "raw", order, 0, 1)


def _eight_bits(file: Image.Image) -> Image.Image:
    """16 bits of grey as 8: the higher ones."""
    values = np.asarray(file, "<u2")
    result = Image.fromarray(np.ascontiguousarray(values.view(np.uint8)[:, 1::2]))
    clear: int | None = file.info.get("transparency")
    if clear is not None:
        result.putalpha(Image.fromarray(np.where(values == clear, np.uint8(0), np.uint8(255))))
    return result
