"""Writing the pictures of an edit: sRGB, nothing of the source's metadata, and a note that they were composed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from msgspec import Struct
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from actors.engines.local import wire
from actors.engines.local.arrays import Plane, Rgb8
from actors.engines.local.pictures.opening import Picture
from actors.engines.local.pictures.profile import EMBEDDED
from actors.engines.seam import EngineError
from schema.models.problems import FailureCode

QUALITY = 92
THUMBNAIL_EDGE = 320
COMPARISON_EDGE = 1600
_PNG_LEVEL = 4
"""zlib's: 6 and 9 cost two and five times the time for 2 to 4 % of the size."""

COMPOSITE = "composite"
_SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"


def xmp(provenance: str) -> bytes:
    """What a picture says of how it was made: the end of an IPTC DigitalSourceType's address."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
        f'Iptc4xmpExt:DigitalSourceType="{_SOURCE_TYPES}{provenance}"/>'
        '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


Kind = Literal["output", "thumbnail", "comparison"]


class Outcome(Struct, frozen=True):
    """What an edit made: colours (h, w, 3) and, where it is transparent, alpha (h, w)."""

    colours: Rgb8
    alpha: Plane | None = None

    def seen(self) -> Rgb8:
        """How it looks: transparent parts over a checkerboard."""
        if self.alpha is None:
            return self.colours
        share = self.alpha[..., None]
        return (self.colours * share + _checkerboard(self.colours.shape) * (1 - share) + 0.5).astype(np.uint8)


class Made(Struct, frozen=True):
    """An edit that worked: its outcome, the source as it was, and what the user should know about it."""

    outcome: Outcome
    before: Picture
    warnings: list[str]


def write_pictures(
    made: Made, workspace: Path, say: Callable[[wire.Report], None], *, provenance: str = COMPOSITE
) -> dict[str, Any]:
    """Write output, thumbnail and comparison (the source on the left) into `workspace`, and say each once all is there.

    Returns what is to be known of the output, as JSON values.

    Raises:
        EngineError: RESULT_SAVE_FAILED.
    """
    try:
        written = _written(made, workspace, xmp(provenance))
        size = Path(written[0].path).stat().st_size
    except OSError as error:
        raise not_saved() from error
    for picture in written:
        say(picture)
    output = written[0]
    return {
        "width": output.width,
        "height": output.height,
        "format": output.content_type.removeprefix("image/"),
        "size": size,
        "warnings": made.warnings,
    }


def not_saved() -> EngineError:
    """There is no place for what is written."""
    return EngineError(
        FailureCode.RESULT_SAVE_FAILED, "The result could not be saved. Please try again.", transient=True
    )


def _written(made: Made, workspace: Path, note: bytes) -> list[wire.Written]:
    """The output comes first."""
    outcome = made.outcome
    seen = outcome.seen()
    if outcome.alpha is None:
        output = _write_jpeg(workspace / "output.jpg", Image.fromarray(outcome.colours), "output", note)
    else:
        output = _write_png(workspace / "output.png", outcome.colours, outcome.alpha, note)
    thumbnail = Image.fromarray(seen)
    thumbnail.thumbnail((THUMBNAIL_EDGE, THUMBNAIL_EDGE), Image.Resampling.LANCZOS)
    return [
        output,
        _write_jpeg(workspace / "thumbnail.jpg", thumbnail, "thumbnail", note),
        _write_jpeg(workspace / "comparison.jpg", _side_by_side(made.before.image, seen), "comparison", note),
    ]


def _write_jpeg(path: Path, image: Image.Image, kind: Kind, note: bytes) -> wire.Written:
    # 4:4:4, because halved colour shows at a cut edge; progressive or optimised tables would double the time.
    image.save(path, "JPEG", quality=QUALITY, subsampling=0, xmp=note, icc_profile=EMBEDDED)
    return wire.Written(kind, str(path), "image/jpeg", image.width, image.height)


def _write_png(path: Path, colours: Rgb8, alpha: Plane, note: bytes) -> wire.Written:
    coverage = (alpha * 255 + 0.5).astype(np.uint8)
    image = Image.fromarray(np.dstack([colours, coverage]))
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", note.decode())
    image.save(path, "PNG", compress_level=_PNG_LEVEL, pnginfo=info, icc_profile=EMBEDDED)
    return wire.Written("output", str(path), "image/png", image.width, image.height)


def _side_by_side(before: Rgb8, after: Rgb8) -> Image.Image:
    """Both at the same height with a white line between, at most COMPARISON_EDGE pixels on the longer side."""
    line = 4
    left, right = Image.fromarray(before), Image.fromarray(after)
    ratio = left.width / left.height + right.width / right.height
    height = min(right.height, COMPARISON_EDGE, int((COMPARISON_EDGE - line) / ratio))
    sizes = [(max(1, round(image.width / image.height * height)), height) for image in (left, right)]
    result = Image.new("RGB", (sizes[0][0] + line + sizes[1][0], height), "white")
    result.paste(left.resize(sizes[0], Image.Resampling.LANCZOS, reducing_gap=3), (0, 0))
    result.paste(right.resize(sizes[1], Image.Resampling.LANCZOS, reducing_gap=3), (sizes[0][0] + line, 0))
    return result


def _checkerboard(shape: tuple[int, ...]) -> Rgb8:
    height, width = shape[:2]
    side = max(8, max(height, width) // 64)
    rows, columns = np.arange(height) // side, np.arange(width) // side
    dark = (rows[:, None] + columns[None, :]) % 2 == 1
    return np.where(dark, np.uint8(204), np.uint8(255))[..., None].repeat(3, axis=2)
