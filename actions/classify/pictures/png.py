"""PNG: decoded row by row, whole."""

from __future__ import annotations

import io
import struct
from typing import BinaryIO

from PIL import Image, PngImagePlugin
from PIL.PngImagePlugin import PngImageFile

from actions.classify.pictures.examined import Examined
from actions.classify.pictures.frame import Frame
from actions.classify.pictures.metadata import LIMIT_METADATA_BYTES, Metadata, find_block, measuring
from actions.classify.pictures.orientation import as_seen, parse_orientation, read_orientation
from actions.classify.pictures.pixels import picture_bytes

PngImagePlugin.MAX_TEXT_MEMORY = LIMIT_METADATA_BYTES


class _Png(PngImageFile):
    """A PNG whose file is left alone once its pixels are there: what follows may be anything, of any size."""

    def load_end(self) -> None:
        self.png = None


def examine(file: BinaryIO, _frame: Frame) -> Examined:
    with measuring(file) as metadata:
        _walk(file, metadata)
    image = _Png(file)
    orientation = _orientation(image, file)
    width, height = as_seen(image.size, orientation)
    return Examined("PNG", width, height, orientation, metadata.cost + picture_bytes(image), lambda: _load(image))


def _load(image: PngImageFile) -> Image.Image:
    image.load()
    return image


def _orientation(image: PngImageFile, file: BinaryIO) -> int:
    if "exif" in image.info:
        return read_orientation(image)
    # Pillow would decode the whole picture to look behind its pixels, where editors that append put it.
    position = file.tell()
    try:
        return parse_orientation(find_block(file, 8, ">I4s", b"eXIf", padding=lambda _length: 4))
    finally:
        file.seek(position)


def _walk(file: BinaryIO, metadata: Metadata) -> None:
    """Up to the pixels: what comes after them is never read."""
    file.seek(8)
    while True:
        length, kind = struct.unpack(">I4s", file.read(8))
        if kind in (b"IDAT", b"fdAT", b"IEND"):
            return
        metadata.add(length)
        file.seek(length + 4, io.SEEK_CUR)
