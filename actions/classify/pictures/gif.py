"""GIF: the first frame."""

from __future__ import annotations

import io
from typing import BinaryIO

from PIL import Image
from PIL.GifImagePlugin import GifImageFile

from actions.classify.pictures.examined import Examined
from actions.classify.pictures.frame import Frame
from actions.classify.pictures.metadata import Metadata, measuring
from actions.classify.pictures.orientation import as_seen, read_orientation
from actions.classify.pictures.pixels import picture_bytes


def examine(file: BinaryIO, _frame: Frame) -> Examined:
    with measuring(file) as metadata:
        _walk(file, metadata)
    image = GifImageFile(file)
    orientation = read_orientation(image)
    width, height = as_seen(image.size, orientation)
    return Examined("GIF", width, height, orientation, metadata.cost + picture_bytes(image), lambda: _load(image))


def _load(image: GifImageFile) -> Image.Image:
    image.load()
    return image


def _walk(file: BinaryIO, metadata: Metadata) -> None:
    """Up to the first frame, the only one that is decoded."""
    flags = file.read(13)[10]
    if flags & 0x80:
        file.seek(6 << (flags & 7), io.SEEK_CUR)
    while (introducer := file.read(1)) not in (b",", b";", b""):
        metadata.add(1)
        if introducer != b"!":
            continue
        file.seek(1, io.SEEK_CUR)
        while length := file.read(1)[0]:
            metadata.add(length)
            file.seek(length, io.SEEK_CUR)
