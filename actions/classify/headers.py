"""What a file's structure costs before its pixels do: read by seeking, never by decoding.

Pillow keeps every metadata block it meets, and some parsers slow down with their number, so a file of a few megabytes
could cost hundreds. These walks over the bare structure refuse it first, and say how much memory the metadata of an
acceptable file takes. They do not validate: what they cannot follow is left to Pillow, which words it better.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

from actions.errors import CorruptImage

LIMIT_METADATA_BYTES = 8 * 2**20
LIMIT_METADATA_BLOCKS = 4096
LIMIT_TAG_NUMBERS = 2**17
LIMIT_SCANS = 200

# A number of a TIFF tag becomes a Python object in a tuple, twice; a block is kept as read, joined, and parsed.
_COST_NUMBER = 80
_COST_BYTE = 3


class _Metadata:
    """Adds up what lies around the picture and refuses what no camera or editor writes."""

    def __init__(self) -> None:
        self.bytes = self.blocks = self.numbers = 0

    def add(self, length: int, numbers: int = 0) -> None:
        self.bytes += length
        self.blocks += 1
        self.numbers += numbers
        if self.bytes > LIMIT_METADATA_BYTES or self.blocks > LIMIT_METADATA_BLOCKS or self.numbers > LIMIT_TAG_NUMBERS:
            raise CorruptImage("its metadata is larger than any picture needs; save the image again without metadata")

    @property
    def cost(self) -> int:
        return self.bytes * _COST_BYTE + self.numbers * _COST_NUMBER


def metadata_cost(name: str, file: BinaryIO) -> int:
    """Bytes of memory that the metadata of a `name` (Pillow's word for the format) takes to read.

    Raises `CorruptImage` where it is beyond all measure. Leaves the file at its beginning.
    """
    metadata = _Metadata()
    file.seek(0)
    try:
        _WALKS[name](file, metadata)
    except (struct.error, IndexError, OSError, ValueError):
        pass  # It ends early or points beyond all files; decoding says so.
    finally:
        file.seek(0)
    return metadata.cost


def _walk_jpeg(file: BinaryIO, metadata: _Metadata) -> None:
    """Up to the first scan: Pillow hands the rest to libjpeg."""
    file.seek(2)
    while (marker := _jpeg_marker(file, metadata)) != 0xDA:
        if marker == 0x01 or 0xD0 <= marker <= 0xD9:
            metadata.add(2)
            continue
        (length,) = struct.unpack(">H", file.read(2))
        metadata.add(length)
        file.seek(max(0, length - 2), io.SEEK_CUR)
    _count_scans(file)


def _count_scans(file: BinaryIO) -> None:
    """Each scan of a progressive JPEG is a pass over the whole picture, and takes a handful of bytes to ask for."""
    scans, before = 1, b""
    while piece := file.read(2**18):
        scans += (before + piece).count(b"\xff\xda")
        before = piece[-1:]
    if scans > LIMIT_SCANS:
        raise CorruptImage(f"{scans} scans, more than any encoder makes; save the image again")


def _jpeg_marker(file: BinaryIO, metadata: _Metadata) -> int:
    """The second byte of the next marker, which may come after fill bytes and junk."""
    before = b""
    while byte := file.read(1):
        if before == b"\xff" and byte not in b"\x00\xff":
            return byte[0]
        if before:
            metadata.add(1)
        before = byte
    raise IndexError


def _walk_png(file: BinaryIO, metadata: _Metadata) -> None:
    """Up to the pixels: what comes after them is never read."""
    file.seek(8)
    while True:
        length, kind = struct.unpack(">I4s", file.read(8))
        if kind in (b"IDAT", b"fdAT", b"IEND"):
            return
        metadata.add(length)
        file.seek(length + 4, io.SEEK_CUR)


def _walk_gif(file: BinaryIO, metadata: _Metadata) -> None:
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


def _walk_bmp(file: BinaryIO, metadata: _Metadata) -> None:
    """The header says its own size, and Pillow reads that much."""
    (length,) = struct.unpack_from("<I", file.read(18), 14)
    metadata.add(length)


def _walk_tiff(file: BinaryIO, metadata: _Metadata) -> None:
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
        metadata.add(count if kind in _TIFF_BYTES else 0, 0 if kind in _TIFF_BYTES else count)


# BYTE, ASCII, SBYTE, UNDEFINED stay bytes; every other type is unpacked into numbers.
_TIFF_BYTES = (1, 2, 6, 7)


def _walk_webp(file: BinaryIO, metadata: _Metadata) -> None:
    """The whole file is read at once, whatever it is made of; the decoder's cost has it."""


_WALKS = {
    "JPEG": _walk_jpeg,
    "PNG": _walk_png,
    "GIF": _walk_gif,
    "BMP": _walk_bmp,
    "TIFF": _walk_tiff,
    "WEBP": _walk_webp,
}


@dataclass(frozen=True, slots=True)
class WebpHeader:
    """What a WebP file is made of. `frame_end` is where the first frame of an animation ends, None in a still picture.

    `width` and `height` are 0 where they cannot be read.
    """

    width: int
    height: int
    lossless: bool = False
    alpha: bool = False
    frame_end: int | None = None


def webp_header(file: BinaryIO) -> WebpHeader:
    """Leaves the file anywhere."""
    file.seek(0)
    width, height = _webp_size(file.read(30).ljust(30, b"\0"))
    file.seek(12)
    alpha = False
    while len(head := file.read(8)) == 8:
        kind, length = struct.unpack("<4sI", head)
        if kind in (b"VP8 ", b"VP8L"):
            return WebpHeader(width, height, lossless=kind == b"VP8L", alpha=alpha)
        alpha = alpha or kind == b"ALPH"
        end = file.seek(length + (length & 1), io.SEEK_CUR)
        if kind == b"ANMF":
            return WebpHeader(width, height, frame_end=end)
    return WebpHeader(width, height)


def _webp_size(head: bytes) -> tuple[int, int]:
    if head[12:16] == b"VP8X":
        return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    if head[12:16] == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", head, 26)
    return width & 0x3FFF, height & 0x3FFF


def webp_exif(file: BinaryIO) -> bytes | None:
    """The EXIF block of a WebP file, if its header says that there is one."""
    file.seek(0)
    head = file.read(21).ljust(21, b"\0")
    if head[12:16] != b"VP8X" or not head[20] & 0x08:
        return None
    return _find_block(file, 12, "<4sI", b"EXIF", padding=lambda length: length & 1)


def png_exif(file: BinaryIO) -> bytes | None:
    """The EXIF block of a PNG, also behind its pixels, where editors that append put it."""
    return _find_block(file, 8, ">I4s", b"eXIf", padding=lambda _length: 4)


def _find_block(file: BinaryIO, start: int, head: str, wanted: bytes, *, padding: Callable[[int], int]) -> bytes | None:
    file.seek(start)
    for _ in range(LIMIT_METADATA_BLOCKS):
        read = file.read(8)
        if len(read) < 8:
            return None
        first, second = struct.unpack(head, read)
        kind, length = (first, second) if isinstance(first, bytes) else (second, first)
        if kind == wanted:
            return file.read(length) if length <= 2**20 else None
        file.seek(length + padding(length), io.SEEK_CUR)
    return None
