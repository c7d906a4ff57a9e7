"""Any mode of Pillow's → honest RGB: nothing clipped, inverted or left transparent."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image

from actions.errors import UnsupportedFormat

Converter = Callable[[Image.Image], Image.Image]

# Transparent pictures are drawn to lie on a page, and pages are white.
BACKGROUND = (255, 255, 255, 255)


def converter(image: Image.Image) -> Converter:
    """What turns any strip of `image` into RGB; looks at the whole image once where its range of values matters.

    Raises `UnsupportedFormat` for colours that need a profile to be understood.
    """
    if image.mode == "LAB":
        raise UnsupportedFormat("its colours are L*a*b*; save it as RGB")
    if image.mode.startswith("I;16"):
        return _scaled(0, 1 / 256)
    if image.mode in ("I", "F"):
        return _scaled(*_range(image))
    if image.has_transparency_data:
        return _on_background
    return _plain


def _plain(strip: Image.Image) -> Image.Image:
    return strip.convert("RGB")


def _on_background(strip: Image.Image) -> Image.Image:
    layer = strip.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", strip.size, BACKGROUND), layer).convert("RGB")


def _scaled(least: float, factor: float) -> Converter:
    """Brightness of more than eight bits: (value - least) x factor, in 0 to 255."""

    def convert(strip: Image.Image) -> Image.Image:
        values = strip.convert("I" if strip.mode.startswith("I") else "F")
        return values.point(lambda value: value * factor - least * factor).convert("L").convert("RGB")

    return convert


def _range(image: Image.Image) -> tuple[float, float]:
    """Where black lies, and the factor that takes white to 255: by convention if the values fit one, else stretched."""
    least, most = image.getextrema()
    if not (isinstance(least, int | float) and isinstance(most, int | float)):
        return 0, 1
    if least >= 0:
        for white in (1, 255, 65535) if image.mode == "F" else (255, 65535):
            if most <= white:
                return 0, 255 / white
    return least, 255 / ((most - least) or 1)
