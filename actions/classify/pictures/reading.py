"""From a file's first bytes to its format, and with that format's module to a picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from PIL import Image

from actions.classify.pictures import bmp, gif, jpeg, png, tiff, webp
from actions.classify.pictures.examined import Examined
from actions.classify.pictures.frame import Frame
from actions.classify.pictures.parsers import parsing
from actions.classify.pictures.sniffing import HEAD, sniff

Examine = Callable[[BinaryIO, Frame], Examined]


def examine(file: BinaryIO, frame: Frame) -> Examined:
    """Read the headers of a seekable file.

    Raises `EmptyObject`, `UnsupportedFormat`, `TruncatedImage` or `CorruptImage`.
    """
    file.seek(0)
    name = sniff(file.read(HEAD))
    file.seek(0)
    with parsing(name):
        return _examiner(name)(file, frame)


def decode(examined: Examined) -> Image.Image:
    """The picture in Pillow's own layout, not below the detail that the frame needs.

    Raises `UnsupportedFormat`, `TruncatedImage` or `CorruptImage`.
    """
    with parsing(examined.format):
        return examined.load()


def _examiner(name: str) -> Examine:
    """The module for a format; those for rare ones are imported when such a file comes."""
    match name:
        case "HEIF":
            from actions.classify.pictures import heif

            return heif.examine
        case "AVIF":
            from actions.classify.pictures import avif

            return avif.examine
        case "JPEG2000":
            from actions.classify.pictures import jpeg2000

            return jpeg2000.examine
    return _COMMON[name]


_COMMON: dict[str, Examine] = {
    "JPEG": jpeg.examine,
    "PNG": png.examine,
    "GIF": gif.examine,
    "BMP": bmp.examine,
    "TIFF": tiff.examine,
    "WEBP": webp.examine,
}
