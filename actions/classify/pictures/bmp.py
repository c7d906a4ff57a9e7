"""BMP, plain or in run lengths."""

from __future__ import annotations

from typing import BinaryIO

from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile

from actions.classify.pictures.examined import Examined
from actions.classify.pictures.frame import Frame
from actions.classify.pictures.pixels import picture_bytes


def has_known_header(head: bytes) -> bool:
    """Two letters are not enough: many a text begins with BM."""
    return int.from_bytes(head[14:18], "little") in (12, 40, 52, 56, 64, 108, 124)


def examine(file: BinaryIO, _frame: Frame) -> Examined:
    image = BmpImageFile(file)
    # Run lengths are expanded in Python: a growing array and a copy of it, beside the picture.
    runs = any(tile.codec_name == "bmp_rle" for tile in image.tile)
    width, height = image.size
    memory = picture_bytes(image) + (3 * width * height if runs else 0)
    return Examined("BMP", width, height, 1, memory, lambda: _load(image))


def _load(image: BmpImageFile) -> Image.Image:
    image.load()
    return image
