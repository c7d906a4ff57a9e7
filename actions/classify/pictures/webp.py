"""WebP: a still picture reduced by libwebp while it decodes; of an animation the first frame, through Pillow."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import BinaryIO

from PIL import Image
from PIL.WebPImagePlugin import WebPImageFile

from actions.classify.pictures import libwebp
from actions.classify.pictures.examined import Examined
from actions.classify.pictures.frame import Frame, reduction
from actions.classify.pictures.metadata import find_block
from actions.classify.pictures.orientation import as_seen, parse_orientation
from actions.errors import CorruptImage


def examine(file: BinaryIO, frame: Frame) -> Examined:
    header = _read_header(file)
    if not (header.width and header.height):
        raise CorruptImage("it begins like a WEBP file, but has no size")
    orientation = parse_orientation(_find_exif(file))
    memory = _memory(header, file.seek(0, io.SEEK_END), frame)
    width, height = as_seen((header.width, header.height), orientation)
    return Examined("WEBP", width, height, orientation, memory, lambda: _load(file, header, frame))


def _load(file: BinaryIO, header: _Header, frame: Frame) -> Image.Image:
    """Pillow's decoder allocates the whole canvas as soon as it is opened, so it is opened as late as this.

    Of an animation it is given the first frame alone.
    """
    file.seek(0)
    if header.frame_end is None and libwebp.is_available():
        scale = reduction((header.width, header.height), frame)
        size = -(-header.width // scale), -(-header.height // scale)
        return libwebp.decode(file.read(), size, scaled=scale > 1)
    first = bytearray(file.read(-1 if header.frame_end is None else header.frame_end))
    struct.pack_into("<I", first, 4, len(first) - 8)
    image = WebPImageFile(io.BytesIO(first))
    image.load()
    return image


@dataclass(frozen=True, slots=True)
class _Header:
    """What a file is made of. `frame_end` is where the first frame of an animation ends, None in a still picture.

    `width` and `height` are 0 where they cannot be read.
    """

    width: int
    height: int
    lossless: bool = False
    alpha: bool = False
    frame_end: int | None = None


def _read_header(file: BinaryIO) -> _Header:
    width, height = _read_size(file.read(30).ljust(30, b"\0"))
    file.seek(12)
    alpha = False
    while len(head := file.read(8)) == 8:
        kind, length = struct.unpack("<4sI", head)
        if kind in (b"VP8 ", b"VP8L"):
            return _Header(width, height, lossless=kind == b"VP8L", alpha=alpha)
        alpha = alpha or kind == b"ALPH"
        end = file.seek(length + (length & 1), io.SEEK_CUR)
        if kind == b"ANMF":
            return _Header(width, height, frame_end=end)
    return _Header(width, height)


def _read_size(head: bytes) -> tuple[int, int]:
    if head[12:16] == b"VP8X":
        return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    if head[12:16] == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", head, 26)
    return width & 0x3FFF, height & 0x3FFF


def _find_exif(file: BinaryIO) -> bytes | None:
    """The EXIF block, if the header says that there is one."""
    file.seek(0)
    head = file.read(21).ljust(21, b"\0")
    if head[12:16] != b"VP8X" or not head[20] & 0x08:
        return None
    return find_block(file, 12, "<4sI", b"EXIF", padding=lambda length: length & 1)


def _memory(header: _Header, size: int, frame: Frame) -> int:
    """libwebp holds a lossless picture or a compressed alpha plane whole, anything else by rows."""
    area = header.width * header.height
    if header.frame_end is not None or not libwebp.is_available():
        # The animation decoder's two canvases, its result, Pillow's copy, one more where lossless; the file, thrice.
        return area * 20 + min(size, header.frame_end or size) * 3
    scale = reduction((header.width, header.height), frame)
    whole = area * (4 if header.lossless else 5 if header.alpha else 0)
    return whole + (header.width // scale + 1) * (header.height // scale + 1) * 4 + header.width * 128 + size
