"""The sRGB colour profile."""

from typing import Any, cast

from PIL import ImageCms


def srgb_profile() -> ImageCms.ImageCmsProfile:
    """The profile of sRGB (IEC 61966-2-1), for conversions."""
    return ImageCms.ImageCmsProfile(cast("Any", ImageCms.createProfile("sRGB")))


def _embedded() -> bytes:
    data = bytearray(srgb_profile().tobytes())
    # When it was made and an id made from that: fixed, so that equal pictures are equal files (ICC.1:2010, 7.2).
    data[24:36] = b"".join(value.to_bytes(2, "big") for value in (2000, 1, 1, 0, 0, 0))
    data[84:100] = bytes(16)
    return bytes(data)


EMBEDDED = _embedded()
"""The same profile as it is put into files; the same bytes at every run."""
