"""Photos that come inside packages: what the quantiser is calibrated on, and what a model is checked with.

They are read as files from the packages' folders; the packages are never imported.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from actions.classify import pictures
from infra.model.variants import LITE0, Variant


@dataclass(frozen=True, slots=True)
class Photo:
    """`path` is relative to a folder of installed packages; `label` is what the model must say, where that is known."""

    name: str
    path: str
    licence: str
    label: str | None = None


PHOTOS = (
    Photo("coffee", "skimage/data/coffee.png", "CC0-1.0, Rachel Michetti", "espresso"),
    Photo("chelsea", "skimage/data/chelsea.png", "CC0-1.0, Stefan van der Walt", "tiger cat"),
    Photo("rocket", "skimage/data/rocket.jpg", "public domain, SpaceX", "missile"),
    Photo("astronaut", "skimage/data/astronaut.png", "public domain, NASA"),
    Photo("china", "sklearn/datasets/images/china.jpg", "CC-BY-2.0, danielbuechele", "palace"),
    Photo("flower", "sklearn/datasets/images/flower.jpg", "CC-BY-2.0, vultilion", "daisy"),
)


@dataclass(frozen=True, slots=True)
class Framing:
    """A square of a photo: `side` is its share of the short side; `left` and `top` share out the room that is left."""

    left: float
    top: float
    side: float
    mirrored: bool = False

    def of(self, image: Image.Image) -> Image.Image:
        side = round(min(image.size) * self.side)
        left, top = (
            round((length - side) * share) for length, share in zip(image.size, (self.left, self.top), strict=True)
        )
        part = image.crop((left, top, left + side, top + side))
        return ImageOps.mirror(part) if self.mirrored else part


# The first is the photo as it is classified. No framing is in both lists: a model is not checked with what it was
# calibrated on.
CHECKING = (
    Framing(0.5, 0.5, 1),
    Framing(0.5, 0.5, 1, mirrored=True),
    Framing(0.4, 0.6, 0.9),
    Framing(0.6, 0.4, 0.9, mirrored=True),
    Framing(0.5, 0.2, 0.75),
    Framing(0.2, 0.5, 0.65, mirrored=True),
)
CALIBRATING = (
    Framing(0.3, 0.3, 1),
    Framing(0.6, 0.6, 0.8, mirrored=True),
    Framing(0.2, 0.8, 0.7),
    Framing(0.8, 0.3, 0.6, mirrored=True),
)


def prepare(image: Image.Image, variant: Variant) -> NDArray[np.uint8]:
    """The model's input, (size, size, 3), made by the very code that serves."""
    frame = pictures.Frame(variant.size, variant.crop)
    file = io.BytesIO()
    image.save(file, "BMP")
    examined = pictures.examine(file, frame)
    pixels = pictures.fit(examined, pictures.decode(examined), frame)
    return np.frombuffer(pixels, np.uint8).reshape(frame.side, frame.side, 3)


def inputs(packages: Path, framings: Sequence[Framing], variant: Variant = LITE0) -> Iterator[NDArray[Any]]:
    """Every photo in every framing, as the model's input."""
    for photo in PHOTOS:
        image = read(packages / photo.path)
        yield from (prepare(framing.of(image), variant) for framing in framings)


def read(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")
