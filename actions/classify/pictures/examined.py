"""What is known of a picture before it is decoded, and the limits that this is held against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from actions.errors import NeedsMemory, TooManyPixels

# What a JPEG or a GIF can have at most. Beyond it the rows themselves cost more than the picture: eight bytes for the
# place of each, and several copies of a long one.
_LIMIT_SIDE = 2**16 - 1
# Of a picture that is reduced while it decodes, this many times the pixels: it takes no memory, but time.
_LIMIT_REDUCED = 10


@dataclass(frozen=True, slots=True)
class Tone:
    """How brightness of more than eight bits is meant, where the picture's mode does not tell.

    `white` is the value that is white, None where the values themselves must tell; `inverted` where it is black
    instead. `key` is the value that stands for transparent.
    """

    white: float | None = None
    inverted: bool = False
    key: int | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """`pixels` as they are decoded; `memory` in bytes, for decoding alone, and in `larger` what a larger container has
    for it, where there is one.
    """

    pixels: int
    memory: int
    larger: int = 0


@dataclass(frozen=True, slots=True)
class Examined:
    """What the headers say. `width` and `height` are as seen, orientation applied; `memory` is an estimate in bytes.

    `load` decodes, to be called once, while the file is open and untouched. `profile` is the ICC profile that its
    colours are meant in, None where that is sRGB's or unknown. `scale` is how many times smaller it is decoded.
    """

    format: str
    width: int
    height: int
    orientation: int
    memory: int
    load: Callable[[], Image.Image]
    profile: bytes | None = None
    tone: Tone = Tone()
    scale: int = 1


def check(examined: Examined, limits: Limits) -> None:
    """Hold what the headers promise against the limits. Raises `TooManyPixels`, or `NeedsMemory` where a larger
    container could do it.
    """
    width, height = examined.width, examined.height
    if max(width, height) > _LIMIT_SIDE:
        raise TooManyPixels(f"{width} x {height} pixels, at most {_LIMIT_SIDE} along a side; make it smaller")
    if width * height > min(limits.pixels * examined.scale**2, limits.pixels * _LIMIT_REDUCED):
        raise TooManyPixels(f"{width} x {height} pixels, at most {limits.pixels} in all; make it smaller")
    if limits.memory < examined.memory <= limits.larger:
        raise NeedsMemory(
            f"decoding it takes about {examined.memory >> 20} MiB, more than this container has;"
            " the sweep has `classify-large` look at it, or invoke `classify-large-and-store` with it"
        )
    if examined.memory > limits.memory:
        raise TooManyPixels(
            f"{width} x {height} pixels of this kind of {examined.format} take about {examined.memory >> 20} MiB"
            f" to decode, at most {limits.memory >> 20}; make it smaller or save it as a baseline JPEG"
        )
