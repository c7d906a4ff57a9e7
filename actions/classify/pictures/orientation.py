"""Which way up a picture is: EXIF's number, 1 to 8, wherever a program writes it, and the turn that it asks for."""

from __future__ import annotations

import re
import struct

from PIL import Image

_TAG = 0x0112
_LONG = 4

# As an attribute or as an element, under whatever prefix stands for TIFF's properties.
_XMP = re.compile(rb"""tiff:Orientation(?:\s*=\s*["']|>)\s*([1-8])\b""")

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def parse_exif(block: bytes | None) -> int | None:
    """The orientation that an EXIF block has in its first directory; None where it has none that means something.

    Only this one number is read, so that damage elsewhere in the block does not matter.
    """
    block = (block or b"").removeprefix(b"Exif\0\0").lstrip(b"\xff")
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None or len(block) < 10:
        return None
    (start,) = struct.unpack_from(order + "I", block, 4)
    if start + 2 > len(block):
        return None
    (count,) = struct.unpack_from(order + "H", block, start)
    for at in range(start + 2, min(start + 2 + 12 * count, len(block) - 11), 12):
        tag, kind, _ = struct.unpack_from(order + "HHI", block, at)
        if tag == _TAG:
            return _known(struct.unpack_from(order + ("I" if kind == _LONG else "H"), block, at + 8)[0])
    return None


def parse_xmp(packet: bytes | None) -> int | None:
    """The orientation that an XMP packet has, or None."""
    found = _XMP.search(packet or b"")
    return int(found[1]) if found else None


def parse_raw_profile(text: bytes) -> int | None:
    """The orientation in ImageMagick's way to write EXIF into a PNG: a name, a length, and hexadecimal digits."""
    try:
        return parse_exif(bytes.fromhex("".join(text.decode("ascii").split()[2:])))
    except ValueError:
        return None


def _known(value: int) -> int | None:
    return value if 1 <= value <= 8 else None


def as_seen(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Width and height of a picture once it is upright."""
    width, height = size
    return (height, width) if orientation >= 5 else (width, height)


def turn_upright(image: Image.Image, orientation: int) -> Image.Image:
    """Turned as its orientation says: after the crop, whose centre stays the centre however it is turned."""
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)
