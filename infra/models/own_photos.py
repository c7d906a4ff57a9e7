"""The photos that come along, whole, mirrored and in parts: what any model can be asked about."""

from __future__ import annotations

import io
from collections.abc import Iterator

from PIL import Image, ImageOps

from actions.classify import pictures
from infra import paths

KNOWN = paths.PHOTOS / "coffee.jpg"


def read_own_photos() -> Iterator[Image.Image]:
    for path in sorted(paths.PHOTOS.glob("*.jpg")):
        with Image.open(path) as opened:
            image = opened.convert("RGB")
        yield from _cut(image)


def cut_pixels(image: Image.Image, frame: pictures.Frame) -> bytes:
    """Rows of red, green and blue, made by the very code that serves."""
    file = io.BytesIO()
    image.save(file, "BMP")
    return read_pixels(file, frame)


def read_known(frame: pictures.Frame) -> bytes:
    """An espresso."""
    return read_pixels(io.BytesIO(KNOWN.read_bytes()), frame)


def read_pixels(file: io.BytesIO, frame: pictures.Frame) -> bytes:
    """Of any picture that `classify` takes. Raises `Rejected`."""
    examined = pictures.examine(file, frame)
    return pictures.fit(examined, pictures.decode(examined), frame)


def _cut(image: Image.Image) -> Iterator[Image.Image]:
    width, height = image.size
    yield image
    yield ImageOps.mirror(image)
    for left, top in ((0, 0), (width // 3, 0), (0, height // 3), (width // 3, height // 3)):
        yield image.crop((left, top, left + 2 * width // 3, top + 2 * height // 3))
