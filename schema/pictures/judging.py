"""Which format a file is in, by its content, and what it says of its picture."""

from schema.pictures.facts import Content, PictureFacts, invalid, other_type
from schema.pictures.heif import BRANDS, brands_of, judge_heif
from schema.pictures.jpeg import judge_jpeg
from schema.pictures.png import judge_png
from schema.pictures.webp import judge_webp


def judge_picture(content: Content, max_pixels: int) -> PictureFacts:
    """What the file's picture is.

    Raises:
        UnacceptablePictureError: it is none, or none that can be edited.
    """
    if not len(content):
        raise invalid("The file is empty.")
    if content[:3] == b"\xff\xd8\xff":
        return judge_jpeg(content, max_pixels)
    if content[:8] == b"\x89PNG\r\n\x1a\n":
        return judge_png(content, max_pixels)
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return judge_webp(content, max_pixels)
    if not BRANDS.isdisjoint(brands_of(content[:1024])):
        return judge_heif(content, max_pixels)
    raise other_type(_named(content[:1024]))


def _named(head: bytes) -> str:
    """A sentence about a file that is none of ours, naming what people send by mistake."""
    if head[4:8] == b"ftyp":
        return "Videos aren't supported."
    for start, name in ((b"GIF8", "GIF"), (b"BM", "BMP"), (b"II*\0", "TIFF"), (b"MM\0*", "TIFF"), (b"%PDF", "PDF")):
        if head.startswith(start):
            return f"{name} files aren't supported."
    return "SVG images aren't supported." if b"<svg" in head.lower() else "The file isn't an image we can read."
