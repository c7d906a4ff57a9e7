"""GIF: the first frame that shows something."""

from __future__ import annotations

import io
import struct
from typing import BinaryIO

from PIL import Image
from PIL.GifImagePlugin import GifImageFile

from actions.classify.pictures.examined import Examined
from actions.classify.pictures.frame import Frame
from actions.classify.pictures.metadata import Metadata, measuring
from actions.classify.pictures.pixels import is_blank, picture_bytes

# Later frames are drawn over earlier ones in full colour, which costs several copies.
_LIMIT_PIXELS_LATER = 2**21
_COST_LATER = 16
_LIMIT_FRAMES = 32


def examine(file: BinaryIO, _frame: Frame) -> Examined:
    with measuring(file) as metadata:
        _walk(file, metadata)
    image = GifImageFile(file)
    width, height = image.size
    later = width * height * _COST_LATER if width * height <= _LIMIT_PIXELS_LATER else 0
    memory = metadata.cost + picture_bytes(image) + later
    return Examined("GIF", width, height, 1, memory, lambda: _load(file, image))


def _load(file: BinaryIO, image: GifImageFile) -> Image.Image:
    """An animation that fades in begins with a frame of one colour: then a later one is what people mean by it."""
    image.load()
    width, height = image.size
    if width * height > _LIMIT_PIXELS_LATER or not is_blank(image):
        return image
    first = image.copy()
    position = file.tell()
    count = _count_frames(file, image.size)
    file.seek(position)
    for number in range(1, count):
        try:
            image.seek(number)
            image.load()
        except (EOFError, OSError):
            break
        if not is_blank(image):
            return image
    return first


def _count_frames(file: BinaryIO, size: tuple[int, int]) -> int:
    """How many frames there are, before the first that would make the canvas larger than its memory was estimated."""
    _skip_screen(file)
    count = 0
    while count < _LIMIT_FRAMES and (introducer := file.read(1)) in (b",", b"!"):
        if introducer == b"!":
            file.seek(1, io.SEEK_CUR)
        else:
            left, top, width, height, flags = struct.unpack("<HHHHB", file.read(9).ljust(9, b"\xff"))
            if left + width > size[0] or top + height > size[1]:
                break
            file.seek((6 << (flags & 7) if flags & 0x80 else 0) + 1, io.SEEK_CUR)
            count += 1
        while length := file.read(1):
            if length == b"\0":
                break
            file.seek(length[0], io.SEEK_CUR)
    return count


def _skip_screen(file: BinaryIO) -> None:
    file.seek(0)
    flags = file.read(13)[10]
    if flags & 0x80:
        file.seek(6 << (flags & 7), io.SEEK_CUR)


def _walk(file: BinaryIO, metadata: Metadata) -> None:
    """Up to the first frame."""
    _skip_screen(file)
    while (introducer := file.read(1)) not in (b",", b";", b""):
        metadata.add(1)
        if introducer != b"!":
            continue
        file.seek(1, io.SEEK_CUR)
        while length := file.read(1)[0]:
            metadata.add(length)
            file.seek(length, io.SEEK_CUR)
