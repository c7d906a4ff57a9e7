"""BMP, plain or in run lengths."""

from __future__ import annotations

from typing import BinaryIO, cast

from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile

from actions.classify.pictures.examined import Examined
from actions.classify.pictures.frame import Frame
from actions.classify.pictures.pixels import picture_bytes
from actions.classify.pictures.spliced import SplicedFile, rest

_LIMIT_COLOURS = 256


def has_known_header(head: bytes) -> bool:
    """Two letters are not enough: many a text begins with BM."""
    return int.from_bytes(head[14:18], "little") in (12, 40, 52, 56, 64, 108, 124)


def examine(file: BinaryIO, _frame: Frame) -> Examined:
    image = BmpImageFile(_without_spare_colours(file))
    # Run lengths are expanded in Python: a growing array and a copy of it, beside the picture.
    runs = any(tile.codec_name == "bmp_rle" for tile in image.tile)
    width, height = image.size
    memory = picture_bytes(image) + (3 * width * height if runs else 0)
    return Examined("BMP", width, height, 1, memory, lambda: _load(image))


def _without_spare_colours(file: BinaryIO) -> BinaryIO:
    """The file with no more colours than a byte can name: Pillow takes none with more, and some programs write them."""
    head = file.read(54)
    file.seek(0)
    if len(head) < 54 or head[14] < 40 or head[28] > 8 or int.from_bytes(head[46:50], "little") <= _LIMIT_COLOURS:
        return file
    counted = head[:46] + _LIMIT_COLOURS.to_bytes(4, "little")
    return cast("BinaryIO", SplicedFile(file, [counted, rest(file, len(counted))]))


def _load(image: BmpImageFile) -> Image.Image:
    image.load()
    return image
