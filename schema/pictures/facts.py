"""What every format tells, and what of it can't be edited."""

# ruff: noqa: PLR2004 - the numbers are the formats' own offsets, lengths and tags

import mmap

import msgspec

from schema.models.problems import ProblemCode
from schema.pictures.colours import Colours

Content = bytes | mmap.mmap
"""A file's bytes. A memory map is read piece by piece, so that neither a large nor a hostile file costs memory."""

MIN_SIDE = 64
"""Pixels; below this no face or person can be made out."""
MAX_ASPECT = 20
"""No photo is so much longer than it is wide, and no engine edits one."""
MAX_SEGMENTS = 100_000
"""Segments, chunks or boxes in one file. Real files have hundreds; more are only there to keep a reader busy."""

TRUNCATED = "The image is incomplete: its end is missing. Please upload it again."
CORRUPT = "The image is damaged: its header can't be read."


class PictureFacts(msgspec.Struct, frozen=True):
    """What a picture is: width and height in pixels as displayed, `extension` without a dot.

    `stored` is the size in the file (width, height), `crop` the part of it that is shown (left, top, right, bottom; all
    if None), `orientation` (EXIF's, 1 to 8) how that is turned. `colours` are what its numbers mean, where
    that isn't sRGB and no ICC profile tells.
    """

    content_type: str
    extension: str
    width: int
    height: int
    stored: tuple[int, int]
    orientation: int = 1
    crop: tuple[int, int, int, int] | None = None
    colours: Colours | None = None


class UnacceptablePictureError(Exception):
    """The picture can't be edited: INVALID_FILE_TYPE or INVALID_IMAGE, and a sentence that says why."""

    def __init__(self, code: ProblemCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def invalid(message: str) -> UnacceptablePictureError:
    """The error of a file of the right type that can't be edited."""
    return UnacceptablePictureError(ProblemCode.INVALID_IMAGE, message)


def other_type(found: str) -> UnacceptablePictureError:
    """The error of a file of another type: `found` is a sentence about it."""
    return UnacceptablePictureError(
        ProblemCode.INVALID_FILE_TYPE, f"{found} Please upload a JPEG, PNG, WebP, HEIC or AVIF image."
    )


def check_pixels(width: int, height: int, max_pixels: int) -> None:
    """Raises UnacceptablePictureError for a size that takes too much memory to decode."""
    if width == 0 or height == 0:
        raise invalid(CORRUPT)
    if width * height > max_pixels:
        raise invalid(
            f"The image has too many pixels: {width:,} x {height:,} is {width * height:,}, "
            f"and at most {max_pixels:,} are accepted."
        )


def check_size(width: int, height: int, max_pixels: int) -> None:
    """Raises UnacceptablePictureError for a size that can't be edited."""
    check_pixels(width, height, max_pixels)
    if min(width, height) < MIN_SIDE:
        raise invalid(f"The image is too small: {width} x {height} pixels. Both sides need at least {MIN_SIDE} pixels.")
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise invalid(
            f"The image is too narrow: {width:,} x {height:,} pixels. "
            f"The longer side may be at most {MAX_ASPECT} times the shorter."
        )


def facts_of(content_type: str, extension: str, size: tuple[int, int], orientation: int) -> PictureFacts:
    """The facts of a picture that is stored at `size` and to be turned."""
    width, height = size if orientation < 5 else (size[1], size[0])  # 5 to 8 lie on their side
    return PictureFacts(content_type, extension, width, height, size, orientation)


def exif_orientation(tiff: bytes) -> int:
    """The Orientation (1 to 8) that an EXIF block's first directory tells; 1 when it doesn't, or is broken."""
    order = "little" if tiff[:2] == b"II" else "big"
    start = int.from_bytes(tiff[4:8], order)
    count = int.from_bytes(tiff[start : start + 2], order)
    for offset in range(start + 2, min(start + 2 + 12 * count, len(tiff) - 11), 12):
        tag, kind = (int.from_bytes(tiff[at : at + 2], order) for at in (offset, offset + 2))
        if tag == 0x0112:
            length = {3: 2, 4: 4}.get(kind, 0) * (int.from_bytes(tiff[offset + 4 : offset + 8], order) == 1)
            value = int.from_bytes(tiff[offset + 8 : offset + 8 + length], order)
            return value if 1 <= value <= 8 else 1
    return 1
