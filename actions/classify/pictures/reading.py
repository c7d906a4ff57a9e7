"""From a file's first bytes to its format, and with that format's module to a picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from PIL import Image

from actions.classify.pictures import bmp, gif, jpeg, png, tiff, webp
from actions.classify.pictures.examined import Examined
from actions.classify.pictures.frame import Frame
from actions.classify.pictures.parsers import parsing
from actions.errors import EmptyObject, UnsupportedFormat

# Each reads the headers of a file that stands at its beginning.
_EXAMINERS: dict[str, Callable[[BinaryIO, Frame], Examined]] = {
    "JPEG": jpeg.examine,
    "PNG": png.examine,
    "GIF": gif.examine,
    "BMP": bmp.examine,
    "TIFF": tiff.examine,
    "WEBP": webp.examine,
}


def examine(file: BinaryIO, frame: Frame) -> Examined:
    """Read the headers of a seekable file. Raises `EmptyObject`, `UnsupportedFormat` or `CorruptImage`."""
    file.seek(0)
    name = sniff(file.read(32))
    file.seek(0)
    with parsing(name):
        return _EXAMINERS[name](file, frame)


def decode(examined: Examined) -> Image.Image:
    """The picture in Pillow's own layout, not below the detail that the frame needs. Raises `CorruptImage`."""
    with parsing(examined.format):
        return examined.load()


def sniff(head: bytes) -> str:
    """Pillow's name of the format that the first 32 bytes of a file claim. Raises `UnsupportedFormat`."""
    if not head:
        raise EmptyObject("it has no bytes")
    for name in _EXAMINERS:
        accepts = Image.OPEN[name][1]
        if (accepts is None or accepts(head) is True) and (name != "BMP" or bmp.has_known_header(head)):
            return name
    raise UnsupportedFormat("not a JPEG, PNG, WebP, GIF, BMP or TIFF file, whatever its name says")
