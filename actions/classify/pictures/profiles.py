"""Colours as their ICC profile means them, on the small picture: a few milliseconds, where a profile is not sRGB's."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from functools import lru_cache

from PIL import Image

_SPACES = {b"RGB ": "RGB", b"CMYK": "CMYK", b"GRAY": "L"}
# sRGB's three colours as its profiles have them, and how far off they may be, in steps of 1/65536.
_SRGB = {b"rXYZ": (28578, 14577, 912), b"gXYZ": (25241, 46982, 6361), b"bXYZ": (9367, 3968, 46799)}
_TOLERANCE = 200
_LIMIT_TAGS = 100

Transform = Callable[[Image.Image], Image.Image]


def space_of(profile: bytes | None) -> str | None:
    """The mode of pictures that a profile speaks of; None where it says nothing that would change one."""
    if profile is None or len(profile) < 132 or profile[36:40] != b"acsp":
        return None
    space = _SPACES.get(profile[16:20])
    return None if space == "RGB" and _is_srgb(profile) else space


def apply_profile(image: Image.Image, profile: bytes) -> Image.Image:
    """A picture in a profile's own mode → sRGB; without a change of colours where the profile is broken."""
    transform = _transform(profile, image.mode)
    return image.convert("RGB") if transform is None else transform(image)


@lru_cache(maxsize=4)
def _transform(profile: bytes, mode: str) -> Transform | None:
    """Built once a container for each profile: a camera writes the same into all its pictures."""
    from PIL import ImageCms  # late: most pictures need none

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None

    def convert(image: Image.Image) -> Image.Image:
        # Not in place, so there is always a result.
        return transform.apply(image)

    return convert


def _is_srgb(profile: bytes) -> bool:
    """Whether it names itself sRGB and has sRGB's colours: that is most of all profiles, and costs nothing to see."""
    tags = _tags(profile)
    at, length = tags.get(b"desc", (0, 0))
    named = profile[at : at + min(length, 200)].replace(b"\0", b"")
    return b"sRGB" in named and all(_is_near(profile, tags.get(name), colour) for name, colour in _SRGB.items())


def _tags(profile: bytes) -> dict[bytes, tuple[int, int]]:
    (count,) = struct.unpack_from(">I", profile, 128)
    room = min(count, _LIMIT_TAGS, (len(profile) - 132) // 12)
    entries = (struct.unpack_from(">4sII", profile, 132 + 12 * index) for index in range(room))
    return {name: (at, length) for name, at, length in entries}


def _is_near(profile: bytes, place: tuple[int, int] | None, colour: tuple[int, int, int]) -> bool:
    if place is None or place[0] + 20 > len(profile):
        return False
    found = struct.unpack_from(">iii", profile, place[0] + 8)
    return all(abs(one - other) <= _TOLERANCE for one, other in zip(found, colour, strict=True))
