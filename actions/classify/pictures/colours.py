"""Any mode of Pillow's → honest RGB: nothing clipped, inverted or left transparent."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image

from actions.classify.pictures.examined import Tone
from actions.errors import UnsupportedFormat

Converter = Callable[[Image.Image], Image.Image]

# Transparent pictures are drawn to lie on a page, and pages are white.
BACKGROUND = (255, 255, 255, 255)
_STRIP_ROWS = 64


def converter(image: Image.Image, tone: Tone) -> Converter:
    """What turns any strip of `image` into RGB; looks at the whole image once where its range of values matters.

    Raises `UnsupportedFormat` for colours that need a profile to be understood.
    """
    if image.mode == "LAB":
        raise UnsupportedFormat("its colours are L*a*b*; save it as RGB")
    if image.mode.startswith("I;16"):
        return _sixteen_bit(tone)
    if image.mode in ("I", "F"):
        black, white = _range(image)
        return _make_scale(white, black) if tone.inverted else _make_scale(black, white)
    if image.has_transparency_data and not _is_wholly_transparent(image):
        return _on_background
    return _plain


def _plain(strip: Image.Image) -> Image.Image:
    return strip.convert("LA").convert("RGB") if strip.mode == "La" else strip.convert("RGB")


def _on_background(strip: Image.Image) -> Image.Image:
    layer = (strip.convert("LA") if strip.mode == "La" else strip).convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", strip.size, BACKGROUND), layer).convert("RGB")


def _is_wholly_transparent(image: Image.Image) -> bool:
    """Whether nothing of it would be seen: then whoever wrote it had no use for the fourth channel and left it zero."""
    if image.mode not in ("RGBA", "LA"):
        return False
    strips = range(0, image.height, _STRIP_ROWS)
    boxes = ((0, at, image.width, min(at + _STRIP_ROWS, image.height)) for at in strips)
    return all(image.crop(box).getchannel("A").getextrema() == (0, 0) for box in boxes)


def _sixteen_bit(tone: Tone) -> Converter:
    white = tone.white or 65535
    scaled = _make_scale(white, 0) if tone.inverted else _make_scale(0, white)
    if tone.key is None:
        return scaled
    # One value stands for transparent, and pages are white.
    mask = [255 if value == tone.key else 0 for value in range(65536)]

    def convert(strip: Image.Image) -> Image.Image:
        shown = scaled(strip)
        shown.paste(BACKGROUND[:3], mask=strip.convert("I").point(mask, "L"))
        return shown

    return convert


def _make_scale(black: float, white: float) -> Converter:
    """Brightness of more than eight bits: from `black` to `white` becomes 0 to 255."""
    factor = 255 / ((white - black) or 1)

    def convert(strip: Image.Image) -> Image.Image:
        values = strip.convert("I" if strip.mode.startswith("I") else "F")
        return values.point(lambda value: value * factor - black * factor).convert("L").convert("RGB")

    return convert


def _range(image: Image.Image) -> tuple[float, float]:
    """Which values are black and white: by convention if all fit one, else the least and the most there are."""
    least, most = image.getextrema()
    if not (isinstance(least, int | float) and isinstance(most, int | float)):
        return 0, 255
    if least >= 0:
        for white in (1, 255, 65535) if image.mode == "F" else (255, 65535):
            if most <= white:
                return 0, white
    return least, most
