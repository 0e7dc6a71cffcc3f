"""Contact sheets: what went in and what came out, row by row, to look at."""

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct
from PIL import Image, ImageDraw, ImageFont

from actors.engines.local.arrays import Rgb8

_SIDE, _GAP, _LINES = 168, 6, 4
_FONT_SIZE = 12
_COLUMNS = 3
"""So many edits beside each other."""


class Tile(Struct, frozen=True):
    """One edit: its pictures (h, w, 3), None where there is none, what is said of it, and whether that is good."""

    pictures: tuple[Rgb8 | None, ...]
    lines: tuple[str, ...]
    good: bool


def write_sheet(path: Path, title: str, tiles: Sequence[Tile], *, side: int = _SIDE) -> None:
    """A picture of all `tiles`, each of theirs `side` pixels large; those that aren't good have a red frame."""
    font = ImageFont.load_default(_FONT_SIZE)
    across = max(len(tile.pictures) for tile in tiles)
    width = across * (side + _GAP) + _GAP
    height = side + _LINES * (_FONT_SIZE + 4) + 2 * _GAP
    rows = -(-len(tiles) // _COLUMNS)
    head = 2 * _GAP + _FONT_SIZE + 4
    sheet = Image.new("RGB", (width * min(_COLUMNS, len(tiles)), head + rows * height), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((_GAP, _GAP), title, "black", font)
    for number, tile in enumerate(tiles):
        left, top = (number % _COLUMNS) * width, head + (number // _COLUMNS) * height
        if not tile.good:
            draw.rectangle((left + 1, top + 1, left + width - 2, top + height - 2), outline="red", width=2)
        for column, picture in enumerate(tile.pictures):
            if picture is not None:
                _paste(sheet, picture, side, left + _GAP + column * (side + _GAP), top + _GAP)
        for line, text in enumerate(_wrapped(tile.lines, width - 2 * _GAP, font)):
            draw.text((left + _GAP, top + _GAP + side + 2 + line * (_FONT_SIZE + 4)), text, "black", font)
    sheet.save(path, quality=80)


def _paste(sheet: Image.Image, picture: Rgb8, side: int, left: int, top: int) -> None:
    image = Image.fromarray(picture)
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    sheet.paste(image, (left + (side - image.width) // 2, top + (side - image.height) // 2))


def _wrapped(lines: Sequence[str], width: float, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> list[str]:
    """`lines`, broken between words where they are wider than `width` pixels; at most _LINES."""
    result: list[str] = []
    for line in lines:
        row = ""
        for word in line.split():
            longer = f"{row} {word}".strip()
            if row and font.getlength(longer) > width:
                result.append(row)
                longer = word
            row = longer
        result.append(row)
    return [line for line in result if line][:_LINES]
