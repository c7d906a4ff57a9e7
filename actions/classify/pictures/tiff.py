"""TIFF, plain by Pillow itself, compressed by libtiff."""

from __future__ import annotations

import io
import struct
from typing import BinaryIO

from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from actions.classify.pictures.examined import Examined
from actions.classify.pictures.frame import Frame
from actions.classify.pictures.metadata import Metadata, measuring
from actions.classify.pictures.pixels import picture_bytes

# BYTE, ASCII, SBYTE, UNDEFINED stay bytes; every other type is unpacked into numbers.
_BYTES = (1, 2, 6, 7)


def examine(file: BinaryIO, _frame: Frame) -> Examined:
    with measuring(file) as metadata:
        _walk(file, metadata)
    image = TiffImageFile(file)
    # Pillow turns it upright by itself.
    return Examined("TIFF", *image.size, 1, metadata.cost + _memory(image), lambda: _load(image))


def _load(image: TiffImageFile) -> Image.Image:
    image.load()
    return image


def _walk(file: BinaryIO, metadata: Metadata) -> None:
    """The first directory, little or big, classic or BigTIFF."""
    head = file.read(16)
    order = "<" if head.startswith(b"II") else ">"
    big = struct.unpack_from(order + "H", head, 2)[0] == 43
    (start,) = struct.unpack_from(order + ("Q" if big else "I"), head, 8 if big else 4)
    file.seek(min(start, 2**62))
    counter = struct.Struct(order + ("Q" if big else "H"))
    entry = struct.Struct(order + ("HHQ8x" if big else "HHI4x"))
    (entries,) = counter.unpack(file.read(counter.size))
    for _ in range(entries):
        _, kind, count = entry.unpack(file.read(entry.size))
        metadata.add(count if kind in _BYTES else 0, 0 if kind in _BYTES else count)


def _memory(image: TiffImageFile) -> int:
    """Beside the picture, libtiff maps the file and holds one strip or tile, of whatever size the file says."""
    memory = picture_bytes(image)
    if not image.use_load_libtiff:
        return memory
    width, height = image.size
    tags = image.tag_v2
    across = max(_number(tags.get(322)), width)
    down = max(_number(tags.get(323)), min(_number(tags.get(278, height)), height))
    samples = max(1, _number(tags.get(277, 1)))
    bits = max([_number(each) for each in tags.get(258, (1,))], default=1)
    # Brightness and two differences are turned into four bytes a pixel by libtiff itself.
    pixel = 4 if tags.get(262) == 6 else -(-samples * bits // 8)
    return memory + across * down * pixel + _file_size(image)


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _file_size(image: TiffImageFile) -> int:
    assert image.fp is not None
    position = image.fp.tell()
    size = image.fp.seek(0, io.SEEK_END)
    image.fp.seek(position)
    return size
