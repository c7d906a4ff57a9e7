"""A decoded picture → rows of red, green and blue bytes, cut and turned as the model wants them."""

from __future__ import annotations

import math

from PIL import Image

from actions.classify.pictures.colours import Converter, converter
from actions.classify.pictures.examined import Examined
from actions.classify.pictures.frame import Frame, centre
from actions.classify.pictures.orientation import turn_upright
from actions.classify.pictures.parsers import parsing
from actions.classify.pictures.profiles import apply_profile, space_of

_STRIP_PIXELS = 2**17


def fit(examined: Examined, image: Image.Image, frame: Frame) -> bytes:
    """A decoded picture as the model wants it: rows of red, green and blue bytes, `frame.side` squared."""
    with parsing(examined.format):
        return turn_upright(_in_srgb(examined, image, frame), examined.orientation).tobytes()


def _in_srgb(examined: Examined, image: Image.Image, frame: Frame) -> Image.Image:
    """Colours are made right when the picture is small; those of a printing press need all four until then."""
    space = space_of(examined.profile)
    if space == "CMYK":
        if image.mode == "CMYK":
            return apply_profile(_cut(image, None, frame), examined.profile or b"")
        return _cut(image, converter(image, examined.tone), frame)
    small = _cut(image, converter(image, examined.tone), frame)
    if space is None or image.mode in ("CMYK", "LAB"):
        return small
    return apply_profile(small if space == "RGB" else small.convert(space), examined.profile or b"")


def _cut(image: Image.Image, to_rgb: Converter | None, frame: Frame) -> Image.Image:
    """The centre of the picture at the frame's size, in RGB, or in its own mode without a converter.

    Modes other than RGB and grey are converted strip by strip, each strip narrowed at once, so that no second copy of
    the picture is ever held. This changes no bit of the result, unless a picture is much higher than wide: then Pillow
    itself goes along columns first, and a rounding differs.
    """
    if to_rgb is None or (image.mode in ("RGB", "L") and not image.has_transparency_data):
        box = centre(image.size, frame)
        small = image.resize((frame.side, frame.side), Image.Resampling.BICUBIC, box)
        return small if to_rgb is None else small.convert("RGB")
    left, top, right, bottom = centre(image.size, frame)
    # A bicubic kernel looks two steps of the result beyond the box.
    margin = math.ceil(2 * max(1, (bottom - top) / frame.side)) + 1
    first, last = max(0, int(top) - margin), min(image.height, math.ceil(bottom) + margin)
    narrow = Image.new("RGB", (frame.side, last - first))
    rows = max(1, _STRIP_PIXELS // image.width)
    for upper in range(first, last, rows):
        lower = min(upper + rows, last)
        strip = to_rgb(image.crop((0, upper, image.width, lower)))
        across = (left, 0, right, lower - upper)
        resized = strip.resize((frame.side, lower - upper), Image.Resampling.BICUBIC, across)
        narrow.paste(resized, (0, upper - first))
    down = (0, top - first, frame.side, bottom - first)
    return narrow.resize((frame.side, frame.side), Image.Resampling.BICUBIC, down)
