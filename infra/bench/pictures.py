"""Pictures to measure with: made up, the same on every machine, and as hard to decode as photos of their size."""

from __future__ import annotations

import io
import itertools
import random
from collections.abc import Iterator

from PIL import Image

# 1024 by 768 in some 120 kB is what a phone's messenger sends; 12 megapixels are what its camera takes.
USUAL = (1024, 768, 120_000)
LARGE = (4000, 3000, 4_000_000)

_QUALITIES = (30, 95)


def jpeg(width: int, height: int, size: int, seed: int = 2018) -> bytes:
    """A JPEG of about `size` bytes, as near as its quality can be chosen."""
    picture = clouds(width, height, seed)
    least, most = _QUALITIES
    while least < most:
        middle = (least + most + 1) // 2
        if len(_encode(picture, middle)) <= size:
            least = middle
        else:
            most = middle - 1
    return _encode(picture, least)


def clouds(width: int, height: int, seed: int) -> Image.Image:
    """Noise of every coarseness on top of each other, the coarse ones strongest, as in photos."""
    source = random.Random(seed)  # noqa: S311 - the same picture everywhere is what is wanted
    picture = _noise(source, 4, width, height)
    for coarseness, share in ((16, 0.4), (64, 0.25), (256, 0.15)):
        picture = Image.blend(picture, _noise(source, coarseness, width, height), share)
    return picture


def _noise(source: random.Random, columns: int, width: int, height: int) -> Image.Image:
    rows = columns * 3 // 4
    small = Image.frombytes("RGB", (columns, rows), source.randbytes(columns * rows * 3))
    return small.resize((width, height), Image.Resampling.BICUBIC)


def _encode(picture: Image.Image, quality: int) -> bytes:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return file.getvalue()


def different(picture: bytes) -> Iterator[bytes]:
    """The same JPEG again and again, each with another comment, so that no two have the same ETag."""
    for number in itertools.count():
        comment = b"%020d" % number
        yield picture[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + picture[2:]
