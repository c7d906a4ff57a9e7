"""What is known of a picture before it is decoded, and the limits that this is held against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from actions.errors import TooManyPixels

# What a JPEG or a GIF can have at most. Beyond it the rows themselves cost more than the picture: eight bytes for the
# place of each, and several copies of a long one.
_LIMIT_SIDE = 2**16 - 1


@dataclass(frozen=True, slots=True)
class Limits:
    """`pixels` as the header has them; `memory` in bytes, for decoding alone."""

    pixels: int
    memory: int


@dataclass(frozen=True, slots=True)
class Examined:
    """What the headers say. `width` and `height` are as seen, orientation applied; `memory` is an estimate in bytes.

    `load` decodes, to be called once, while the file is open and untouched.
    """

    format: str
    width: int
    height: int
    orientation: int
    memory: int
    load: Callable[[], Image.Image]


def check(examined: Examined, limits: Limits) -> None:
    """Hold what the headers promise against the limits. Raises `TooManyPixels`."""
    width, height = examined.width, examined.height
    if max(width, height) > _LIMIT_SIDE:
        raise TooManyPixels(f"{width} x {height} pixels, at most {_LIMIT_SIDE} along a side; make it smaller")
    if width * height > limits.pixels:
        raise TooManyPixels(f"{width} x {height} pixels, at most {limits.pixels} in all; make it smaller")
    if examined.memory > limits.memory:
        raise TooManyPixels(
            f"{width} x {height} pixels of this kind of {examined.format} take about {examined.memory >> 20} MiB"
            f" to decode, at most {limits.memory >> 20}; make it smaller or save it as a baseline JPEG"
        )
