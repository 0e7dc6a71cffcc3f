"""Files that a disk, a line or somebody has damaged, and what is no picture at all."""

import string

from tests.actors.engines.hostile import scenes
from tests.actors.engines.hostile.recipes import Fate, Hostile, Random, recipe
from tests.actors.engines.hostile.writing import (
    SIGNATURE,
    jpeg_parts,
    jpeg_segment,
    png,
    png_chunk,
    png_chunks,
    riff,
    riff_chunks,
    saved,
    tiff,
)


@recipe
def _truncated(rng: Random) -> Hostile:
    content = scenes.file(rng)
    return Hostile(content[: rng.randint(12, len(content) - 1)], Fate.INVALID)


@recipe
def _hardly_begun(rng: Random) -> Hostile:
    content = scenes.file(rng)
    return Hostile(content[: rng.randint(0, 40)], Fate.ANY)


@recipe
def _flipped_head(rng: Random) -> Hostile:
    return Hostile(flipped(rng, scenes.file(rng), 0, 700), Fate.ANY)


@recipe
def _flipped_body(rng: Random) -> Hostile:
    return Hostile(flipped(rng, scenes.file(rng), 700, 10**9), Fate.ANY)


@recipe
def _flipped_png_with_right_checksums(rng: Random) -> Hostile:
    chunks = png_chunks(scenes.png_file(rng))
    which = rng.randrange(len(chunks))
    kind, content = chunks[which]
    chunks[which] = kind, flipped(rng, content, 0, len(content)) if content else b"more"
    return Hostile(png(chunks), Fate.ANY)


@recipe
def _png_chunks_astray(rng: Random) -> Hostile:
    chunks = png_chunks(scenes.png_file(rng))
    odd = rng.choice(chunks)
    match rng.randrange(4):
        case 0:
            chunks.remove(odd)
        case 1:
            rng.shuffle(chunks)
        case 2:
            chunks.insert(rng.randrange(len(chunks)), odd)
        case _:
            kind = rng.choice(
                [b"acTL", b"fcTL", b"fdAT", b"tRNS", b"PLTE", b"ABCD", b"gAMA", b"cHRM", b"eXIf", b"pHYs"]
            )
            chunks.insert(rng.randrange(1, len(chunks)), (kind, rng.randbytes(rng.choice([0, 1, 4, 8, 26, 300, 900]))))
    return Hostile(png(chunks), Fate.ANY)


@recipe
def _wrong_checksum(rng: Random) -> Hostile:
    content = bytearray(saved(scenes.person(rng), "PNG"))
    content[rng.choice([29, 30, len(content) - 13, len(content) - 1])] ^= 1 + rng.randrange(255)
    return Hostile(bytes(content), Fate.INVALID)


@recipe
def _jpeg_segments_astray(rng: Random) -> Hostile:
    content = saved(scenes.person(rng), "JPEG", progressive=rng.random() < 0.5)
    parts, rest = jpeg_parts(content)
    match rng.randrange(4):
        case 0:
            parts.remove(rng.choice(parts))
        case 1:
            rng.shuffle(parts)
        case 2:
            parts += parts
        case _:
            parts.insert(0, jpeg_segment(rng.randrange(0xE0, 0xF0), rng.randbytes(rng.randint(0, 200))))
    return Hostile(b"\xff\xd8" + b"".join(parts) + rest, Fate.ANY)


@recipe
def _webp_chunks_astray(rng: Random) -> Hostile:
    options = {"exif": tiff((0x0112, 3, 1, 6)), "icc_profile": rng.randbytes(300), "xmp": b"<x/>"}
    chunks = riff_chunks(saved(scenes.person(rng), "WEBP", method=0, **options))
    match rng.randrange(4):
        case 0:
            chunks.remove(rng.choice(chunks))
        case 1:
            rng.shuffle(chunks)
        case 2:
            chunks *= 2
        case _:
            chunks.insert(rng.randrange(len(chunks)), (rng.choice([b"ANIM", b"ANMF", b"ALPH"]), rng.randbytes(20)))
    return Hostile(riff(chunks), Fate.ANY)


@recipe
def _signature_only(rng: Random) -> Hostile:
    start = rng.choice(
        [b"\xff\xd8\xff\xe0", SIGNATURE, b"RIFF\xff\xff\0\0WEBPVP8 ", SIGNATURE + png_chunk(b"IEND", b"")]
    )
    return Hostile(start + rng.randbytes(rng.randint(0, 3000)), Fate.INVALID)


def flipped(rng: Random, content: bytes, start: int, end: int) -> bytes:
    changed = bytearray(content)
    end = min(end, len(changed))
    for _ in range(rng.randint(1, 12)):
        changed[rng.randrange(min(start, end - 1), end)] = rng.randrange(256)
    return bytes(changed)


@recipe
def _another_format(rng: Random) -> Hostile:
    return Hostile(saved(scenes.person(rng), rng.choice(["GIF", "BMP", "TIFF", "ICO", "PPM", "TGA"])), Fate.OTHER_TYPE)


@recipe
def _no_picture(rng: Random) -> Hostile:
    letters = "".join(rng.choices(string.printable, k=300)).encode()
    contents = [
        b"GIF89a" + rng.randbytes(200),
        b"\0\0\0\x18ftypmp42" + rng.randbytes(500),
        b"%PDF-1.7\n" + letters,
        b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n" + letters,
        b"push graphic-context\nimage over 0,0 0,0 'ephemeral:/etc/passwd'\n",
        b"PK\x03\x04" + rng.randbytes(400),
        b" " + letters,
        b"\0" * rng.randint(1, 5000),
        b"\xef\xbb\xbf{}",
    ]
    return Hostile(rng.choice(contents), Fate.OTHER_TYPE)


@recipe
def _a_sound_in_riff(rng: Random) -> Hostile:
    return Hostile(b"RIFF\x10\0\0\0" + rng.choice([b"WAVEfmt ", b"AVI LIST"]) + rng.randbytes(99), Fate.OTHER_TYPE)


@recipe
def _nothing(rng: Random) -> Hostile:
    return Hostile(b"", Fate.INVALID) if rng.random() < 0.5 else Hostile(b"\n" * rng.randint(1, 9), Fate.OTHER_TYPE)


@recipe
def _too_many_bytes(rng: Random) -> Hostile:
    image = scenes.person(rng)
    content = saved(image, "JPEG")
    # The upload's own limit decides; the engine would open it.
    return Hostile(content + bytes(rng.randint(3_000_000, 4_000_000)), Fate.OPENS)
