"""A picture that comes a band of rows at a time, put together small: it is never held whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from PIL import Image

from actions.classify.pictures.frame import Frame

BAND_BYTES = 2 * 2**20


class Rows(Protocol):
    """Whatever has rows: `count` of them from `first` on, as a picture."""

    def __call__(self, first: int, count: int) -> Image.Image: ...


def factor(size: tuple[int, int], frame: Frame) -> int:
    """How many times smaller each band becomes: by whole pixels, and twice as fine as the frame needs."""
    return max(1, min(size) // (2 * frame.short_side))


def band_rows(stride: int, scale: int) -> int:
    """How many rows of `stride` bytes a band has: a multiple of `scale`."""
    return max(1, BAND_BYTES // (stride * scale)) * scale


def band_memory(size: tuple[int, int], frame: Frame) -> int:
    """Some copies of a band, and the reduced picture."""
    width, height = size
    scale = factor(size, frame)
    return 6 * max(BAND_BYTES, width * 4 * scale) + (width // scale + 1) * (height // scale + 1) * 4


def assemble(bands: Iterable[Image.Image], mode: str, size: tuple[int, int], scale: int) -> Image.Image:
    """All bands below one another in `mode`, each reduced `scale` times; all but the last have a multiple of rows."""
    width, height = size
    reduced, at = Image.new(mode, (-(-width // scale), -(-height // scale))), 0
    for band in bands:
        small = (band if band.mode == mode else band.convert(mode)).reduce(scale)
        reduced.paste(small, (0, at))
        at += small.height
    return reduced


def slices(height: int, rows: int, cut: Rows) -> Iterator[Image.Image]:
    """Bands of a picture whose rows can be had in any order."""
    for first in range(0, height, rows):
        yield cut(first, min(rows, height - first))
