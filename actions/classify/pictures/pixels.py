"""How many bytes Pillow keeps of a picture."""

from __future__ import annotations

from PIL import Image

_STRIPS = 6 * 2**20


def pixel_bytes(image: Image.Image) -> int:
    """Bytes of one pixel in memory."""
    if image.mode in ("1", "L", "P"):
        return 1
    return 2 if image.mode.startswith("I;16") else 4


def picture_bytes(image: Image.Image) -> int:
    """Bytes of the whole picture in memory, decoded or not, and of the strips while it is turned into RGB."""
    width, height = image.size
    whole = width * height * pixel_bytes(image)
    return whole if image.mode in ("RGB", "L") else whole + min(whole, _STRIPS)


def is_blank(image: Image.Image) -> bool:
    """Whether every pixel is the same, or none can be seen: such a frame shows nothing."""
    bands = image.getbands()
    if bands[-1] == "A" and image.getchannel("A").getextrema() == (0, 0):
        return True
    extrema = image.getextrema()
    pairs = extrema if isinstance(extrema[0], tuple) else (extrema,)
    return all(least == most for least, most in pairs)
